package special

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// LogSum is log(sum of exp(x_i)), the sum in ascending order of i after the greatest x was taken off; -Inf of nothing.
func LogSum(x []float64) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		if !(v <= top) { // also for NaN
			top = v
		}
	}
	if top != top || math.IsInf(top, 0) {
		return top
	}
	var s float64
	for _, v := range x {
		s += tensor.ExpF64(v - top)
	}
	return top + tensor.LogF64(s)
}

// LogAdd is log(exp(a) + exp(b)).
func LogAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if b == math.Inf(-1) || a == math.Inf(1) {
		return a
	}
	return a + tensor.LogF64(1+tensor.ExpF64(b-a))
}
