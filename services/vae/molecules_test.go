package vae

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	shared "github.com/manifold-gen/manifold/shared/recipe"
)

// TestMolecules draws from a small model: strings repeat themselves and come with a verdict.
func TestMolecules(t *testing.T) {
	ctx := context.Background()
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	const text = "name: m\narchitecture: smiles\ndata: {name: molecule-grammar, train: 300, select: 40}\n" +
		"model: {width: 16, heads: 2, encoder: 1, decoder: 1, latent: 3}\ntrain: {steps: 60, batch: 8, learning_rate: 0.01}\n"
	if _, err := recipe.Run(ctx, []byte(text), shared.Deps{Store: store, Runs: t.TempDir()}, nil); err != nil {
		t.Fatal(err)
	}
	draw := func(n int, seed uint64, temperature float64) []string {
		d, err := Molecules(ctx, store, "m", n, seed, temperature)
		if err != nil {
			t.Fatal(err)
		}
		var l []string
		valid := 0
		for _, m := range d.Molecules {
			l = append(l, m.SMILES)
			if m.Err == nil {
				valid++
			}
		}
		if valid != d.Valid() || len(l) != n || d.Model.Manifest.Name != "m" {
			t.Errorf("%d valid of %d, not %d", valid, len(l), d.Valid())
		}
		return l
	}
	all := draw(30, 1, 1)
	if !slices.Equal(draw(10, 1, 1), all[:10]) || slices.Equal(draw(30, 2, 1), all) {
		t.Error("draws depend on other things than seed and number")
	}
	for name, call := range map[string]func() error{
		"n of 0":           func() error { _, err := Molecules(ctx, store, "m", 0, 1, 1); return err },
		"n too large":      func() error { _, err := Molecules(ctx, store, "m", MaxMolecules+1, 1, 1); return err },
		"temperature of 0": func() error { _, err := Molecules(ctx, store, "m", 1, 1, 0); return err },
		"NaN":              func() error { _, err := Molecules(ctx, store, "m", 1, 1, math.NaN()); return err },
	} {
		if err := call(); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Molecules(ctx, store, "nothing", 1, 1, 1); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
}
