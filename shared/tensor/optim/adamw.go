package optim

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// AdamWConfig holds AdamW's numbers. The zero value means PyTorch's defaults: 0.9, 0.999, 1e-8, and a
// weight decay of 0, which is not PyTorch's.
type AdamWConfig struct {
	Beta1, Beta2, Eps, WeightDecay float64
}

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2, with the decay
// multiplied by the learning rate as in PyTorch).
type AdamW struct {
	cfg    AdamWConfig
	params []*nn.Param
	m, v   []*tensor.Tensor
	states []tensor.AdamWState // one a parameter, filled in every step
	steps  counter
}

// NewAdamW returns an optimiser of params, which must be named (nn.Params).
func NewAdamW(params []*nn.Param, cfg AdamWConfig) *AdamW {
	if cfg.Beta1 == 0 {
		cfg.Beta1 = 0.9
	}
	if cfg.Beta2 == 0 {
		cfg.Beta2 = 0.999
	}
	if cfg.Eps == 0 {
		cfg.Eps = 1e-8
	}
	check("AdamW's Beta1", cfg.Beta1, 0, 1-0x1p-53)
	check("AdamW's Beta2", cfg.Beta2, 0, 1-0x1p-53)
	check("AdamW's Eps", cfg.Eps, 0, 1)
	check("AdamW's WeightDecay", cfg.WeightDecay, 0, math.MaxFloat64)
	return &AdamW{cfg: cfg, params: params, m: moments(params), v: moments(params),
		states: make([]tensor.AdamWState, len(params)), steps: newCounter()}
}

// Step implements Optimizer.
func (a *AdamW) Step(lr, gradScale float64) { a.StepMean(lr, gradScale, nil) }

// StepMean is Step and e.Update in one pass over memory, with the same bits. e averages the same parameters in the
// same order; nil is no average.
func (a *AdamW) StepMean(lr, gradScale float64, e *EMA) {
	n := a.steps.add()
	h := tensor.AdamWParams{
		LR: lr, B1: a.cfg.Beta1, B2: a.cfg.Beta2, Eps: a.cfg.Eps, GradScale: gradScale,
		BC1: 1 - power(a.cfg.Beta1, n),
		BC2: 1 - power(a.cfg.Beta2, n),
	}
	if e != nil {
		check("the number of parameters of the average", float64(len(e.params)), float64(len(a.params)),
			float64(len(a.params)))
		h.Mean = e.move()
	}
	for i, p := range a.params {
		s := &a.states[i]
		*s = tensor.AdamWState{Param: p.Tensor, Grad: p.Grad, M: a.m[i], V: a.v[i]}
		if decays(p) {
			s.WeightDecay = a.cfg.WeightDecay
		}
		if e != nil {
			s.Mean = e.shadow[i]
			if p.Grad == nil {
				tensor.Lerp(s.Mean, p.Tensor, h.Mean)
			}
		}
	}
	tensor.AdamWAll(a.states, h)
	for _, p := range a.params {
		if p.Grad != nil {
			p.Changed()
		}
	}
}

// Steps is the number of steps taken.
func (a *AdamW) Steps() int { return a.steps.value() }

// State implements Optimizer: adamw.steps, adamw.m.<name>, adamw.v.<name>.
func (a *AdamW) State() []weights.Param {
	s := []weights.Param{{Name: "adamw.steps", Tensor: a.steps.t}}
	s = append(s, named("adamw.m.", a.params, a.m)...)
	return append(s, named("adamw.v.", a.params, a.v)...)
}
