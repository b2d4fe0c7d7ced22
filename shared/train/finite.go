package train

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
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
	where := culprit(r.params, finite(loss), r.where)
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
// say nothing of the layer, and where says what firstBad found.
func culprit(params []*nn.Param, forward bool, where string) string {
	for _, p := range params {
		if !allFinite(p.Tensor) {
			return "the weight " + p.Name
		}
	}
	if !forward {
		return where
	}
	for i := len(params) - 1; i >= 0; i-- {
		if p := params[i]; p.Grad != nil && !allFinite(p.Grad) {
			return "the gradient of " + p.Name
		}
	}
	return "the sum of squares of the gradients, which are finite but too large"
}

// firstBad names the operation that gave the first number of a forward pass that is not finite, by the parameter that
// it uses or, where it has none, by the last one used before it.
func firstBad(t *autograd.Tape, params []*nn.Param) string {
	names := make(map[*tensor.Tensor]string, len(params))
	for _, p := range params {
		names[p.Tensor] = p.Name
	}
	where, last := "the forward pass; all weights are finite", ""
	t.Each(func(v *autograd.Value) bool {
		layer := ""
		for _, x := range v.Inputs() {
			if n := names[x.Tensor]; n != "" && layer == "" {
				layer, last = n, n
			}
		}
		if v.Op() == autograd.OpLeaf && names[v.Tensor] != "" || allFinite(v.Tensor) {
			return true
		}
		switch {
		case v.Op() == autograd.OpLeaf && last == "":
			where = "the data"
		case v.Op() == autograd.OpLeaf:
			where = "a constant after " + last
		case layer != "":
			where = fmt.Sprintf("the %s of %s", v.Op(), layer)
		case last != "":
			where = fmt.Sprintf("the %s after %s", v.Op(), last)
		}
		return false
	})
	return where
}
