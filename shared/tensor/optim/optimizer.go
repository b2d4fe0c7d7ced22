package optim

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Optimizer changes parameters by their gradients.
type Optimizer interface {
	// Step updates every parameter that has a Grad, with the learning rate lr; gradients are first
	// multiplied by gradScale, which is how clipping and averaging cost no pass of their own.
	Step(lr, gradScale float64)
	// State is what a checkpoint must hold besides the parameters. The tensors are live: reading them
	// saves the state, copying into them (weights.Bind with Copy) restores it.
	State() []weights.Param
}

// counter is a number of steps kept in a tensor, so that a checkpoint holds it.
type counter struct{ t *tensor.Tensor }

func newCounter() counter { return counter{tensor.New(tensor.Float64, 1)} }

func (c counter) value() int { return int(c.t.F64()[0]) }

func (c counter) add() int {
	c.t.F64()[0]++
	return c.value()
}

// moments returns zeros like each parameter.
func moments(params []*nn.Param) []*tensor.Tensor {
	ts := make([]*tensor.Tensor, len(params))
	for i, p := range params {
		ts[i] = tensor.New(p.DType(), p.Shape()...)
	}
	return ts
}

// named lists tensors under a prefix and the parameters' names.
func named(prefix string, params []*nn.Param, ts []*tensor.Tensor) []weights.Param {
	list := make([]weights.Param, len(ts))
	for i, t := range ts {
		list[i] = weights.Param{Name: prefix + params[i].Name, Tensor: t}
	}
	return list
}

// decays says whether weight decay touches the parameter.
func decays(p *nn.Param) bool { return p.Rank() > 1 }

// power is b^n for n >= 0 by repeated squaring: products in float64 in one order.
func power(b float64, n int) float64 {
	r := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			r = float64(r * b)
		}
		b = float64(b * b)
	}
	return r
}

// check panics on a number outside [lo, hi], which is a mistake in the program: recipes are validated
// where they are read.
func check(what string, v, lo, hi float64) {
	if !(v >= lo && v <= hi) {
		panic(&tensor.Error{Op: "optim", Msg: fmt.Sprintf("%s is %v, want %v to %v", what, v, lo, hi)})
	}
}

// GlobalNorm is the Euclidean norm of all gradients together.
func GlobalNorm(params []*nn.Param) float64 {
	var sum float64
	for _, p := range params {
		if p.Grad != nil {
			sum += tensor.SumSquares(p.Grad)
		}
	}
	return math.Sqrt(sum)
}

// ClipGlobalNorm returns the norm of all gradients, multiplied by gradScale, together, and the scale to
// give to Step so that it is at most maxNorm: gradScale * min(1, maxNorm/(norm+1e-6)), PyTorch's rule.
// The gradients themselves stay as they are. If the norm is not finite, the caller must not Step.
func ClipGlobalNorm(params []*nn.Param, maxNorm, gradScale float64) (norm, scale float64) {
	norm = GlobalNorm(params) * gradScale
	return norm, gradScale * min(1, maxNorm/(norm+1e-6))
}
