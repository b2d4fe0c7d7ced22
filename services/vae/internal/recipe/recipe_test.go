package recipe

import (
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

const head = "name: a\nfamily: vae\nseed: 3\ndata: {name: glyphs, size: 8, train: 60, select: 20}\n"

// TestDefaultsSurvive: a recipe that is written with its defaults reads as the same recipe.
func TestDefaultsSurvive(t *testing.T) {
	for arch := range architectures {
		head := head
		if arch == Smiles {
			head = strings.Replace(head, "size: 8, ", "", 1) // molecules have none
		}
		r, err := Parse([]byte(head + "architecture: " + arch + "\ntrain: {steps: 5}\n"))
		if err != nil {
			t.Fatal(err)
		}
		one, err := r.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(one)
		if err != nil {
			t.Fatalf("%v\n%s", err, one)
		}
		two, err := again.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if string(one) != string(two) {
			t.Errorf("%s:\n%s\nreads as\n%s", arch, one, two)
		}
		if r.Steps() != 5 {
			t.Errorf("%s: %d steps", arch, r.Steps())
		}
	}
}

// TestRefusals looks for the field in what is said about a recipe that is wrong.
func TestRefusals(t *testing.T) {
	const vae, ae, vq = "architecture: vae\n", "architecture: autoencoder\n", "architecture: vq\n"
	const rbm = "architecture: rbm\n"
	for _, c := range []struct{ text, want string }{
		{"architecture: gan\n", "autoencoder, "},
		{"", "architecture"},
		{"family: diffusion\n", "diffusion"},
		{vae + "model: {latent: 0}\n", "model.latent: 0, want 1 to"},
		{vae + "model: {latent: -2}\n", "model.latent"},
		{vae + "model: {samples: 0}\n", "model.samples: 0, want 1 to"},
		{vae + "model: {beta: -1}\n", "model.beta: -1, want 0 to"},
		{vae + "model: {beta: .nan}\n", "model.beta"},
		{vae + "model: {samples: 5, beta: 2}\n", "model.samples"},
		{vae + "model: {warmup: -1}\n", "model.warmup"},
		{vae + "model: {free_bits: -1}\n", "model.free_bits"},
		{vae + "model: {binarise: dynamic, likelihood: gaussian}\n", "model.binarise"},
		{vae + "model: {binarise: often}\n", "gray, static or dynamic"},
		{vae + "model: {network: conv, hidden: [4, 4, 4, 4]}\n", "4 halvings of pictures of 8x8"},
		{vae + "model: {likelihood: poisson}\n", "likelihood"},
		{vae + "model: {lattent: 3}\n", "latent"},
		{vae + "model: {second: {train: {steps: 0}}}\n", "model.second.train"},
		{ae + "model: {code: 0}\n", "model.code: 0, want 1 to"},
		{ae + "model: {corruption: masking, amount: 2}\n", "masking of 2"},
		{ae + "model: {sparsity: kl, target: 0.1, weight: 1}\n", "code activation sigmoid"},
		{rbm + "model: {hidden: 0}\n", "model.hidden: 0, want more"},
		{rbm + "model: {learning: {sweeps: 0}}\n", "model.learning.sweeps: 0, want more"},
		{rbm + "model: {learning: {method: pcd, chains: 0}}\n", "model.learning.chains: 0, want more"},
		{rbm + "model: {learning: {sweps: 3}}\n", "sweps"},
		{rbm + "model: {ais: {temperatures: 0}}\n", "model.ais.temperatures: 0, want more"},
		{"architecture: boltzmann\nmodel: {sweeps: 0}\n", "model.sweeps: 0, want more"},
		{"architecture: boltzmann\nmodel: {chains: 0}\n", "model.chains: 0, want more"},
		{"architecture: dbn\nmodel: {hidden: [5, 0]}\n", "model.hidden[1]: 0, want 1 to"},
		{"architecture: dbn\nmodel: {top: {sweeps: 0}}\n", "model.top.sweeps: 0, want more"},
		{"architecture: dbn\nmodel: {up_down: {sweeps: 0, train: {steps: 3}}}\n", "model.up_down.sweeps: 0, want more"},
		{vae + "preview: {count: 0}\n", "preview.count: 0, want more"},
		{vq + "model: {codebook: 0}\n", "model.codebook: 0, want 1 to"},
		{vq + "model: {size: 0}\n", "model.size: 0, want 1 to"},
		{vq + "model: {decay: 1}\n", "decay of 1"},
		{vq + "model: {commitment: -1}\n", "commitment"},
		{vq + "model: {prior: {channels: 0, train: {steps: 1}}}\n", "prior"},
		{vae + "preview: {count: -1}\n", "preview.count"},
		{vae + "train: {steps: 3, batch: -1}\n", "train"},
	} {
		text := head + c.text
		if strings.Contains(c.text, "family") {
			text = strings.Replace(text, "family: vae\n", "", 1)
		}
		if !strings.Contains(c.text, "\ntrain") {
			text += "train: {steps: 5}\n"
		}
		_, err := Parse([]byte(text))
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.text, err, c.want)
		}
	}
}

func TestScoreKind(t *testing.T) {
	for _, c := range []struct {
		arch, config string
		want         model.ScoreKind
	}{
		{"vae", "{}", model.LowerBound}, {"autoencoder", "{}", model.NoScore}, {"vq", "{}", model.NoScore},
		{"vq", `{"prior": {"channels": 8, "blocks": 1}}`, model.LowerBound}, {"nothing", "{}", model.NoScore},
	} {
		if got := ScoreKind(&modelstore.Manifest{Architecture: c.arch, Config: []byte(c.config)}); got != c.want {
			t.Errorf("%s %s: %v", c.arch, c.config, got)
		}
	}
}
