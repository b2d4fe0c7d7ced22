package rbm

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// TestScikitLearn compares features, free energies and reconstructions with those of scikit-learn's BernoulliRBM with
// the same weights. The file comes from tools/reference/rbm.py.
func TestScikitLearn(t *testing.T) {
	text, err := os.ReadFile("testdata/sklearn.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Weight         []float32 `json:"weight"`
		VisibleBias    []float32 `json:"visible_bias"`
		HiddenBias     []float32 `json:"hidden_bias"`
		Rows           []float32 `json:"rows"`
		Features       []float64 `json:"features"`
		FreeEnergy     []float64 `json:"free_energy"`
		Reconstruction []float64 `json:"reconstruction"`
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	m := New(Config{Pixels: len(g.VisibleBias), Hidden: len(g.HiddenBias)})
	copy(m.Weight.F32(), g.Weight)
	copy(m.VisibleBias.F32(), g.VisibleBias)
	copy(m.HiddenBias.F32(), g.HiddenBias)
	n := len(g.FreeEnergy)
	a := tensor.NewArena()
	v := tensor.FromFloat32(g.Rows, n, m.Pixels)
	h, down := tensor.New(tensor.Float32, n, m.Hidden), tensor.New(tensor.Float32, n, m.Pixels)
	m.HiddenMean(h, v, nil, a)
	m.VisibleMean(down, h, nil, a)
	free := make([]float64, n)
	m.FreeEnergy(free, v, a)
	for i, want := range g.Features {
		near(t, "feature", float64(h.F32()[i]), want, 5e-7)
	}
	for i, want := range g.Reconstruction {
		near(t, "reconstruction", float64(down.F32()[i]), want, 5e-7)
	}
	for i, want := range g.FreeEnergy {
		near(t, "free energy", free[i], want, 5e-6)
	}
}
