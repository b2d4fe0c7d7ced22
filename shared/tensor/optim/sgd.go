package optim

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// SGD is gradient descent with momentum as PyTorch defines it: u = Momentum*u + g + WeightDecay*p, then
// p -= lr*u, or with Nesterov p -= lr*(g + WeightDecay*p + Momentum*u).
type SGD struct {
	// Momentum is in [0, 1).
	Momentum float64
	// WeightDecay is added to the gradient; it is not decoupled.
	WeightDecay float64
	// Nesterov looks ahead.
	Nesterov bool

	params []*nn.Param
	u      []*tensor.Tensor
	steps  counter
}

// NewSGD returns an optimiser of params, which must be named (nn.Params).
func NewSGD(params []*nn.Param, momentum, weightDecay float64, nesterov bool) *SGD {
	check("SGD's Momentum", momentum, 0, 1-0x1p-53)
	check("SGD's WeightDecay", weightDecay, 0, math.MaxFloat64)
	return &SGD{
		Momentum: momentum, WeightDecay: weightDecay, Nesterov: nesterov,
		params: params, u: moments(params), steps: newCounter(),
	}
}

// Step implements Optimizer.
func (s *SGD) Step(lr, gradScale float64) {
	s.steps.add()
	for i, p := range s.params {
		if p.Grad == nil {
			continue
		}
		u, decay := s.u[i], 0.0
		if decays(p) {
			decay = s.WeightDecay
		}
		if !s.Nesterov {
			tensor.SGDMomentum(p.Tensor, p.Grad, u, lr, s.Momentum, decay, gradScale)
			p.Changed()
			continue
		}
		tensor.Scale(u, u, s.Momentum)
		tensor.AXPY(u, gradScale, p.Grad)
		if decay != 0 {
			tensor.AXPY(u, decay, p.Tensor)
			// The look-ahead gradient g + decay*p is applied first, with p as it was in u.
			tensor.Scale(p.Tensor, p.Tensor, 1-float64(lr*decay))
		}
		tensor.AXPY(p.Tensor, -lr*gradScale, p.Grad)
		tensor.AXPY(p.Tensor, -lr*s.Momentum, u)
		p.Changed()
	}
}

// State implements Optimizer: sgd.steps and sgd.u.<name>.
func (s *SGD) State() []weights.Param {
	st := []weights.Param{{Name: "sgd.steps", Tensor: s.steps.t}}
	return append(st, named("sgd.u.", s.params, s.u)...)
}
