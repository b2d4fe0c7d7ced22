package evaluate

import (
	"context"
	"testing"

	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	shared "github.com/manifold-gen/manifold/shared/recipe"
)

const moleculeRecipe = `
name: molecules
architecture: smiles
seed: 1
data: {name: molecule-grammar}
model: {width: 32, heads: 2, encoder: 1, decoder: 1, latent: 4, word_drop: 0.1, free_bits: 0.1}
train: {steps: 200, batch: 32, learning_rate: 0.004, eval_every: 200}
`

// TestMolecules trains a small model on drawn molecules and measures it.
func TestMolecules(t *testing.T) {
	ctx := context.Background()
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	e, err := recipe.Run(ctx, []byte(moleculeRecipe), shared.Deps{Store: store, Runs: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := Molecules{Store: store, Model: e.Ref(), N: 150, Seed: 1, Temperatures: []float64{1, 0.5}}
	r, err := c.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 5 || len(r.KL) != 4 || r.Train != 3920 || r.Whole.N != 80 {
		t.Fatalf("%+v", r)
	}
	for i, row := range r.Rows {
		if row.Valid.Share != again.Rows[i].Valid.Share || row.Unique != again.Rows[i].Unique {
			t.Errorf("%s: another result", row.Name)
		}
		t.Logf("%-24s %.1f: valid %.3f unique %.3f novel %.3f new %.3f, %d examples", row.Name, row.Temperature,
			row.Valid.Share, row.Unique.Share, row.Novel.Share, row.New.Share, len(row.Examples))
	}
	model, markov, unseen, train := r.Rows[0], r.Rows[2], r.Rows[3], r.Rows[4]
	if train.Valid.Share != 1 || train.Novel.Share != 0 || unseen.Valid.Share != 1 || unseen.Unique.Share < 0.9 {
		t.Errorf("the data itself: %+v, %+v", train, unseen)
	}
	if markov.Valid.Share < 0.5 || model.Valid.Share < 0.2 {
		t.Errorf("valid: model %v, Markov chain %v", model.Valid.Share, markov.Valid.Share)
	}
	if _, err := (Molecules{Store: store, Model: e.Ref(), N: -1}).Run(ctx); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}
