package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// Known is a number whose gradients somebody else computes, as those of energies are, which are differences of
// statistics of samples: value, of one element without axes, depends on the inputs, and gradient writes the derivative
// with respect to input i to dst, which has its shape. gradient is called during the walk, once for every input that is
// on the path, in ascending order, and may write where the caller of Grad wants it (see Into). Those derivatives count
// as constants: they are not differentiated again.
func Known(value float64, in []*Value, gradient func(i int, dst *tensor.Tensor)) *Value {
	t := shared(OpKnown, in...)
	y := t.alloc(in[0].DType())
	y.Fill(value)
	return t.record(OpKnown, y, &attr{known: gradient}, in...)
}

// knownGrad is the cotangent of input i.
func knownGrad(v, g *Value, i int) *Value {
	t, x := v.tape, v.in[i]
	y := t.result(x.DType(), x.Shape()...)
	v.attr.known(i, y)
	d := t.Const(y)
	if g.needs || g.Item() != 1 {
		d = Mul(d, g)
	}
	return d
}
