package recipe

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/train"
)

// TestMachinesLearn trains machines of every kind for some epochs: reconstructions improve and figures are finite.
func TestMachinesLearn(t *testing.T) {
	const data = "name: a\nfamily: vae\nseed: 3\ndata: {name: glyphs, size: 14, train: 600, select: 100}\narchitecture: rbm\n"
	for name, text := range map[string]string{
		"cd":       "model: {hidden: 40, learning: {sparsity: 0.1}}\n",
		"pcd":      "model: {hidden: 40, binarise: dynamic, learning: {method: pcd, chains: 20}, labels: true}\n",
		"tempered": "model: {hidden: 8, binarise: static, learning: {method: tempered, chains: 10, temperatures: 4}}\n",
		"softmax":  "model: {hidden: 40, units: softmax, levels: 3}\n",
		"gaussian": "model: {hidden: 40, units: gaussian, learn_variance: true}\n",
	} {
		rate := "0.05"
		if name == "gaussian" {
			rate = "0.002"
		}
		r, err := Parse([]byte(data + text + "train: {epochs: 8, batch: 20, weight_decay: 1e-4, eval_every: 30, learning_rate: " +
			rate + "}\n"))
		if err != nil {
			t.Fatal(name, err)
		}
		p, err := r.Data.Open(context.Background(), nil, r.Seed)
		if err != nil {
			t.Fatal(err)
		}
		task, err := r.Model.(*rbmModel).task(r, p)
		if err != nil {
			t.Fatal(err)
		}
		var first, last map[string]float64
		_, err = train.Run(context.Background(), t.TempDir(), task, r.Train, func(e train.Event) {
			if e.Kind == train.Evaluated {
				if first == nil {
					first = e.Metrics
				}
				last = e.Metrics
			}
		})
		if err != nil {
			t.Fatal(name, err)
		}
		for k, v := range last {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%s: %s is %v", name, k, v)
			}
		}
		if !(last["reconstruction"] < first["reconstruction"]) {
			t.Errorf("%s: from %v to %v", name, first, last)
		}
		if _, ok := last["log_likelihood"]; ok != (name == "tempered") {
			t.Errorf("%s: %v", name, last)
		}
	}
}

// TestMachineRecipesRefused lists what is wrong with recipes.
func TestMachineRecipesRefused(t *testing.T) {
	for text, want := range map[string]int{
		"architecture: rbm\nmodel: {hidden: -1, units: spin, binarise: maybe, variance: .nan, " +
			"learning: {method: guess, sweeps: -2, sparsity: 2}}\n": 8,
		"architecture: rbm\nmodel: {units: gaussian, binarise: static, levels: 3, learning: {temperatures: 3}}\n": 3,
		"architecture: dbn\nmodel: {hidden: [5], inputs: hope, ais: {chains: 1}}\n":                               3,
		"architecture: dbn\nmodel: {hidden: [5, 100000], up_down: {train: {}}}\n":                                 2,
		"architecture: boltzmann\nmodel: {hidden: 1000, sweeps: -1}\n":                                            2,
	} {
		r, err := Parse([]byte(head + text + training))
		if err == nil {
			t.Errorf("%s: no error, %+v", text, r.Model)
			continue
		}
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Fatal(err)
		}
		if got := len(f.Fields); got != want {
			t.Errorf("%s: %d violations, want %d: %v", text, got, want, err)
		}
	}
}
