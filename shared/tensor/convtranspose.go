package tensor

import (
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
)

// PackedTranspose is the weights of ConvTranspose2D, laid out once for all of its phases. It is a copy, immutable and
// safe for concurrent use.
type PackedTranspose struct {
	f32   *gemm.PackedGrad[float32]
	f64   *gemm.PackedGrad[float64]
	shape []int
	dtype DType
	spec  ConvSpec
}

// PackConvTranspose lays out w [KH, KW, Co, Ci], Co the channels of the result, for ConvTranspose2D of this geometry.
func PackConvTranspose(w *Tensor, spec ConvSpec) *PackedTranspose {
	const op = "PackConvTranspose"
	if w.rank != 4 {
		panic(shapeError(op, "want [KH, KW, Co, Ci]", w))
	}
	spec = spec.Normalize()
	c := gemm.Conv{
		KH: w.shape[0], KW: w.shape[1], Ci: w.shape[2], Co: w.shape[3], StrideH: spec.StrideH, StrideW: spec.StrideW,
		PadTop: spec.PadTop, PadLeft: spec.PadLeft, H: w.shape[0], W: w.shape[1],
	}
	p := &PackedTranspose{shape: slices.Clone(w.Shape()), dtype: w.dtype, spec: spec}
	if w.dtype == Float64 {
		p.f64 = gemm.PackInputGrad(w.f64, c)
	} else {
		p.f32 = gemm.PackInputGrad(w.f32, c)
	}
	return p
}

// ConvTranspose2D is the transposed convolution: dst [N, Ho, Wo, Co] from x [N, H, W, Ci], where a convolution of
// dst's size by w has the size of x. It is Conv2DInputGrad with x for dy, with its order, followed by the epilogue. A
// kernel of 4 with stride 2 and padding 1 doubles a picture's size by four dense convolutions of 2x2.
func ConvTranspose2D(dst, x *Tensor, w *PackedTranspose, ep *Epilogue) {
	const op = "ConvTranspose2D"
	if w.dtype != x.dtype {
		panic(shapeError(op, "types "+x.dtype.String()+" and "+w.dtype.String(), x))
	}
	c := convShape(op, dst, w.shape, x, w.spec)
	ep.check(op, dst)
	if dst.dtype == Float64 {
		convTranspose(dst.f64, x.f64, w.f64, c, ep)
		return
	}
	convTranspose(dst.f32, x.f32, w.f32, c, ep)
}

func convTranspose[T float](dst, x []T, w *gemm.PackedGrad[T], c gemm.Conv, ep *Epilogue) {
	if len(dst) == 0 {
		return
	}
	f := newItemFinisher[T](ep, len(dst), c.Ci)
	gemm.InputGradPacked(dst, x, w, c, f.epilogue())
	f.release()
}

// Channels is the number of channels of the result.
func (p *PackedTranspose) Channels() int { return p.shape[2] }
