package recipe

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// recipes are one of each kind, small enough to train in a test.
var recipes = map[string]string{
	"vae":      "architecture: vae\nmodel: {hidden: [16], latent: 3, warmup: 3, free_bits: 0.1, binarise: dynamic}\n",
	"vae conv": "architecture: vae\nmodel: {network: conv, hidden: [4, 8], latent: 3, likelihood: logistic, conditional: true}\n",
	"iwae":     "architecture: vae\nmodel: {hidden: [16, 8], activation: tanh, latent: 3, samples: 4, warmup: 3, binarise: static}\n",
	"two stages": "architecture: vae\nmodel: {hidden: [16], latent: 3, likelihood: gaussian, conditional: true, " +
		"second: {hidden: [8], train: {steps: 6, batch: 12, eval_every: 3}}}\n",
	"denoising": "architecture: autoencoder\nmodel: {hidden: [16], code: 4, corruption: masking, amount: 0.2, " +
		"sparsity: kl, target: 0.1, weight: 0.1, code_activation: sigmoid}\n",
	"contractive": "architecture: autoencoder\nmodel: {network: conv, hidden: [4], code: 4, contraction: 0.1, probes: 2, " +
		"activation: tanh, likelihood: gaussian, variance: 0.5}\n",
	"vq": "architecture: vq\nmodel: {hidden: [8], codebook: 9, size: 4, revive: 2, conditional: true, " +
		"prior: {channels: 8, blocks: 1, train: {steps: 6, batch: 12}}}\n",
	"rbm":      "architecture: rbm\nmodel: {hidden: 7, binarise: dynamic, learning: {method: tempered, temperatures: 3, chains: 4}}\n",
	"rbm soft": "architecture: rbm\nmodel: {hidden: 25, units: softmax, levels: 3, labels: true, ais: {temperatures: 20, chains: 3}}\n",
	"rbm real": "architecture: rbm\nmodel: {hidden: 7, units: gaussian, learn_variance: true, learning: {method: pcd}}\n",
	"dbn": "architecture: dbn\nmodel: {hidden: [9, 8, 25], inputs: samples, ais: {temperatures: 20}, learning: {sparsity: 0.2}, " +
		"top: {method: pcd}, up_down: {train: {steps: 6, batch: 12}}}\n",
	"boltzmann":   "architecture: boltzmann\nmodel: {hidden: 3, chains: 4, sweeps: 2}\n",
	"vq gradient": "architecture: vq\nmodel: {hidden: [8], codebook: 9, size: 4, decay: 0}\n",
}

const training = "train: {steps: 8, batch: 12, eval_every: 4, preview_every: 4, checkpoint_every: 3}\n"

func deps(t *testing.T) recipe.Deps {
	t.Helper()
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	return recipe.Deps{Store: store, Runs: t.TempDir()}
}

// made trains a recipe and returns the digest of the published model.
func made(t *testing.T, text string) string {
	t.Helper()
	e, err := Run(context.Background(), []byte(text), deps(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return e.Manifest.Digest
}

// TestRecipes trains every kind, looks at its events, card, manifest and statistics, and at the published model.
func TestRecipes(t *testing.T) {
	for name, text := range recipes {
		t.Run(name, func(t *testing.T) {
			d := deps(t)
			var kinds [train.Finished + 1]int
			var series map[string][]float64
			e, err := Run(context.Background(), []byte(head+text+training), d, func(e train.Event) {
				kinds[e.Kind]++
				if e.Kind == train.Warning {
					t.Error(e.Err)
				}
				if e.Kind == train.Reported && e.Series["weights"] != nil {
					series = e.Series
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if kinds[train.Evaluated] < 2 || kinds[train.Previewed] < 2 || len(series["weights"]) != bins {
				t.Errorf("events %v, series %v", kinds, series)
			}
			look(t, d, e)
			// The same recipe again is the same model.
			again, err := Run(context.Background(), []byte(head+text+training), d, nil)
			if err != nil || again.Ref() != e.Ref() {
				t.Errorf("again: %s, %v", again.Ref(), err)
			}
		})
	}
}

func look(t *testing.T, d recipe.Deps, e modelstore.Entry) {
	t.Helper()
	m := e.Manifest
	for name, v := range m.Metrics {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Errorf("%s is %v", name, v)
		}
	}
	card, err := d.Store.Card(e)
	if err != nil || !strings.Contains(card, m.Digest) || !strings.Contains(card, "loss on pictures for selection") {
		t.Errorf("card %s, %v", card, err)
	}
	dir, err := d.Store.Dir(e)
	if err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	net, stats, err := Open(m, f)
	if err != nil {
		t.Fatal(err)
	}
	if (ScoreKind(m) != model.NoScore) != scores(net) {
		t.Errorf("the manifest promises score kind %v", ScoreKind(m))
	}
	k := net.Size().CodeLen()
	if k == 0 {
		return // a Boltzmann machine
	}
	if stats == nil || len(stats.Mean) != k || len(stats.Deviation) != k || len(stats.ClassMean) != len(m.Labels) {
		t.Errorf("statistics %+v", stats)
	}
	if (len(stats.KL) == k) != (m.Architecture == "vae") {
		t.Errorf("divergences %v", stats.KL)
	}
	c := net.(coder)
	x, z, y, class := make([]float32, 64), make([]float32, k), make([]float32, 64), []int32{1}
	if net.Size().Classes == 0 {
		class = nil
	}
	var variance []float32
	if !c.Deterministic() {
		variance = make([]float32, k)
	}
	c.Encode(z, variance, x, 1, class)
	c.Decode(y, z, 1, class)
	for _, v := range y {
		if !(v >= 0 && v <= 1) {
			t.Fatalf("a pixel is %v", v)
		}
	}
}

func scores(m model.Model) bool {
	s, ok := m.(model.Scorer)
	return ok && s.Kind() != model.NoScore
}

// TestResumes stops every recipe at several places, also in its second stage, and wants the bytes that it gives
// without a stop.
func TestResumes(t *testing.T) {
	for name, text := range recipes {
		t.Run(name, func(t *testing.T) {
			text := head + text + strings.Replace(training, "steps: 8", "steps: 8, log_every: 1", 1)
			want := made(t, text)
			for stop := 2; stop < 14; stop += 5 {
				d := deps(t)
				ctx, cancel := context.WithCancel(context.Background())
				steps := 0
				_, err := Run(ctx, []byte(text), d, func(e train.Event) {
					if e.Kind == train.Stepped {
						if steps++; steps == stop {
							cancel()
						}
					}
				})
				cancel()
				if err != nil && fault.KindOf(err) != fault.Cancelled {
					t.Fatal(err)
				}
				e, err := Run(context.Background(), []byte(text), d, nil)
				if err != nil {
					t.Fatal(err)
				}
				if e.Manifest.Digest != want {
					t.Errorf("stopped after %d steps: another model", stop)
				}
			}
		})
	}
}

// TestConditionalNeedsLabels: pictures without classes cannot make a conditional model.
func TestConditionalNeedsLabels(t *testing.T) {
	text := strings.Replace(head, "select: 20", "select: 20, unlabelled: true", 1) +
		"architecture: vae\nmodel: {hidden: [8], conditional: true}\n" + training
	_, err := Run(context.Background(), []byte(text), deps(t), nil)
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "no classes") {
		t.Errorf("error %v", err)
	}
}
