package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// GroupNorm normalises x [N, .., C] over the pixels and the channels of each of groups, then scales by
// gamma [C] and shifts by beta [C].
func GroupNorm(x, gamma, beta *Value, groups int, eps float64) *Value {
	t := shared(OpGroupNorm, x, gamma, beta)
	y := x.like()
	mean, rstd := t.alloc(x.DType(), x.Dim(0), groups), t.alloc(x.DType(), x.Dim(0), groups)
	tensor.GroupNorm(y, mean, rstd, x.Tensor, gamma.Tensor, beta.Tensor, groups, eps)
	a := attr{c: eps, i: groups, mean: mean, rstd: rstd}
	return t.recordNorm(OpGroupNorm, y, &a, x, gamma, beta)
}

// GroupNormSiLU is SiLU(GroupNorm(...)) in one kernel with the same bits. What lies between the two is not kept: the
// derivative computes it again from the statistics.
func GroupNormSiLU(x, gamma, beta *Value, groups int, eps float64) *Value {
	t := shared(OpGroupNormSiLU, x, gamma, beta)
	y := x.like()
	mean, rstd := t.alloc(x.DType(), x.Dim(0), groups), t.alloc(x.DType(), x.Dim(0), groups)
	tensor.GroupNormSiLU(y, mean, rstd, x.Tensor, gamma.Tensor, beta.Tensor, groups, eps)
	a := attr{c: eps, i: groups, mean: mean, rstd: rstd}
	return t.recordNorm(OpGroupNormSiLU, y, &a, x, gamma, beta)
}

// groupNormSiLUGrad is the fused derivative of GroupNormSiLU: dx, dgamma and dbeta.
func groupNormSiLUGrad(v, dy *Value) [3]*Value {
	x, gamma, beta, a := v.in[0], v.in[1], v.in[2], &v.attr
	t := shared(OpGroupNormSiLU, x, gamma, beta, dy)
	dx, dgamma, dbeta := x.like(), gamma.like(), gamma.like()
	tensor.GroupNormSiLUGrad(dx, dgamma, dbeta, x.Tensor, a.mean, a.rstd, gamma.Tensor, beta.Tensor, dy.Tensor, a.i)
	return t.recordThree(OpGroupNormGrad, [3]*tensor.Tensor{dx, dgamma, dbeta}, nil, x, gamma, dy)
}

func expandGroupNormSiLU(v *Value) *Value {
	return SiLU(GroupNorm(v.in[0], v.in[1], v.in[2], v.attr.i, v.attr.c))
}

// recordNorm records a norm; statistics that no derivative will read are given back.
func (t *Tape) recordNorm(op Op, y *tensor.Tensor, a *attr, x, gamma, beta *Value) *Value {
	v := t.record(op, y, a, x, gamma, beta)
	if v.in == nil {
		t.reuse(a.mean)
		t.reuse(a.rstd)
	}
	return v
}

// groupNormGrad is the fused derivative of GroupNorm: dx, dgamma and dbeta. a is what GroupNorm saved.
func groupNormGrad(x, gamma, dy *Value, a *attr) [3]*Value {
	t := shared(OpGroupNormGrad, x, gamma, dy)
	dx, dgamma, dbeta := x.like(), gamma.like(), gamma.like()
	tensor.GroupNormGrad(dx, dgamma, dbeta, x.Tensor, a.mean, a.rstd, gamma.Tensor, dy.Tensor, a.i)
	return t.recordThree(OpGroupNormGrad, [3]*tensor.Tensor{dx, dgamma, dbeta}, a, x, gamma, dy)
}

// LayerNorm normalises every row of x [.., C] over its last axis, then scales by gamma [C] and shifts by
// beta [C].
func LayerNorm(x, gamma, beta *Value, eps float64) *Value {
	t := shared(OpLayerNorm, x, gamma, beta)
	y := x.like()
	rows := x.Len() / max(x.Dim(-1), 1)
	mean, rstd := t.alloc(x.DType(), rows), t.alloc(x.DType(), rows)
	tensor.LayerNorm(y, mean, rstd, x.Tensor, gamma.Tensor, beta.Tensor, eps)
	return t.recordNorm(OpLayerNorm, y, &attr{c: eps, mean: mean, rstd: rstd}, x, gamma, beta)
}

// layerNormGrad is the fused derivative of LayerNorm: dx, dgamma and dbeta. a is what LayerNorm saved.
func layerNormGrad(x, gamma, dy *Value, a *attr) [3]*Value {
	t := shared(OpLayerNormGrad, x, gamma, dy)
	dx, dgamma, dbeta := x.like(), gamma.like(), gamma.like()
	tensor.LayerNormGrad(dx, dgamma, dbeta, x.Tensor, a.mean, a.rstd, gamma.Tensor, dy.Tensor)
	return t.recordThree(OpLayerNormGrad, [3]*tensor.Tensor{dx, dgamma, dbeta}, a, x, gamma, dy)
}

// recordThree records a kernel with three results as three values with the same inputs.
func (t *Tape) recordThree(op Op, outs [3]*tensor.Tensor, a *attr, in ...*Value) [3]*Value {
	var vs [3]*Value
	for i, x := range outs {
		vs[i] = t.record(op, x, a, in...)
		vs[i].out = uint8(i)
	}
	return vs
}
