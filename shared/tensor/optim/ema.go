package optim

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// EMA is an exponential moving average of parameters, the weights that a diffusion model samples with.
type EMA struct {
	decay   float64
	warm    bool
	params  []*nn.Param
	shadow  []*tensor.Tensor
	updates counter
}

// NewEMA returns an average that starts at the parameters' present values. With warm, update n (from 1)
// uses the decay min(decay, (1+n)/(10+n)), so that the first steps are forgotten quickly.
func NewEMA(params []*nn.Param, decay float64, warm bool) *EMA {
	check("EMA's decay", decay, 0, 1)
	e := &EMA{decay: decay, warm: warm, params: params, shadow: moments(params), updates: newCounter()}
	for i, p := range params {
		e.shadow[i].CopyFrom(p.Tensor)
	}
	return e
}

// Update moves the average by 1-decay towards the parameters.
func (e *EMA) Update() {
	d := e.move()
	for i, p := range e.params {
		tensor.Lerp(e.shadow[i], p.Tensor, d)
	}
}

// move counts an update and returns how far it moves.
func (e *EMA) move() float64 {
	n := float64(e.updates.add())
	d := e.decay
	if e.warm {
		d = min(d, (1+n)/(10+n))
	}
	return 1 - d
}

// CopyTo writes the average into the parameters of a model of the same structure, which may be the one
// it averages.
func (e *EMA) CopyTo(params []*nn.Param) {
	n := float64(len(e.shadow))
	check("the number of parameters EMA copies to", float64(len(params)), n, n)
	for i, p := range params {
		p.CopyFrom(e.shadow[i])
		p.Changed()
	}
}

// Weights are the averages under the parameters' own names, for a model file.
func (e *EMA) Weights() []weights.Param { return named("", e.params, e.shadow) }

// State is what a checkpoint must hold, as Optimizer's State: ema.updates and ema.<name>.
func (e *EMA) State() []weights.Param {
	s := []weights.Param{{Name: "ema.updates", Tensor: e.updates.t}}
	return append(s, named("ema.", e.params, e.shadow)...)
}
