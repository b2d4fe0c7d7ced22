package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/vae"
	"github.com/manifold-gen/manifold/shared/fault"
)

const (
	evalCodesRecipe = `
name: codes
family: vae
architecture: autoencoder
licence: Apache-2.0
data: {name: glyphs, size: 8, train: 500, select: 50}
model: {hidden: [16], code: 4}
train: {steps: 30, batch: 20}
`
	evalBookRecipe = `
name: book
family: vae
architecture: vq
licence: Apache-2.0
data: {name: glyphs, size: 8, train: 200, select: 20}
model: {hidden: [8], codebook: 9, size: 4, prior: {channels: 8, blocks: 1, train: {steps: 10, batch: 20}}}
train: {steps: 10, batch: 20}
`
	evalMoleculesRecipe = `
name: molecules
family: vae
architecture: smiles
licence: Apache-2.0
data: {name: molecule-grammar, train: 300, select: 40}
model: {width: 16, heads: 2, encoder: 1, decoder: 1, latent: 3}
train: {steps: 60, batch: 8, learning_rate: 0.01}
`
)

// TestEvalVae measures two small models into one file: figures with baselines, and a bar for every part.
func TestEvalVae(t *testing.T) {
	g, _ := evalGlobals(t)
	deps, err := g.trainDeps(filepath.Join(g.Home, "runs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{evalCodesRecipe, evalBookRecipe, evalMoleculesRecipe} {
		if _, err := vae.Train(t.Context(), []byte(text), deps, nil); err != nil {
			t.Fatal(err)
		}
	}
	c := evalVaeCmd{
		Model: "codes", What: []string{"bounds", "neighbours"}, Dataset: "glyphs", Size: 8, Seed: 1,
		Out: filepath.Join(t.TempDir(), "vae.json"),
	}
	if err := c.Run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	c.Model, c.What = "book", []string{"bounds"}
	if err := c.Run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	c.Model, c.What, c.Strings = "molecules", []string{"molecules"}, 60
	for range 2 { // the second time its rows are replaced
		if err := c.Run(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(c.Out)
	if err != nil {
		t.Fatal(err)
	}
	var r vaeReport
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	rows := map[string]vaeFigure{}
	for _, f := range r.Results {
		name := strings.TrimPrefix(f.Model+": "+f.What, "codes@1: ")
		if rows[name].What != "" {
			t.Errorf("%s twice", name)
		}
		rows[name] = f
	}
	for what, want := range map[string]struct{ settings, against string }{
		"squared error of reconstructions":                          {"gray", "as many principal components"},
		"error of nearest neighbours among codes":                   {"queries", "the same on pixels"},
		"time of a query among 4 principal components":              {"queries", "the same on pixels"},
		"memory of codes":                                           {"queries", "the same on pixels"},
		"molecules@1: valid ones of strings":                        {"60 strings", "a Markov chain of order 6"},
		"molecules@1: new molecules, each once, of all strings":     {"60 strings", "a Markov chain of order 6"},
		"molecules@1: different ones of the valid unseen molecules": {"40 molecules", ""},
		"molecules@1: reconstructed letter by letter":               {"40 molecules", ""},
		"time of a query, with making its numbers, among codes":     {"queries", "the same on pixels"},
		"book@1: squared error of reconstructions":                  {"gray", "16 principal components, not quantised"},
		"book@1: negative two-stage bound":                          {"gray", "every vector as likely as any other"},
		"book@1: vectors used at all":                               {"gray", ""},
	} {
		f, ok := rows[what]
		if !ok || !strings.Contains(f.Settings, want.settings) || f.Against != want.against ||
			(f.Baseline == nil) != (want.against == "") || len(f.Digest) != 64 {
			t.Errorf("%s: %+v", what, f)
		}
	}
	if n, m := rows["memory of codes"], rows["time of a query among codes"]; n.Value*5 > *n.Baseline || m.Value <= 0 {
		t.Errorf("%+v, %+v", n, m)
	}
	said := g.err.(*bytes.Buffer).String()
	for _, part := range []string{"pictures", "pixels: searching", "codes of codes@1: making", "timing", "writing molecules 60/60"} {
		if !strings.Contains(strings.ReplaceAll(said, "60/60  writing molecules", "writing molecules 60/60"), part) {
			t.Errorf("no bar of %s: %s", part, said)
		}
	}
	for what, name := range map[string]string{"molecules": "codes", "neighbours": "molecules", "nothing": "codes"} {
		c.Model, c.What = name, []string{what}
		if err := c.Run(t.Context(), g); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s of %s: %v", what, name, err)
		}
	}
}
