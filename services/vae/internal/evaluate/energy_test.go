package evaluate

import (
	"context"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/modelstore"
	shared "github.com/manifold-gen/manifold/shared/recipe"

	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
)

// published trains a recipe on small drawn digits.
func published(t *testing.T, text string) Source {
	t.Helper()
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	const head = "name: a\nfamily: vae\nseed: 3\ndata: {name: glyphs, size: 8, train: 2000, select: 100}\n"
	e, err := recipe.Run(context.Background(), []byte(head+text), shared.Deps{Store: store, Runs: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Source{Store: store, Model: e.Ref(), Name: "glyphs", Size: 8}
}

// TestEnergyReports measures tiny models: the figures are finite, fit each other, and beat their baselines.
func TestEnergyReports(t *testing.T) {
	if testing.Short() {
		t.Skip("draws 60,000 digits")
	}
	ctx := context.Background()
	machine := published(t, "architecture: rbm\nmodel: {hidden: 30, binarise: dynamic, ais: {off: true}}\n"+
		"train: {epochs: 20, batch: 20}\n")
	l, err := Likelihood{Source: machine, Temperatures: 300, Chains: 50}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !(l.Report > l.Baseline && l.Report < 0 && l.ThreeSigma > 0) || l.Exact || math.Abs(l.Report-l.Train) > 5 {
		t.Errorf("%+v", l)
	}
	lin, err := Linear{Source: machine, Fit: Fit{Epochs: 2, Batch: 200, Rate: 0.01}}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if lin.Code != 30 || !(lin.Codes.Report.Error < 0.6) || lin.Pixels.Report.Of != 5000 {
		t.Errorf("%+v", lin)
	}
	net := published(t, "architecture: dbn\nmodel: {hidden: [20, 30], ais: {off: true}}\ntrain: {epochs: 30, batch: 20, learning_rate: 0.1, momentum: 0.8}\n")
	f, err := FineTune{Source: net, Labels: 500, Random: true, Fit: Fit{Epochs: 30, Batch: 50, Rate: 0.003, EMA: 0.9}}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if f.Labels != 500 || f.Random == nil || !(f.Pretrained.Train.Error < 0.5 && f.Pretrained.Report.Error < 0.7) {
		t.Errorf("%+v %+v", f, f.Random)
	}
	if _, err := (Likelihood{Source: net}).Run(ctx); err == nil {
		t.Error("no error for the likelihood of a deep belief network")
	}
}
