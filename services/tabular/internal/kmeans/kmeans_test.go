package kmeans

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

// TestScikitLearn starts where scikit-learn started.
func TestScikitLearn(t *testing.T) {
	text, err := os.ReadFile("testdata/sklearn.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		X, Start, Centres [][]float64
		Labels            []int32
		Inertia           float64
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	r := Lloyd(slices.Concat(g.X...), 3, slices.Concat(g.Start...))
	if !slices.Equal(r.Labels, g.Labels) || math.Abs(r.Inertia-g.Inertia) > 1e-9*g.Inertia {
		t.Errorf("inertia %g, want %g", r.Inertia, g.Inertia)
	}
	for i, w := range slices.Concat(g.Centres...) {
		if math.Abs(r.Centres[i]-w) > 1e-10*math.Max(1, math.Abs(w)) {
			t.Errorf("centre %d: %g, want %g", i, r.Centres[i], w)
		}
	}
}

func TestEmptyGroups(t *testing.T) {
	x := []float64{0, 0, 0, 1, 10}
	r := Lloyd(x, 1, []float64{0, 0, 0}) // two groups get no row at first
	if !slices.Equal(r.Labels, []int32{0, 0, 0, 2, 1}) || r.Inertia != 0 {
		t.Errorf("%+v", r)
	}
	r = Lloyd([]float64{3, 3, 3}, 1, []float64{3, 3})
	if r.Inertia != 0 || r.Steps > 3 {
		t.Errorf("%+v", r)
	}
}

// TestFindsGroups divides three clouds; the same seed gives the same division.
func TestFindsGroups(t *testing.T) {
	s := &table.Schema{Fields: []table.Field{{Name: "a", Kind: table.Numeric}, {Name: "g", Levels: []string{"x", "y", "z"}}}}
	rows := table.New(s, 90)
	noise := make([]float64, 90)
	rng.New(2).Normal64(noise, 0, 0, rng.Noise)
	for i := range 90 {
		rows.Columns[1].Codes[i] = int32(i % 3)
		rows.Columns[0].Numbers[i] = float64(10*(i%3)) + noise[i]
	}
	a, err := Fit(rows, 3, 3, rng.New(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Fit(rows, 3, 3, rng.New(1), 1)
	if !slices.Equal(a.Centres, b.Centres) {
		t.Error("another division")
	}
	for i := range 90 {
		if a.Labels[i] != a.Labels[i%3] {
			t.Error("row", i)
		}
	}
	if _, err := Fit(rows, 91, 1, rng.New(1)); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	if _, err := Fit(rows, 2, 1, rng.New(1), 0, 1); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}
