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
	y := t.alloc(a.DType(), s.dims()...)
	tensor.MatMul(y, a.Tensor, b.Tensor, ta, tb)
	return t.record(OpMatMul, y, &attr{ta: ta, tb: tb}, a, b)
}

// flatMatMul multiplies all rows of a by one b.
func flatMatMul(a, b *Value, ta, tb bool) *Value {
	if ta {
		panic(&tensor.Error{Op: "MatMul", Shapes: [][]int{a.Shape(), b.Shape()},
			Msg: "a batch of transposed a needs a batch of b"})
	}
	y := MatMul(Reshape(a, -1, a.Dim(-1)), b, false, tb)
	s := shapeOf(a.Shape())
	s.d[s.n-1] = y.Dim(-1)
	return Reshape(y, s.dims()...)
}

// Linear is MatMul(x, w) + bias: x [.., K], w [K, N], bias [N] or nil. The bits are those of MatMul and
// Add; the sum is formed in place, so that one activation is kept instead of two.
func Linear(x, w, bias *Value) *Value {
	if x.Rank() != 2 {
		s := shapeOf(x.Shape())
		s.d[max(s.n-1, 0)] = w.Dim(-1)
		return Reshape(Linear(Reshape(x, -1, w.Dim(0)), w, bias), s.dims()...)
	}
	if bias == nil {
		return MatMul(x, w, false, false)
	}
	t := shared(OpMatMul, x, w, bias)
	y := t.alloc(x.DType(), x.Dim(0), w.Dim(-1))
	tensor.MatMulEx(y, x.Tensor, w.Tensor, false, false, &tensor.Epilogue{Bias: bias.Tensor})
	return t.record(OpMatMul, y, nil, x, w, bias)
}

// Conv2D is the convolution of pictures x [N, H, W, Ci] by w [KH, KW, Ci, Co], plus bias [Co] unless it
// is nil: [N, Ho, Wo, Co]. The bits are those of the convolution and Add.
func Conv2D(x, w, bias *Value, spec tensor.ConvSpec) *Value {
	t := shared(OpConv2D, x, w)
	spec = spec.Normalize()
	n, h, wd, _ := x.Dims4()
	kh, kw, _, co := w.Dims4()
	ho, wo := spec.Out(h, wd, kh, kw)
	y := t.alloc(x.DType(), n, max(ho, 0), max(wo, 0), co)
	tensor.Conv2D(y, x.Tensor, w.Tensor, spec)
	if bias == nil {
		return t.record(OpConv2D, y, &attr{spec: spec}, x, w)
	}
	shared(OpConv2D, x, bias)
	tensor.Add(y, y, bias.Tensor)
	return t.record(OpConv2D, y, &attr{spec: spec}, x, w, bias)
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
	dw := t.alloc(x.DType(), kh, kw, x.Dim(-1), dy.Dim(-1))
	tensor.Conv2DWeightGrad(dw, x.Tensor, dy.Tensor, spec)
	return t.record(OpConv2DWeightGrad, dw, &attr{spec: spec}, x, dy)
}

// Attention is softmax(q k' * scale) v for each of heads: q [B, T, D], k and v [B, S, D], result
// [B, T, D]; a head is D/heads neighbouring channels. The weights [B, heads, T, S] are not kept: the
// derivative computes them again.
func Attention(q, k, v *Value, heads int, scale float64) *Value {
	t := shared(OpAttention, q, k, v)
	y := q.like()
	tensor.Attention(y, q.Tensor, k.Tensor, v.Tensor, heads, scale)
	return t.record(OpAttention, y, &attr{i: heads, c: scale}, q, k, v)
}
