package vec

import (
	"math"
	"testing"
)

// trainCases runs the kernels of train.go on n elements.
func trainCases(n int, vecOf func(int) []float32, out func(name string, y []float32)) {
	a, b, y := vecOf(n), vecOf(n), make([]float32, n)
	s := vecOf(3)
	ReLUGrad(y, a, b)
	out("ReLUGrad", y)
	TanhGrad(y, a, b)
	out("TanhGrad", y)
	SigmoidGrad(y, a, b)
	out("SigmoidGrad", y)
	BCELogits(y, a, b)
	out("BCELogits", y)
	BCELogitsGrad(y, a, b, s[0])
	out("BCELogitsGrad", y)
	m, l := LogSumExp(a)
	out("LogSumExp", []float32{m, l})
	if n > 0 {
		CrossEntropyGradRow(y, a, m, l, s[1], n/2)
		out("CrossEntropyGradRow", y)
	}
}

// The derivatives hold against central differences, and the losses against their closed forms.
func TestTrainingDerivatives(t *testing.T) {
	for _, x := range []float64{-7, -1.5, -0.1, 0.2, 1, 4, 9} {
		v, dy, got := []float64{x}, []float64{1.5}, []float64{0}
		check := func(name string, y []float64, grad func(dst, y, dy []float64), f func() float64) {
			grad(got, y, dy)
			near(t, name, got[0], 1.5*slope(v, 0, f), 1e-8)
		}
		check("ReLUGrad", []float64{math.Max(x, 0)}, ReLUGrad, func() float64 { return math.Max(v[0], 0) })
		check("TanhGrad", []float64{math.Tanh(x)}, TanhGrad, func() float64 { return math.Tanh(v[0]) })
		check("SigmoidGrad", []float64{1 / (1 + math.Exp(-x))}, SigmoidGrad,
			func() float64 { return 1 / (1 + math.Exp(-v[0])) })
		p := []float64{0.3}
		bce := func() float64 {
			s := 1 / (1 + math.Exp(-v[0]))
			return -p[0]*math.Log(s) - (1-p[0])*math.Log1p(-s)
		}
		BCELogits(got, v, p)
		near(t, "BCELogits", got[0], bce(), 1e-10)
		BCELogitsGrad(got, v, p, 1.5)
		near(t, "BCELogitsGrad", got[0], 1.5*slope(v, 0, bce), 1e-7)
	}
	x := []float64{0.3, -1, 2, 0.7}
	for i := range x {
		loss := func() float64 {
			var sum float64
			for _, v := range x {
				sum += math.Exp(v)
			}
			return math.Log(sum) - x[2]
		}
		m, l := LogSumExp(x)
		near(t, "LogSumExp", l-(x[2]-m), loss(), 1e-14)
		got := make([]float64, len(x))
		CrossEntropyGradRow(got, x, m, l, 0.5, 2)
		near(t, "CrossEntropyGradRow", got[i], 0.5*slope(x, i, loss), 1e-8)
	}
}
