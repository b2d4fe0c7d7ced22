package cli

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/shared/fault"
)

// evalGlobals are those of a person with empty folders and no network.
func evalGlobals(t *testing.T) (*Globals, *bytes.Buffer) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	out := new(bytes.Buffer)
	return &Globals{Home: t.TempDir(), Offline: true, JSON: true, out: out, err: new(bytes.Buffer)}, out
}

func TestEvalClassifier(t *testing.T) {
	g, out := evalGlobals(t)
	c := evalClassifierCmd{Classifier: "mnist-classifier", Dataset: "glyphs", Split: "report"}
	if err := c.Run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	var r struct {
		Results struct {
			Digest   string
			N        int
			Accuracy float64
		}
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	// Drawn digits are no handwriting, but far from chance.
	if r.Results.N != 5000 || r.Results.Accuracy < 0.3 || len(r.Results.Digest) != 64 {
		t.Errorf("%+v", r.Results)
	}
	c.Dataset = "glyphs-colour"
	if err := c.Run(t.Context(), g); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

func TestEvalTrainClassifier(t *testing.T) {
	g, out := evalGlobals(t)
	if err := (evalTrainCmd{Recipe: "mnist-classifier", Print: true}).Run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"mnist-classifier"`) {
		t.Error(out)
	}
	err := (evalTrainCmd{Recipe: "no-such"}).Run(t.Context(), g)
	if err == nil || !strings.Contains(err.Error(), "built-in: mnist-classifier") {
		t.Error(err)
	}
}

const evalRecipe = `
name: blobs
licence: Apache-2.0
data: {name: glyphs, train: 64, select: 8}
model: {patch_size: 2, channels: [8, 8], blocks: 1, heads: 2, time_dim: 16, groups: 4}
train: {steps: 2, batch: 8, micro: 8}
`

func TestEvalDiffusion(t *testing.T) {
	g, out := evalGlobals(t)
	deps, err := g.trainDeps(filepath.Join(g.Home, "runs"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := diffusion.Train(t.Context(), []byte(evalRecipe), deps, nil); err != nil {
		t.Fatal(err)
	}
	c := evalDiffusionCmd{
		Model: "blobs", Dataset: "glyphs", Classifier: "mnist-classifier", Quick: true, Seed: 1,
		Out: filepath.Join(t.TempDir(), "report.json"), Only: []string{"real", "ddim-10"},
	}
	if err := c.Run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	c.Only = []string{"euler-20"}
	out.Reset()
	g.JSON = false
	if err := c.Run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "ddim-10") || !strings.Contains(s, "euler-20") || !strings.Contains(s, "FRECHET") {
		t.Error(s)
	}
	r, err := diffusion.ReadEvaluation(c.Out)
	if err != nil || len(r.Rows) != 3 || len(r.Runs) != 2 || r.Row("euler-20").Run != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	c.Seed = 2
	if err := c.Run(t.Context(), g); fault.KindOf(err) != fault.Precondition {
		t.Error(err)
	}
	c.Fresh = true
	if err := c.Run(t.Context(), g); err != nil {
		t.Error(err)
	}
	c.Only, c.Fresh = []string{"no-such-row"}, false
	if err := c.Run(t.Context(), g); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}
