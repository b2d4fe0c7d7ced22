package statistic

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

// TestIndependenceKnown is scipy 1.17's chi2_contingency([[10, 20, 30], [6, 9, 17]]) and the same with lambda_="log-likelihood".
func TestIndependenceKnown(t *testing.T) {
	got := TestIndependence([]int64{10, 20, 30, 6, 9, 17}, 3)
	if math.Abs(got.ChiSquare-0.27157465150403504) > 1e-12 || math.Abs(got.P-0.873028283380073) > 1e-12 || math.Abs(got.G-0.2740265420246606) > 1e-12 || got.Freedom != 2 || got.Exact {
		t.Errorf("%+v", got)
	}
	if math.Abs(got.Expected-5.565217391304348) > 1e-12 {
		t.Errorf("%+v", got)
	}
	// Two fair dice: independent, exactly.
	dice := make([]int64, 36)
	for i := range dice {
		dice[i] = 1
	}
	if d := TestIndependence(dice, 6); !d.Exact || d.ChiSquare != 0 || d.P != 1 || d.G != 0 || d.CramersV != 0 {
		t.Errorf("%+v", d)
	}
	if d := TestIndependence([]int64{5, 0, 0, 5}, 2); d.CramersV != 1 || d.Freedom != 1 {
		t.Errorf("%+v", d)
	}
	if d := TestIndependence([]int64{5, 0, 3, 0}, 2); d.Freedom != 0 || d.P != 1 {
		t.Errorf("%+v", d)
	}
	if d := TestIndependence(nil, 2); d.Total != 0 || d.P != 1 {
		t.Errorf("%+v", d)
	}
}

func TestFraction(t *testing.T) {
	f := Fraction{342, 891}
	if f.Reduced() != (Fraction{38, 99}) || f.String() != "342/891" || !f.Equal(Fraction{38, 99}) || f.Equal(Fraction{38, 98}) {
		t.Error(f.Reduced())
	}
	if p, ok := f.Times(Fraction{99, 38}); !ok || p != (Fraction{1, 1}) {
		t.Error(p, ok)
	}
	if _, ok := (Fraction{1, 1 << 40}).Times(Fraction{1, 1<<40 + 1}); ok {
		t.Error("a product that does not fit")
	}
}
