package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// BCELogits is the sum over all elements of softplus(x) - x*p, the binary cross-entropy of probabilities p against
// sigmoid(x), in nats; p has x's shape.
func BCELogits(x, p *Value) *Value {
	t := shared(OpBCELogits, x, p)
	each, y := x.like(), t.alloc(x.DType())
	tensor.BCELogits(each, x.Tensor, p.Tensor)
	tensor.Sum(y, each)
	t.reuse(each)
	return t.record(OpBCELogits, y, nil, x, p)
}

// BCELogitsGrad is c*(sigmoid(x)-p) with c of one element, fused.
func BCELogitsGrad(x, p, c *Value) *Value {
	t := shared(OpBCELogitsGrad, x, p, c)
	dx := x.like()
	tensor.BCELogitsGrad(dx, x.Tensor, p.Tensor, c.Tensor)
	return t.record(OpBCELogitsGrad, dx, nil, x, p, c)
}

// CrossEntropy is the sum of -log softmax(x)[target] over the rows of x [R, V] that have a target that is not
// negative, in nats. targets must not change before the last use of the tape.
func CrossEntropy(x *Value, targets []int32) *Value {
	t := x.tape
	r, _ := x.Dims2()
	each, y := t.alloc(x.DType(), r), t.alloc(x.DType())
	a := attr{ids: targets, mean: t.alloc(x.DType(), r), rstd: t.alloc(x.DType(), r)}
	tensor.CrossEntropy(each, a.mean, a.rstd, x.Tensor, targets)
	tensor.Sum(y, each)
	t.reuse(each)
	return t.record(OpCrossEntropy, y, &a, x)
}

// crossEntropyGrad is the gradient of c times CrossEntropy, fused. a is what CrossEntropy saved.
func crossEntropyGrad(x, c *Value, a *attr) *Value {
	t := shared(OpCrossEntropyGrad, x, c)
	dx := x.like()
	tensor.CrossEntropyGrad(dx, x.Tensor, a.mean, a.rstd, a.ids, c.Tensor)
	return t.record(OpCrossEntropyGrad, dx, a, x, c)
}
