package recipe

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	shared "github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"
)

// smallPictures are 14x14 drawn digits.
func smallPictures(t *testing.T) *shared.Pictures {
	t.Helper()
	d := shared.Data{Name: "glyphs", Size: 14, Train: 600, Select: 100}
	p, err := d.Open(context.Background(), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rbmOf(t *testing.T, p *shared.Pictures, r RBM) *rbmTask {
	t.Helper()
	r = r.Defaults()
	if w := r.Check("rbm"); len(w) > 0 {
		t.Fatal(w)
	}
	task, err := r.task(p, 3)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// TestRBMTraining trains machines of every kind for some epochs: reconstructions improve, figures are finite, reports
// and previews are there.
func TestRBMTraining(t *testing.T) {
	p := smallPictures(t)
	for name, r := range map[string]RBM{
		"cd":       {Hidden: 40, Learning: Learning{Sparsity: 0.1}},
		"pcd":      {Hidden: 40, Binarise: sampled, Learning: Learning{Method: methodPCD, Chains: 20}, Labels: true},
		"tempered": {Hidden: 8, Binarise: threshold, Learning: Learning{Method: methodTempered, Chains: 10, Temperatures: 4}},
		"softmax":  {Hidden: 40, Units: "softmax", Levels: 3},
		"gaussian": {Hidden: 40, Units: "gaussian", LearnVariance: true},
	} {
		var first, last map[string]float64
		var report, preview int
		cfg := train.Config{Epochs: 8, Batch: 20, Micro: 20, Optimizer: "sgd", Momentum: 0.5, LearningRate: 0.05,
			EvalEvery: 30, PreviewEvery: 240, WeightDecay: 1e-4}
		if r.Units == "gaussian" {
			cfg.LearningRate = 0.002
		}
		_, err := train.Run(context.Background(), t.TempDir(), rbmOf(t, p, r), cfg, func(e train.Event) {
			switch e.Kind {
			case train.Evaluated:
				if first == nil {
					first = e.Metrics
				}
				last = e.Metrics
			case train.Reported:
				report += len(e.Series["weights"])
			case train.Previewed:
				preview += len(e.Previews)
			case train.Warning:
				t.Error(name, e.Err)
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
		if !(last["reconstruction"] < first["reconstruction"]) || report != 8*histogram || preview != 2 {
			t.Errorf("%s: from %v to %v, %d bins, %d previews", name, first, last, report, preview)
		}
		if _, ok := last["log_likelihood"]; ok != (r.Hidden == 8) {
			t.Errorf("%s: %v", name, last)
		}
	}
}

// TestRBMResume stops runs with persistent chains in the midst and goes on: the last checkpoints have the same bytes.
func TestRBMResume(t *testing.T) {
	p := smallPictures(t)
	r := RBM{Hidden: 16, Binarise: sampled,
		Learning: Learning{Method: methodTempered, Chains: 5, Temperatures: 3, Sweeps: 2}}
	cfg := train.Config{Steps: 40, Batch: 20, Optimizer: "sgd", Momentum: 0.9, LearningRate: 0.05, EMA: 0.9,
		CheckpointEvery: 7, EvalEvery: 20}
	run := func(stops ...int) []byte {
		dir := t.TempDir()
		for _, stop := range append(stops, 1000) {
			ctx, cancel := context.WithCancel(context.Background())
			res, err := train.Run(ctx, dir, rbmOf(t, p, r), cfg, func(e train.Event) {
				if e.Step >= stop {
					cancel()
				}
			})
			cancel()
			if err == nil {
				text, err := os.ReadFile(res.Checkpoint)
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		t.Fatal("the run did not end")
		return nil
	}
	want := run()
	if !bytes.Equal(run(10, 23), want) {
		t.Error("a run that was stopped twice ends differently")
	}
	files, err := filepath.Glob(filepath.Join(t.TempDir(), "*"))
	if err != nil || len(files) != 0 {
		t.Error(files, err)
	}
}

// TestRBMCheck lists what is wrong with a recipe.
func TestRBMCheck(t *testing.T) {
	bad := RBM{Hidden: -1, Units: "spin", Binarise: "maybe", Variance: math.NaN(),
		Learning: Learning{Method: "guess", Sweeps: -2, Sparsity: 2}}.Defaults()
	want := []string{"m.hidden", "m.units", "m.binarise", "m.variance", "m.variance", "m.method", "m.sweeps", "m.sparsity"}
	var got []string
	for _, v := range bad.Check("m") {
		got = append(got, v.Field)
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	p := smallPictures(t)
	p.Classes = nil
	if _, err := (RBM{Labels: true}).Defaults().task(p, 1); fault.KindOf(err) != fault.Invalid {
		t.Errorf("labels without classes: %v", err)
	}
}
