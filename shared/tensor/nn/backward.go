package nn

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// Backward adds the gradients of loss with respect to params to their Grad, which it allocates, zeroed,
// where it is nil. A parameter that the loss does not depend on is left as it is. Afterwards the first
// call it allocates nothing.
func Backward(t *autograd.Tape, loss *autograd.Value, params []*Param) {
	wrt := t.List(len(params))
	for i, p := range params {
		wrt[i] = p.On(t)
	}
	for i, g := range t.Grad(loss, wrt, false) {
		p := params[i]
		if p.Grad == nil {
			p.Grad = tensor.New(p.DType(), p.Shape()...)
		}
		tensor.Add(p.Grad, p.Grad, g.Tensor)
	}
}

// Gradient sets the Grad of params, which it allocates where it is nil, to the gradients of loss, and to zero where the
// loss does not depend on the parameter. It is ZeroGrad and Backward without the passes over memory that clear and
// add. After the first call it allocates nothing.
func Gradient(t *autograd.Tape, loss *autograd.Value, params []*Param) {
	wrt := t.List(len(params))
	for i, p := range params {
		if p.Grad == nil {
			p.Grad = tensor.New(p.DType(), p.Shape()...)
		}
		wrt[i] = p.On(t)
		t.Into(wrt[i], p.Grad)
	}
	t.Grad(loss, wrt, false)
}

// ZeroGrad sets all gradients to zero.
func ZeroGrad(params []*Param) {
	for _, p := range params {
		if p.Grad != nil {
			p.Grad.Zero()
		}
	}
}
