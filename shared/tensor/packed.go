package tensor

// Packed is a weight matrix laid out once in the panels that products read. It is immutable and safe
// for concurrent use.
type Packed struct {
	w      *Tensor // [K, N] or [KH, KW, Ci, Co]
	transB bool
}

// PackB lays out b [K, N], or [N, K] with transB, for MatMulPacked.
func PackB(b *Tensor, transB bool) *Packed {
	if b.rank != 2 {
		panic(shapeError("PackB", "want [K, N]", b))
	}
	return &Packed{w: b.Clone(), transB: transB}
}

// PackConv lays out w [KH, KW, Ci, Co] for Conv2DPacked.
func PackConv(w *Tensor) *Packed {
	if w.rank != 4 {
		panic(shapeError("PackConv", "want [KH, KW, Ci, Co]", w))
	}
	return &Packed{w: w.Clone()}
}

// MatMulPacked is MatMulEx by packed weights, with the same bits.
func MatMulPacked(dst, a *Tensor, b *Packed, ep *Epilogue) {
	MatMulEx(dst, a, b.w, false, b.transB, ep)
}

// Conv2DPacked is Conv2D by packed weights followed by the epilogue, with the same bits.
func Conv2DPacked(dst, x *Tensor, w *Packed, spec ConvSpec, ep *Epilogue) {
	ep.check("Conv2DPacked", dst)
	Conv2D(dst, x, w.w, spec)
	ep.apply(dst)
}
