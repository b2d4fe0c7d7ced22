package train

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func allFinite(t *tensor.Tensor) bool {
	if t.DType() == tensor.Float64 {
		for _, x := range t.F64() {
			if !finite(x) {
				return false
			}
		}
		return true
	}
	for _, x := range t.F32() {
		if !finite(float64(x)) {
			return false
		}
	}
	return true
}

// notFinite describes a step that was given up.
func (r *run) notFinite(loss, rate float64) error {
	what := fmt.Sprintf("the loss is %v", loss)
	if finite(loss) {
		what = "the gradient is not finite"
	}
	where := culprit(r.params, finite(loss))
	kept := "no checkpoint was written before it"
	if r.saved != "" {
		kept = "the last good checkpoint, " + r.saved + ", is kept"
	}
	return fault.E(fault.Internal, "NOT_FINITE", "", "step %d: %s at learning rate %.3g, first in %s; %s",
		r.Steps+1, what, rate, where, kept).
		With("step", fmt.Sprint(r.Steps+1)).With("learning_rate", fmt.Sprint(rate)).With("layer", where)
}

// culprit names where a number that is not finite came from, as far as parameters and gradients show it. A bad
// weight is the cause of all that follows. Otherwise, when the forward pass was sound, the bad gradient nearest to
// the loss, the last in the order of the parameters, was the first to be computed; when it was not, the gradients
// say nothing of the layer.
func culprit(params []*nn.Param, forward bool) string {
	for _, p := range params {
		if !allFinite(p.Tensor) {
			return "the weight " + p.Name
		}
	}
	if !forward {
		return "the forward pass; all weights are finite"
	}
	for i := len(params) - 1; i >= 0; i-- {
		if p := params[i]; p.Grad != nil && !allFinite(p.Grad) {
			return "the gradient of " + p.Name
		}
	}
	return "the sum of squares of the gradients, which are finite but too large"
}
