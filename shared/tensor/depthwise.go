package tensor

import (
	"github.com/manifold-gen/manifold/shared/tensor/internal/depthwise"
	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
)

// depthwiseShape checks a depthwise convolution of x [N, H, W, C] by w [KH, KW, C, M] with the result y
// [N, Ho, Wo, C*M].
func depthwiseShape(op string, x, w, y *Tensor, s ConvSpec) gemm.Conv {
	const want = "want [N, H, W, C], [KH, KW, C, M] and [N, Ho, Wo, C*M]; groups of several channels are not supported"
	if x.rank != 4 || w.rank != 4 || y.rank != 4 || w.shape[2] != x.shape[3] {
		panic(convError(op, want, x, w.Shape(), y))
	}
	flat := [4]int{w.shape[0], w.shape[1], x.shape[3], w.shape[2] * w.shape[3]}
	return convShape(op, x, flat[:], y, s)
}

// DepthwiseConv2D filters every channel of pictures alone: x [N, H, W, C], w [KH, KW, C, M], dst [N, Ho, Wo, C*M],
// where channel c*M+m of dst is channel c of x under filter m. It is a grouped convolution of C groups; other groups
// are not supported. Kernels of any size, strides and paddings are.
//
// Order: the taps in ascending order in fused multiply-adds from +0; those over the padding are left out, so that an
// infinity or NaN among the weights does not reach an output whose tap has no pixel.
func DepthwiseConv2D(dst, x, w *Tensor, spec ConvSpec) { DepthwiseConv2DEx(dst, x, w, spec, nil) }

// DepthwiseConv2DEx is DepthwiseConv2D followed by the epilogue, in one pass and with the bits of the single
// operations.
func DepthwiseConv2DEx(dst, x, w *Tensor, spec ConvSpec, ep *Epilogue) {
	const op = "DepthwiseConv2D"
	sameType(op, x, w)
	apart(op, dst, w)
	c := depthwiseShape(op, x, w, dst, spec)
	ep.check(op, dst)
	if dst.dtype == Float64 {
		filterChannels(dst.f64, x.f64, w.f64, c, ep)
		return
	}
	filterChannels(dst.f32, x.f32, w.f32, c, ep)
}

func filterChannels[T float](dst, x, w []T, c gemm.Conv, ep *Epilogue) {
	if len(dst) == 0 {
		return
	}
	f := newItemFinisher[T](ep, len(dst), c.Co)
	depthwise.Forward(dst, x, w, c, f.epilogue())
	f.release()
}

// DepthwiseConv2DInputGrad is the derivative of DepthwiseConv2D by its input: dx [N, H, W, C] from dy
// [N, Ho, Wo, C*M] and w [KH, KW, C, M]. Pixels that no output saw are +0.
//
// Order: for every m the taps that meet a pixel, in ascending order of the pixel of dy (descending order of the tap),
// in fused multiply-adds from +0; then the sums of the M filters are added in ascending order.
func DepthwiseConv2DInputGrad(dx, dy, w *Tensor, spec ConvSpec) {
	const op = "DepthwiseConv2DInputGrad"
	sameType(op, dx, w)
	apart(op, dx, w)
	c := depthwiseShape(op, dx, w, dy, spec)
	if dx.dtype == Float64 {
		depthwise.InputGrad(dx.f64, dy.f64, w.f64, c)
		return
	}
	depthwise.InputGrad(dx.f32, dy.f32, w.f32, c)
}

// DepthwiseConv2DWeightGrad is the derivative of DepthwiseConv2D by its weights: dw [KH, KW, C, M] from x and dy.
//
// Order: the lines of dy are cut into bands of max(1, floor(256/Wo)) lines of one picture. A band's sum runs over its
// pixels in ascending order in fused multiply-adds from +0, without those that meet the padding; the sums of the bands
// are added in ascending order, picture by picture.
func DepthwiseConv2DWeightGrad(dw, x, dy *Tensor, spec ConvSpec) {
	const op = "DepthwiseConv2DWeightGrad"
	sameType(op, dw, x)
	apart(op, dw, x, dy)
	c := depthwiseShape(op, x, dw, dy, spec)
	if dw.dtype == Float64 {
		depthwise.WeightGrad(dw.f64, x.f64, dy.f64, c)
		return
	}
	depthwise.WeightGrad(dw.f32, x.f32, dy.f32, c)
}
