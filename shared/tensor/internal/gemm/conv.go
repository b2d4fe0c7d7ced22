package gemm

import "fmt"

// Conv is the shape of a convolution of pictures [N, H, W, Ci] with weights [KH, KW, Ci, Co].
type Conv struct {
	N, H, W, Ci, Co                      int
	KH, KW                               int
	StrideH, StrideW                     int // 0 means 1
	PadTop, PadBottom, PadLeft, PadRight int
}

// Out is the height and width of the result.
func (c Conv) Out() (ho, wo int) {
	c = c.normal()
	return (c.H+c.PadTop+c.PadBottom-c.KH)/c.StrideH + 1, (c.W+c.PadLeft+c.PadRight-c.KW)/c.StrideW + 1
}

// Flops is the number of floating-point operations (two for every multiply-add) of the convolution,
// the same for both of its gradients.
func (c Conv) Flops() float64 {
	ho, wo := c.Out()
	return 2 * float64(c.N*ho*wo) * float64(c.KH*c.KW*c.Ci) * float64(c.Co)
}

// normal fills the default strides and panics on an impossible shape.
func (c Conv) normal() Conv {
	c.StrideH, c.StrideW = max(c.StrideH, 1), max(c.StrideW, 1)
	if min(c.N, c.H, c.W, c.Ci, c.Co, c.PadTop, c.PadBottom, c.PadLeft, c.PadRight) < 0 || min(c.KH, c.KW) < 1 ||
		c.H+c.PadTop+c.PadBottom < c.KH || c.W+c.PadLeft+c.PadRight < c.KW {
		panic(fmt.Sprintf("gemm: impossible convolution %+v", c))
	}
	return c
}

// check panics unless the operands have the lengths that the shape says; w < 0 skips the weights.
func (c Conv) check(x, w, y int) {
	ho, wo := c.Out()
	if x != c.N*c.H*c.W*c.Ci || (w >= 0 && w != c.KH*c.KW*c.Ci*c.Co) || y != c.N*ho*wo*c.Co {
		panic(fmt.Sprintf("gemm: operands of %d, %d and %d elements do not fit %+v", x, w, y, c))
	}
}

// PackConv packs convolution weights [KH, KW, Ci, Co] for Conv2DPacked.
func PackConv[T Float](w []T, c Conv) *Packed[T] {
	return PackB(w, c.KH*c.KW*c.Ci, c.Co, 0, false)
}

// Conv2D computes dst [N, Ho, Wo, Co] = x [N, H, W, Ci] * w [KH, KW, Ci, Co], and then ep on it if it
// is not nil.
func Conv2D[T Float](dst, x, w []T, c Conv, ep Epilogue[T]) {
	c = c.normal()
	c.check(len(x), len(w), len(dst))
	j := newJob[T]()
	j.conv(dst, x, w, nil, c, ep)
	j.release()
}

// Conv2DPacked is Conv2D with weights packed by PackConv, or by PackB from [KH*KW*Ci, Co].
func Conv2DPacked[T Float](dst, x []T, w *Packed[T], c Conv, ep Epilogue[T]) {
	c = c.normal()
	c.check(len(x), -1, len(dst))
	if w.K != c.KH*c.KW*c.Ci || w.N != c.Co {
		panic(fmt.Sprintf("gemm: packed weights are %dx%d, which does not fit %+v", w.K, w.N, c))
	}
	j := newJob[T]()
	j.conv(dst, x, nil, w, c, ep)
	j.release()
}

// InputGrad computes dx [N, H, W, Ci] from dy [N, Ho, Wo, Co] and w [KH, KW, Ci, Co], and then ep on it
// if it is not nil (rows are then pixels of dx, columns are Ci). It is also the transposed convolution
// of dy. Pixels of dx that no output saw are +0.
func InputGrad[T Float](dx, dy, w []T, c Conv, ep Epilogue[T]) {
	c = c.normal()
	c.check(len(dx), len(w), len(dy))
	j := newJob[T]()
	j.inputGrad(dx, dy, w, nil, c, ep)
	j.release()
}

// InputGradPacked is InputGrad with weights packed by PackInputGrad for the same kernel, channels, strides
// and top and left padding; N, H, W and the other paddings may differ.
func InputGradPacked[T Float](dx, dy []T, w *PackedGrad[T], c Conv, ep Epilogue[T]) {
	c = c.normal()
	c.check(len(dx), -1, len(dy))
	if !w.fits(c) {
		panic(fmt.Sprintf("gemm: weights packed for %+v do not fit %+v", w.c, c))
	}
	j := newJob[T]()
	j.inputGrad(dx, dy, nil, w, c, ep)
	j.release()
}

// WeightGrad computes dw [KH, KW, Ci, Co] from x [N, H, W, Ci] and dy [N, Ho, Wo, Co].
func WeightGrad[T Float](dw, x, dy []T, c Conv) {
	c = c.normal()
	c.check(len(x), len(dw), len(dy))
	j := newJob[T]()
	j.weightGrad(dw, x, dy, c)
	j.release()
}
