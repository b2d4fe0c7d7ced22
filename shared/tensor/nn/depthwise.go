package nn

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// DepthwiseConv2D is a convolution that filters every channel alone.
type DepthwiseConv2D struct {
	Weight *Param `weights:"weight"` // [KH, KW, C, M]
	Bias   *Param `weights:"bias"`   // [C*M], or nil
	Spec   tensor.ConvSpec
}

// NewDepthwiseConv2D returns a depthwise convolution with multiplier filters for each of c channels, a bias, a square
// kernel, and kernel/2 pixels of padding on every side; Init draws its weights as PyTorch does.
func NewDepthwiseConv2D(c, multiplier, kernel, stride int) *DepthwiseConv2D {
	spec := tensor.Same(kernel)
	spec.StrideH, spec.StrideW = stride, stride
	fan := kernel * kernel
	return &DepthwiseConv2D{
		Weight: NewParam(kernel, kernel, c, multiplier).fanIn(fan),
		Bias:   NewParam(c * multiplier).fanIn(fan),
		Spec:   spec,
	}
}

// Forward maps x [N, H, W, C] to [N, Ho, Wo, C*M].
func (c *DepthwiseConv2D) Forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	return c.ForwardThen(t, x, Then{})
}

// ForwardThen is Forward followed by an activation and a residual.
func (c *DepthwiseConv2D) ForwardThen(t *autograd.Tape, x *autograd.Value, then Then) *autograd.Value {
	e := autograd.Epilogue{Bias: on(t, c.Bias), Act: then.Act, Residual: then.Residual}
	return autograd.DepthwiseConv2D(x, c.Weight.On(t), c.Spec, e)
}
