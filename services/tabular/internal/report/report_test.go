package report

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

func TestKolmogorov(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3}, []float64{1, 2, 3}, 0}, {[]float64{1, 2}, []float64{3, 4}, 1}, {nil, nil, 0},
		{nil, []float64{1}, 1}, {[]float64{1, 1, 2, 2}, []float64{1, 2, 2, 2}, 0.25},
	} {
		if d := kolmogorov(c.a, c.b); d != c.want {
			t.Errorf("%v and %v: %g, want %g", c.a, c.b, d, c.want)
		}
	}
}
