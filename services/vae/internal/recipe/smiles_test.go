package recipe

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"
)

const moleculeRecipe = "name: m\narchitecture: smiles\nseed: 1\ndata: {name: molecule-grammar, train: 300, select: 40}\n" +
	"model: {width: 16, heads: 2, encoder: 1, decoder: 1, latent: 3, warmup: 10, free_bits: 0.1}\n" +
	"train: {steps: 24, batch: 8, micro: 4, learning_rate: 0.01, ema: 0.9, eval_every: 12, checkpoint_every: 5}\n"

func moleculeStore(t *testing.T) *modelstore.Store {
	t.Helper()
	s, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSmilesResume: a run that is stopped twice publishes the same model as one that is not, with its figures.
func TestSmilesResume(t *testing.T) {
	run := func(stops ...int) modelstore.Entry {
		deps := recipe.Deps{Store: moleculeStore(t), Runs: t.TempDir()}
		for _, stop := range append(stops, 1000) {
			ctx, cancel := context.WithCancel(context.Background())
			kl := 0
			e, err := Run(ctx, []byte(moleculeRecipe), deps, func(e train.Event) {
				if e.Step >= stop {
					cancel()
				}
				kl += len(e.Series["kl"])
				if e.Kind == train.Warning {
					t.Error(e.Err)
				}
			})
			cancel()
			if err == nil {
				if len(stops) == 0 && kl != 6 {
					t.Errorf("%d divergences in reports", kl)
				}
				return e
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		t.Fatal("the run did not end")
		return modelstore.Entry{}
	}
	want, got := run(), run(7, 15)
	if want.Manifest.Digest != got.Manifest.Digest {
		t.Error("a run that was stopped twice ends differently")
	}
	m := want.Manifest
	for _, name := range []string{"select_loss", "select_kl", "select_whole", "select_valid", "select_active_units"} {
		if _, ok := m.Metrics[name]; !ok {
			t.Errorf("no %s in %v", name, m.Metrics)
		}
	}
	if m.Data.Samples != 300 || m.Data.Name != "molecule-grammar" || m.Parameters == 0 || m.Licence == "" {
		t.Errorf("%+v", m)
	}
	if _, _, err := Open(m, nil); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "molecules") {
		t.Error(err)
	}
}

// TestSmilesOwnFile trains on a file, which a server may be told to refuse, and whose place is not published.
func TestSmilesOwnFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.smi")
	if err := os.WriteFile(file, bytes.Repeat([]byte("CCO 1\nc1ccccc1 2\nCC(=O)O\n\nCN\n"), 5), 0o644); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(moleculeRecipe, "{name: molecule-grammar, train: 300, select: 40}",
		"{images: "+file+", licence: mine}", 1)
	r, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if r.Pictures() == nil || r.Pictures().Images != file {
		t.Error("a file is opened without being told")
	}
	e, err := r.Run(context.Background(), recipe.Deps{Store: moleculeStore(t), Runs: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(e.Manifest.Recipe, filepath.Dir(file)) || e.Manifest.Licence != "mine" {
		t.Error(e.Manifest.Recipe, e.Manifest.Licence)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("C1CC\nCC\n", 20)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(context.Background(), recipe.Deps{Store: moleculeStore(t), Runs: t.TempDir()}, nil); err == nil ||
		!strings.Contains(err.Error(), "20 of 40") {
		t.Error(err)
	}
}

// TestSmilesCheck lists what is wrong with a recipe.
func TestSmilesCheck(t *testing.T) {
	for change, field := range map[string]string{
		"width: 16|width: 15":                  "heads",
		"latent: 3|latent: 0":                  "latent",
		"latent: 3|word_drop: 1.5":             "model.word_drop",
		"latent: 3|beta: -1":                   "model.beta",
		"warmup: 10|warmup: -1":                "model.warmup",
		"select: 40|size: 28":                  "data",
		"latent: 3|hidden: [4]":                "hidden",
		"name: molecule-grammar|name: unknown": "",
	} {
		old, with, _ := strings.Cut(change, "|")
		text := strings.Replace(moleculeRecipe, old, with, 1)
		r, err := Parse([]byte(text))
		if field == "" {
			if err != nil {
				t.Errorf("%s: %v", with, err)
				continue
			}
			_, err = r.Run(context.Background(), recipe.Deps{Store: moleculeStore(t), Runs: t.TempDir()}, nil)
			field = "data.name"
		}
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", with, err)
		}
	}
}
