package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/gemm"

// ConvSpec is the geometry of a convolution besides the kernel's size. A stride of 0 means 1.
type ConvSpec struct {
	StrideH, StrideW                     int
	PadTop, PadBottom, PadLeft, PadRight int
}

// Same is the geometry of an odd kernel of size k with stride 1 that keeps the picture's size.
func Same(k int) ConvSpec {
	p := k / 2
	return ConvSpec{StrideH: 1, StrideW: 1, PadTop: p, PadBottom: p, PadLeft: p, PadRight: p}
}

// Normalize replaces strides of 0 by 1.
func (s ConvSpec) Normalize() ConvSpec {
	s.StrideH, s.StrideW = max(s.StrideH, 1), max(s.StrideW, 1)
	return s
}

// Out is the size of the result for a picture of h x w and a kernel of kh x kw.
func (s ConvSpec) Out(h, w, kh, kw int) (ho, wo int) {
	s = s.Normalize()
	return (h+s.PadTop+s.PadBottom-kh)/s.StrideH + 1, (w+s.PadLeft+s.PadRight-kw)/s.StrideW + 1
}

// convShape checks a convolution of x [N, H, W, Ci] by weights of shape w [KH, KW, Ci, Co] into y
// [N, Ho, Wo, Co].
func convShape(op string, x *Tensor, w []int, y *Tensor, s ConvSpec) gemm.Conv {
	sameType(op, x, y)
	apart(op, y, x)
	if s.StrideH < 0 || s.StrideW < 0 || min(s.PadTop, s.PadBottom, s.PadLeft, s.PadRight) < 0 {
		panic(convError(op, "negative stride or padding", x, w, y))
	}
	s = s.Normalize()
	if x.rank != 4 || len(w) != 4 || y.rank != 4 {
		panic(convError(op, "want [N, H, W, Ci], [KH, KW, Ci, Co] and [N, Ho, Wo, Co]", x, w, y))
	}
	kh, kw := w[0], w[1]
	if kh < 1 || kw < 1 || x.shape[1]+s.PadTop+s.PadBottom < kh || x.shape[2]+s.PadLeft+s.PadRight < kw {
		panic(convError(op, "the kernel is empty or larger than the padded picture", x, w, y))
	}
	ho, wo := s.Out(x.shape[1], x.shape[2], kh, kw)
	if x.shape[3] != w[2] || y.shape != [MaxRank]int{x.shape[0], ho, wo, w[3]} {
		panic(convError(op, "channels or sizes do not agree", x, w, y))
	}
	return gemm.Conv{
		N: x.shape[0], H: x.shape[1], W: x.shape[2], Ci: x.shape[3], Co: w[3], KH: kh, KW: kw,
		StrideH: s.StrideH, StrideW: s.StrideW,
		PadTop: s.PadTop, PadBottom: s.PadBottom, PadLeft: s.PadLeft, PadRight: s.PadRight,
	}
}

func convError(op, msg string, x *Tensor, w []int, y *Tensor) *Error {
	e := shapeError(op, msg, x)
	e.Shapes = append(e.Shapes, append([]int(nil), w...), append([]int(nil), y.Shape()...))
	return e
}

// Conv2D is the convolution (cross-correlation) of pictures: x [N, H, W, Ci], w [KH, KW, Ci, Co], dst
// [N, Ho, Wo, Co]. It is the product of the patches by w flattened to [KH*KW*Ci, Co].
//
// Order: k runs over (tap, channel) in fused multiply-adds from +0 inside a block, block sums are added in
// ascending order. A block is floor(256/Ci) whole taps, at least one; with Ci above 256 it is 256 channels
// of one tap. Taps over the padding take part as +0. So a convolution of 1x1 is MatMul, bit for bit.
//
// Float32 convolutions of 3x3 with stride 1 whose channels Ci and Co are multiples of 16 are computed in tiles by
// Winograd's minimal filtering, where a picture has enough tiles. With t(k) = ceil(Ho/k)*ceil(Wo/k): in tiles of
// 4x4, F(4x4, 3x3), if t(4) >= 9, or if t(4) >= 4 and 36*Ci*Co <= 2^20; else in tiles of 2x2, F(2x2, 3x3), if
// t(2) >= 12. Tiles begin at output (0, 0). Order: pixels, +0 over the padding, are transformed down the columns,
// then along the rows; weights along the rows, then down the columns; at each of the 36 or 16 points their products
// are added over the channels in fused multiply-adds from +0 inside blocks of 64, block sums in ascending order; the
// sums are transformed along the rows, then down the columns. The sequences of each transform are in package
// internal/winograd. The error, norm-wise, is about 8e-7 (F4) and 3e-7 (F2), where a direct convolution has 3e-7.
// An infinity or NaN spreads over the tiles that read it.
func Conv2D(dst, x, w *Tensor, spec ConvSpec) { Conv2DEx(dst, x, w, spec, nil) }

