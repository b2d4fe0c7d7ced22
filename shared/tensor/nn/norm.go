package nn

import "github.com/manifold-gen/manifold/shared/tensor/autograd"

// GroupNorm normalises pictures over their pixels and groups of channels.
type GroupNorm struct {
	Weight *Param `weights:"weight"` // [C]
	Bias   *Param `weights:"bias"`   // [C]
	Groups int
	Eps    float64
}

// NewGroupNorm returns a norm of c channels in groups, which must divide c. U-Nets use eps 1e-5, VAE
// decoders 1e-6.
func NewGroupNorm(groups, c int, eps float64) *GroupNorm {
	if groups < 1 || c%groups != 0 {
		failf("GroupNorm: %d groups do not divide %d channels", groups, c)
	}
	return &GroupNorm{Weight: NewParam(c).Constant(1), Bias: NewParam(c), Groups: groups, Eps: eps}
}

// Forward maps x [N, .., C] to the same shape.
func (g *GroupNorm) Forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	return autograd.GroupNorm(x, g.Weight.On(t), g.Bias.On(t), g.Groups, g.Eps)
}

// ForwardSiLU is Forward followed by SiLU.
func (g *GroupNorm) ForwardSiLU(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	return autograd.GroupNormSiLU(x, g.Weight.On(t), g.Bias.On(t), g.Groups, g.Eps)
}

// LayerNorm normalises rows over their last axis.
type LayerNorm struct {
	Weight *Param `weights:"weight"` // [C]
	Bias   *Param `weights:"bias"`   // [C]
	Eps    float64
}

// NewLayerNorm returns a norm of rows of c. BERT uses eps 1e-12, GPT-2 1e-5.
func NewLayerNorm(c int, eps float64) *LayerNorm {
	return &LayerNorm{Weight: NewParam(c).Constant(1), Bias: NewParam(c), Eps: eps}
}

// Forward maps x [.., C] to the same shape.
func (l *LayerNorm) Forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	return autograd.LayerNorm(x, l.Weight.On(t), l.Bias.On(t), l.Eps)
}
