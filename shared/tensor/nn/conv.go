package nn

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// Conv2D is a convolution of pictures.
type Conv2D struct {
	Weight *Param `weights:"weight"` // [KH, KW, In, Out]
	Bias   *Param `weights:"bias"`   // [Out], or nil
	Spec   tensor.ConvSpec
}

// NewConv2D returns a convolution with a bias, a square kernel, and kernel/2 pixels of padding on every
// side; Init draws its weights as PyTorch does.
func NewConv2D(in, out, kernel, stride int) *Conv2D {
	spec := tensor.Same(kernel)
	spec.StrideH, spec.StrideW = stride, stride
	fan := kernel * kernel * in
	return &Conv2D{
		Weight: NewParam(kernel, kernel, in, out).fanIn(fan),
		Bias:   NewParam(out).fanIn(fan),
		Spec:   spec,
	}
}

// Zero makes the layer begin at zero. It returns c.
func (c *Conv2D) Zero() *Conv2D {
	zero(c.Weight, c.Bias)
	return c
}

// Pack packs the weights.
func (c *Conv2D) Pack() { c.Weight.packed(tensor.PackConv) }

// Forward maps x [N, H, W, In] to [N, Ho, Wo, Out].
func (c *Conv2D) Forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	return c.ForwardThen(t, x, Then{})
}

// ForwardThen is Forward followed by an activation and a residual.
func (c *Conv2D) ForwardThen(t *autograd.Tape, x *autograd.Value, then Then) *autograd.Value {
	e := autograd.Epilogue{Bias: on(t, c.Bias), Act: then.Act, Residual: then.Residual}
	if t.Inference() {
		return autograd.Conv2DPacked(x, c.Weight.packed(tensor.PackConv), c.Spec, e)
	}
	return autograd.Conv2D(x, c.Weight.On(t), c.Spec, e)
}
