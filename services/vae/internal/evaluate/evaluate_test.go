package evaluate

import (
	"context"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"

	vaerecipe "github.com/manifold-gen/manifold/services/vae/internal/recipe"
)

// TestCodes measures a small VAE: the parts of the bound add up, the importance weighted bound is tighter, and principal
// components stand beside the reconstruction.
func TestCodes(t *testing.T) {
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	const text = "name: a\narchitecture: vae\nseed: 1\ndata: {name: glyphs, size: 8, train: 200, select: 20}\n" +
		"model: {hidden: [32], latent: 4}\ntrain: {steps: 60, batch: 20, learning_rate: 0.01}\n"
	deps := recipe.Deps{Store: store, Runs: t.TempDir()}
	if _, err := vaerecipe.Run(context.Background(), []byte(text), deps, nil); err != nil {
		t.Fatal(err)
	}
	c := Codes{Store: store, Model: "a", Data: new(dataset.Locator), Name: "glyphs", Pictures: 60, Samples: 40, Seed: 1}
	_, err = c.Run(context.Background())
	if err == nil {
		t.Fatal("glyphs of another size were taken")
	}
	c.Size = 8
	r, err := c.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(r.Reconstruction.Value+r.KL.Value-r.NegativeELBO.Value) > 1e-9 || r.Pictures != 60 {
		t.Errorf("the parts do not add up: %+v", r)
	}
	if !(r.NegativeIWAE.Value < r.NegativeELBO.Value) || r.NegativeELBO.Error <= 0 {
		t.Errorf("bounds %+v and %+v", r.NegativeIWAE, r.NegativeELBO)
	}
}

// TestPCA: as many components as the pictures have numbers leave nothing, and fewer leave more.
func TestPCA(t *testing.T) {
	set, err := dataset.NewPictures(make([]byte, 6*300), 2, 3, 1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		px := set.Bytes(i)
		for j := range px { // three directions
			px[j] = byte(100 + 10*(i%7)*(j%2) + 20*(i%5)*(j/3) + i%3*(j%3))
		}
	}
	last := math.Inf(1)
	for _, k := range []int{1, 2, 3, 6} {
		p, err := NewPCA(context.Background(), set, k)
		if err != nil {
			t.Fatal(err)
		}
		e, err := p.SquaredError(context.Background(), set)
		if err != nil {
			t.Fatal(err)
		}
		if k >= 3 && e > 1e-10 || k < 3 && (e < 1e-6 || e >= last) {
			t.Errorf("%d components leave %v", k, e)
		}
		last = e
	}
}
