package evaluate

import (
	"context"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
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

// TestCodebook measures a small quantised model: the terms of its bound add up to its score, and its use is counted.
func TestCodebook(t *testing.T) {
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	const text = "name: a\narchitecture: vq\nseed: 1\ndata: {name: glyphs, size: 8, train: 200, select: 20}\n" +
		"model: {hidden: [8], codebook: 9, size: 4, conditional: true, prior: {channels: 8, blocks: 1, " +
		"train: {steps: 20, batch: 20}}}\ntrain: {steps: 30, batch: 20, learning_rate: 0.01}\n"
	deps := recipe.Deps{Store: store, Runs: t.TempDir()}
	if _, err := vaerecipe.Run(context.Background(), []byte(text), deps, nil); err != nil {
		t.Fatal(err)
	}
	told := 0
	c := Codes{Store: store, Model: "a", Data: new(dataset.Locator), Name: "glyphs", Size: 8, Pictures: 200, PCA: true,
		Progress: func(done, of int) { told += done * of }}
	r, err := c.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.Vectors != 9 || r.Indices != 16 || r.Used < 1 || r.Perplexity < 1 || r.Perplexity > float64(r.Used) || told != 300*200 {
		t.Errorf("%+v, told %d", r, told)
	}
	m, _, done, err := (Source{Store: store, Model: "a"}).open()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	set, err := c.Data.Open(context.Background(), c.request("report"))
	if err != nil {
		t.Fatal(err)
	}
	var total float64
	x := make([]float32, 64)
	for i := range 200 {
		if err := set.Picture(i, x); err != nil {
			t.Fatal(err)
		}
		dataset.ToUnit(x)
		s, err := m.(model.Scorer).Score(x, 1, []int32{int32(set.Label(i))}, 1, rng.New(1), 0)
		if err != nil {
			t.Fatal(err)
		}
		total -= s.Values[0]
	}
	if math.Abs(r.TwoStage.Value-total/200) > 1e-9 || math.Abs(r.Picture.Value+r.Grid.Value-r.TwoStage.Value) > 1e-9 {
		t.Errorf("bound %+v of %+v and %+v, scores %v", r.TwoStage, r.Picture, r.Grid, total/200)
	}
	if r.PCASquaredError <= 0 || r.NegativeELBO != nil {
		t.Errorf("%+v", r)
	}
}