// Conv2DEx is Conv2D followed by the epilogue, in one pass and with the bits of the single operations.
func Conv2DEx(dst, x, w *Tensor, spec ConvSpec, ep *Epilogue) {
	sameType("Conv2D", x, w)
	apart("Conv2D", dst, w)
	c := convShape("Conv2D", x, w.Shape(), dst, spec)
	ep.check("Conv2D", dst)
	if dst.dtype == Float64 {
		convolve(dst.f64, x.f64, w.f64, nil, c, ep)
		return
	}
	convolve(dst.f32, x.f32, w.f32, nil, c, ep)
}

// convolve runs a convolution by w, or by packed if that is not nil.
func convolve[T float](dst, x, w []T, packed *gemm.PackedConv[T], c gemm.Conv, ep *Epilogue) {
	if len(dst) == 0 {
		return
	}
	f := newItemFinisher[T](ep, len(dst), c.Co)
	if packed != nil {
		gemm.Conv2DPacked(dst, x, packed, c, f.epilogue())
	} else {
		gemm.Conv2D(dst, x, w, c, f.epilogue())
	}
	f.release()
}

// Conv2DInputGrad is the derivative of Conv2D by its input, and the transposed convolution: dx
// [N, H, W, Ci] from dy [N, Ho, Wo, Co] and w [KH, KW, Ci, Co]. Pixels that no output saw are +0.
//
// Order: each pixel is the product over those taps that meet it, in ascending order of the pixel of dy
// (descending order of the tap), and over the channels Co, in blocks as in Conv2D with Co for Ci. A 3x3 kernel with
// stride 1 is the Conv2D of dy by the weights turned about and transposed, in the form which Conv2D has for it.
func Conv2DInputGrad(dx, dy, w *Tensor, spec ConvSpec) {
	sameType("Conv2DInputGrad", dx, w)
	apart("Conv2DInputGrad", dx, w)
	c := convShape("Conv2DInputGrad", dx, w.Shape(), dy, spec)
	if dx.dtype == Float64 {
		gemm.InputGrad(dx.f64, dy.f64, w.f64, c, nil)
		return
	}
	gemm.InputGrad(dx.f32, dy.f32, w.f32, c, nil)
}

// Conv2DWeightGrad is the derivative of Conv2D by its weights: dw [KH, KW, Ci, Co] from x and dy.
//
// Order: k runs over the pixels of dy, picture by picture and row by row, in blocks of 256 pixels of one
// picture; no block spans two pictures. Pixels over the padding take part as +0.
//
// Float32 gradients of 3x3 kernels with stride 1 whose channels Ci and Co are multiples of 16 are computed in tiles of
// 4x4 outputs by Winograd's F(4x4, 3x3), transposed, where a picture has at least 4 of them. Order: tiles are counted
// through the batch, picture by picture and row by row, from output (0, 0); the pixels of a tile and its part of dy,
// both +0 beyond the picture, are transformed down the columns, then along the rows; at each of the 36 points the
// products are added over the tiles in fused multiply-adds from +0 inside blocks of 64, block sums in ascending order;
// the sums are transformed along the rows, then down the columns. The sequences are in package internal/winograd. The
// error, norm-wise, is about 8e-7, where a direct gradient has 3e-7.
func Conv2DWeightGrad(dw, x, dy *Tensor, spec ConvSpec) {
	sameType("Conv2DWeightGrad", dw, x)
	apart("Conv2DWeightGrad", dw, x, dy)
	c := convShape("Conv2DWeightGrad", x, dw.Shape(), dy, spec)
	if dw.dtype == Float64 {
		gemm.WeightGrad(dw.f64, x.f64, dy.f64, c)
		return
	}
	gemm.WeightGrad(dw.f32, x.f32, dy.f32, c)
}
