package tensor

import (
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
)

// Packed is a weight matrix laid out once in the panels of 16 columns that products read. It is a copy:
// it does not follow the tensor it was made of. It is immutable and safe for concurrent use.
type Packed struct {
	f32   *gemm.Packed[float32]
	f64   *gemm.Packed[float64]
	c32   *gemm.PackedConv[float32] // of PackConv
	c64   *gemm.PackedConv[float64]
	shape []int // [K, N] or [KH, KW, Ci, Co]
	dtype DType
}

// PackB lays out b [K, N], or [N, K] with transB, for MatMulPacked.
func PackB(b *Tensor, transB bool) *Packed {
	if b.rank != 2 {
		panic(shapeError("PackB", "want two axes", b))
	}
	k, n := b.Dims2()
	if transB {
		k, n = n, k
	}
	return pack(b, k, n, transB, []int{k, n})
}

// PackConv lays out w [KH, KW, Ci, Co] for Conv2DPacked.
func PackConv(w *Tensor) *Packed {
	if w.rank != 4 {
		panic(shapeError("PackConv", "want [KH, KW, Ci, Co]", w))
	}
	c := gemm.Conv{KH: w.shape[0], KW: w.shape[1], Ci: w.shape[2], Co: w.shape[3]}
	p := &Packed{shape: slices.Clone(w.Shape()), dtype: w.dtype}
	if w.dtype == Float64 {
		p.c64 = gemm.PackConv(w.f64, c)
	} else {
		p.c32 = gemm.PackConv(w.f32, c)
	}
	return p
}

func pack(t *Tensor, k, n int, trans bool, shape []int) *Packed {
	p := &Packed{shape: shape, dtype: t.dtype}
	if t.dtype == Float64 {
		p.f64 = gemm.PackB(t.f64, k, n, 0, trans)
	} else {
		p.f32 = gemm.PackB(t.f32, k, n, 0, trans)
	}
	return p
}

// Shape is [K, N] of PackB, [KH, KW, Ci, Co] of PackConv. It must not be changed.
func (p *Packed) Shape() []int { return p.shape }

// DType is the element type.
func (p *Packed) DType() DType { return p.dtype }

// packedAs is the matrix of p, or nil if it is not one of T.
func packedAs[T float](p *Packed) *gemm.Packed[T] {
	if m, ok := any(p.f32).(*gemm.Packed[T]); ok {
		return m
	}
	return any(p.f64).(*gemm.Packed[T])
}

// like panics unless the packed weights have t's type.
func (p *Packed) like(op string, t *Tensor) {
	if p.dtype != t.dtype {
		panic(shapeError(op, "types "+t.dtype.String()+" and "+p.dtype.String(), t))
	}
}

// MatMulPacked is MatMulEx by packed weights, with the same bits. a is [.., M, K], dst [.., M, N].
func MatMulPacked(dst, a *Tensor, b *Packed, ep *Epilogue) {
	sameType("MatMulPacked", dst, a)
	b.like("MatMulPacked", a)
	p := productOf("MatMulPacked", dst, a, b.shape, false, false)
	apart("MatMulPacked", dst, a)
	ep.check("MatMulPacked", dst)
	if dst.dtype == Float64 {
		multiply(dst.f64, a.f64, nil, b.f64, p, ep)
		return
	}
	multiply(dst.f32, a.f32, nil, b.f32, p, ep)
}

// Conv2DPacked is Conv2DEx by packed weights, with the same bits.
func Conv2DPacked(dst, x *Tensor, w *Packed, spec ConvSpec, ep *Epilogue) {
	w.like("Conv2DPacked", x)
	c := convShape("Conv2DPacked", x, w.shape, dst, spec)
	ep.check("Conv2DPacked", dst)
	if dst.dtype == Float64 {
		convolve(dst.f64, x.f64, nil, w.c64, c, ep)
		return
	}
	convolve(dst.f32, x.f32, nil, w.c32, c, ep)
}
