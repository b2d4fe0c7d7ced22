package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// MatMul is a times b: [.., M, K] x [.., K, N] -> [.., M, N], a transposed if ta and b if tb. A b of two
// axes serves every leading index of a, which must then not be transposed.
func MatMul(a, b *Value, ta, tb bool) *Value {
	t := shared(OpMatMul, a, b)
	if a.Rank() < 2 || b.Rank() < 2 {
		panic(&tensor.Error{Op: "MatMul", Shapes: [][]int{a.Shape(), b.Shape()}, Msg: "want matrices"})
	}
	if b.Rank() == 2 && a.Rank() > 2 {
		return flatMatMul(a, b, ta, tb)
	}
	s := shapeOf(a.Shape())
	if ta {
		s.d[s.n-2] = a.Dim(-1)
	}
	s.d[s.n-1] = b.Dim(-1)
	if tb {
		s.d[s.n-1] = b.Dim(-2)
	}
	y := t.result(a.DType(), s.dims()...)
	tensor.MatMul(y, a.Tensor, b.Tensor, ta, tb)
	return t.record(OpMatMul, y, &attr{ta: ta, tb: tb}, a, b)
}

// flatMatMul multiplies all rows of a by one b.
func flatMatMul(a, b *Value, ta, tb bool) *Value {
	if ta {
		panic(&tensor.Error{Op: "MatMul", Shapes: [][]int{a.Shape(), b.Shape()},
			Msg: "a batch of transposed a needs a batch of b"})
	}
	s := withLast(a, b.Dim(-1))
	if tb {
		s = withLast(a, b.Dim(-2))
	}
	return Reshape(MatMul(Reshape(a, -1, a.Dim(-1)), b, false, tb), s.dims()...)
}

// withLast is x's shape with another size of the last axis.
func withLast(x *Value, n int) shape {
	s := shapeOf(x.Shape())
	if s.n > 0 {
		s.d[s.n-1] = n
	}
	return s
}

// Linear is MatMul(x, w) and the epilogue: x [.., K], w [K, N], result [.., N]. The bits are those of the
// single operations; bias and, without an activation, residual are added in the product's own memory, so
// that no activation is kept that no derivative needs.
func Linear(x, w *Value, e Epilogue) *Value {
	t := shared(OpMatMul, x, w)
	if x.Rank() != 2 {
		s := withLast(x, w.Dim(-1))
		if e.Residual != nil {
			e.Residual = Reshape(e.Residual, -1, w.Dim(-1))
		}
		return Reshape(Linear(Reshape(x, -1, w.Dim(0)), w, e), s.dims()...)
	}
	y := t.alloc(x.DType(), x.Dim(0), w.Dim(-1))
	now, later := e.split()
	te := now.tensors()
	tensor.MatMulEx(y, x.Tensor, w.Tensor, false, false, &te)
	return later.apply(now.applied(t.recordProduct(OpMatMul, y, nil, x, w, now)))
}

// Conv2D is the convolution of pictures x [N, H, W, Ci] by w [KH, KW, Ci, Co] and the epilogue: [N, Ho, Wo,
// Co]. The bits are those of the single operations; see Linear.
func Conv2D(x, w *Value, spec tensor.ConvSpec, e Epilogue) *Value {
	t := shared(OpConv2D, x, w)
	kh, kw, _, co := w.Dims4()
	y := convResult(x, kh, kw, co, spec)
	now, later := e.split()
	te := now.tensors()
	tensor.Conv2DEx(y, x.Tensor, w.Tensor, spec, &te)
	return later.apply(now.applied(t.recordProduct(OpConv2D, y, &attr{spec: spec.Normalize()}, x, w, now)))
}

// convResult allocates the result of a convolution of x.
func convResult(x *Value, kh, kw, co int, spec tensor.ConvSpec) *tensor.Tensor {
	n, h, w, _ := x.Dims4()
	ho, wo := spec.Out(h, w, kh, kw)
	return x.tape.alloc(x.DType(), n, max(ho, 0), max(wo, 0), co)
}

// recordProduct records x times w plus what the epilogue adds.
func (t *Tape) recordProduct(op Op, y *tensor.Tensor, a *attr, x, w *Value, e Epilogue) *Value {
	switch {
	case e.Bias != nil && e.Residual != nil:
		shared(op, x, e.Bias, e.Residual)
		return t.record(op, y, a, x, w, e.Bias, e.Residual)
	case e.Bias != nil:
		shared(op, x, e.Bias)
		return t.record(op, y, a, x, w, e.Bias)
	case e.Residual != nil:
		shared(op, x, e.Residual)
		return t.record(op, y, a, x, w, e.Residual)
	}
	return t.record(op, y, a, x, w)
}

// Conv2DInputGrad is the adjoint of Conv2D in x, the transposed convolution: dy [N, Ho, Wo, Co] to
// pictures [N, h, w, Ci].
func Conv2DInputGrad(dy, weight *Value, h, w int, spec tensor.ConvSpec) *Value {
	t := shared(OpConv2DInputGrad, dy, weight)
	n, _, _, _ := dy.Dims4()
	_, _, ci, _ := weight.Dims4()
	spec = spec.Normalize()
	dx := t.alloc(dy.DType(), n, h, w, ci)
	tensor.Conv2DInputGrad(dx, dy.Tensor, weight.Tensor, spec)
	return t.record(OpConv2DInputGrad, dx, &attr{spec: spec}, dy, weight)
}

// Conv2DWeightGrad is the adjoint of Conv2D in w: x [N, H, W, Ci] and dy [N, Ho, Wo, Co] to weights
// [kh, kw, Ci, Co].
func Conv2DWeightGrad(x, dy *Value, kh, kw int, spec tensor.ConvSpec) *Value {
	t := shared(OpConv2DWeightGrad, x, dy)
	spec = spec.Normalize()
	dw := t.result(x.DType(), kh, kw, x.Dim(-1), dy.Dim(-1))
	tensor.Conv2DWeightGrad(dw, x.Tensor, dy.Tensor, spec)
	return t.record(OpConv2DWeightGrad, dw, &attr{spec: spec}, x, dy)
}
