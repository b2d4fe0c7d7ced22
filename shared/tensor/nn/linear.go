package nn

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// Then is what a layer does after adding its bias: apply Act, then add Residual, which has the result's
// shape. Inference fuses both into the product.
type Then struct {
	Act      tensor.Activation
	Residual *autograd.Value
}

// Linear is x W + b.
type Linear struct {
	Weight *Param `weights:"weight"` // [In, Out]
	Bias   *Param `weights:"bias"`   // [Out], or nil
}

// NewLinear returns a layer of the given sizes; Init draws its weights as PyTorch does.
func NewLinear(in, out int, bias bool) *Linear {
	l := &Linear{Weight: NewParam(in, out).fanIn(in)}
	if bias {
		l.Bias = NewParam(out).fanIn(in)
	}
	return l
}

// Zero makes the layer begin at zero. It returns l.
func (l *Linear) Zero() *Linear {
	zero(l.Weight, l.Bias)
	return l
}

func zero(ps ...*Param) {
	for _, p := range ps {
		if p != nil {
			p.Constant(0)
		}
	}
}

// Pack packs the weights.
func (l *Linear) Pack() { l.Weight.packed(packMatrix) }

// Forward maps x [.., In] to [.., Out].
func (l *Linear) Forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	return l.ForwardThen(t, x, Then{})
}

// ForwardThen is Forward followed by an activation and a residual.
func (l *Linear) ForwardThen(t *autograd.Tape, x *autograd.Value, then Then) *autograd.Value {
	e := autograd.Epilogue{Bias: on(t, l.Bias), Act: then.Act, Residual: then.Residual}
	if t.Inference() {
		return autograd.LinearPacked(x, l.Weight.packed(packMatrix), e)
	}
	return autograd.Linear(x, l.Weight.On(t), e)
}
