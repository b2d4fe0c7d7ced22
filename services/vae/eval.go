package vae

import (
	"context"
	"math"
	"strconv"

	"github.com/manifold-gen/manifold/services/vae/internal/evaluate"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
)

// Figure is one measured figure of a model, on pictures that no training has seen, beside what it must be held
// against.
type Figure struct {
	Model    string `json:"model"`
	Digest   string `json:"digest"`
	Data     string `json:"data"`
	Settings string `json:"settings,omitempty"`
	What     string `json:"figure"`
	Unit     string `json:"unit"`
	// Value, with its standard error over pictures; of an estimate by annealed importance sampling three standard errors
	// of the log partition function are named among the settings.
	Value float64 `json:"value"`
	Error float64 `json:"standard_error,omitempty"`
	// Baseline is the same figure of something simple, which Against names.
	Baseline *float64 `json:"baseline,omitempty"`
	Against  string   `json:"against,omitempty"`
}

// Eval says what to measure.
type Eval struct {
	Store *modelstore.Store
	Data  *dataset.Locator // nil finds sets that are drawn
	Model string           // name or name@version
	Name  string           // of a registered set with the splits train, select and report
	Size  int              // height and width; 0 for the set's own
	// What is bounds (of models with codes), likelihood (of restricted Boltzmann machines), features (logistic regression
	// on codes), finetune (of deep belief networks), neighbours (classification by the nearest codes, components and
	// pixels) or molecules (what a model of SMILES writes; its own data, not Name).
	What     string
	Binary   bool // bounds of pictures made binary by the draws of Seed
	Samples  int  // of the importance weighted bound; 0 for none
	Labels   int  // training pictures of finetune; 0 for all
	Strings  int  // of molecules; 0 for 10,000
	Seed     uint64
	Progress func(what string, done, of int) // may be nil
}

// Evals are the values of Eval.What.
func Evals() []string {
	return []string{"bounds", "likelihood", "features", "finetune", "neighbours", "molecules"}
}

// Evaluate measures.
func Evaluate(ctx context.Context, e Eval) ([]Figure, error) {
	const op = "vae.Evaluate"
	if e.Progress == nil {
		e.Progress = func(string, int, int) {}
	}
	if e.Data == nil {
		e.Data = new(dataset.Locator)
	}
	measure, ok := map[string]func(context.Context) ([]Figure, error){
		"bounds": e.bounds, "likelihood": e.likelihood, "features": e.features, "finetune": e.finetune,
		"neighbours": e.neighbours, "molecules": e.molecules,
	}[e.What]
	if !ok {
		return nil, fault.InvalidField(op, "what", "%.40q, want one of %q", e.What, Evals())
	}
	figures, err := measure(ctx)
	return figures, fault.Wrap(op, err)
}

func (e Eval) source() evaluate.Source {
	return evaluate.Source{Store: e.Store, Model: e.Model, Data: e.Data, Name: e.Name, Size: e.Size}
}

func (e Eval) bounds(ctx context.Context) ([]Figure, error) {
	r, err := evaluate.Codes{Store: e.Store, Model: e.Model, Data: e.Data, Name: e.Name, Size: e.Size, Binary: e.Binary,
		Samples: e.Samples, Seed: e.Seed, PCA: !e.Binary, // components are those of gray pictures
		Progress: func(done, of int) { e.Progress("pictures", done, of) }}.Run(ctx)
	if err != nil {
		return nil, err
	}
	settings := "gray pictures as probabilities"
	if e.Binary {
		settings = "pictures made binary"
	}
	head := Figure{Model: r.Model, Digest: r.Digest, Data: r.Data, Settings: settings}
	figure := func(what, unit string, m *evaluate.Mean) Figure {
		f := head
		f.What, f.Unit, f.Value, f.Error = what, unit, m.Value, m.Error
		return f
	}
	all := []Figure{figure("squared error of reconstructions", "mean over pixels in [0, 1]", &r.SquaredError)}
	if r.PCASquaredError > 0 {
		all[0].Baseline, all[0].Against = &r.PCASquaredError, "as many principal components"
		if r.Indices > 0 {
			all[0].Against = number(float64(r.Indices)) + " principal components, not quantised"
		}
	}
	if r.Vectors > 0 {
		return append(all, codebookFigures(r, head)...), nil
	}
	for _, f := range []struct {
		what string
		m    *evaluate.Mean
	}{{"negative ELBO", r.NegativeELBO}, {"of that reconstruction", r.Reconstruction},
		{"of that divergence from the prior", r.KL}, {"negative importance weighted bound", r.NegativeIWAE}} {
		if f.m != nil {
			all = append(all, figure(f.what, "nats a picture", f.m))
		}
	}
	if r.NegativeIWAE != nil {
		all[len(all)-1].Settings += plural(r.Samples, "sample")
	}
	return all, nil
}

// codebookFigures are those of a quantised model beside the bound that the same codebook has without a prior, where
// every vector is as likely as any other.
func codebookFigures(r *evaluate.CodesReport, head Figure) []Figure {
	entropy, used := head, head
	entropy.What, entropy.Value = "vectors in use, e to the entropy", r.Perplexity
	used.What, used.Value = "vectors used at all", float64(r.Used)
	entropy.Unit = "of " + number(float64(r.Vectors))
	used.Unit = entropy.Unit
	all := []Figure{entropy, used}
	if r.TwoStage == nil {
		return all
	}
	flat := float64(r.Indices) * math.Log(float64(r.Vectors))
	for _, f := range []struct {
		what     string
		m        *evaluate.Mean
		baseline float64
	}{
		{"negative two-stage bound", r.TwoStage, r.Picture.Value + flat},
		{"of that reconstruction", r.Picture, 0},
		{"of that indices", r.Grid, flat},
	} {
		fig := head
		fig.What, fig.Unit, fig.Value, fig.Error = f.what, "nats a picture", f.m.Value, f.m.Error
		if f.baseline > 0 {
			fig.Baseline, fig.Against = &f.baseline, "every vector as likely as any other"
		}
		all = append(all, fig)
	}
	return all
}

func plural(n int, what string) string {
	if n == 1 {
		return ", 1 " + what
	}
	return ", " + number(float64(n)) + " " + what + "s"
}

func (e Eval) likelihood(ctx context.Context) ([]Figure, error) {
	r, err := evaluate.Likelihood{Source: e.source(), Seed: e.Seed,
		Progress: func(done, of int) { e.Progress("temperatures", done, of) }}.Run(ctx)
	if err != nil {
		return nil, err
	}
	head := Figure{Model: r.Model, Digest: r.Digest, Data: r.Data, Unit: "nats a picture",
		Settings: "pictures made binary" + plural(r.Temperatures, "temperature") + plural(r.Chains, "chain") +
			", three standard errors of log Z: " + number(r.ThreeSigma)}
	report, train := head, head
	report.What, report.Value, report.Error = "log-likelihood, estimated", r.Report, r.StandardError
	report.Baseline, report.Against = &r.Baseline, "independent pixels"
	train.What, train.Value = "the same of training pictures", r.Train
	return []Figure{report, train}, nil
}

func (e Eval) features(ctx context.Context) ([]Figure, error) {
	r, err := evaluate.Linear{Source: e.source(),
		Progress: func(what string, epoch, of int) { e.Progress("epochs on "+what, epoch, of) }}.Run(ctx)
	if err != nil {
		return nil, err
	}
	f := Figure{Model: r.Model, Digest: r.Digest, Data: r.Data, Unit: "%",
		Settings: number(float64(r.Code)) + " features", What: "error of logistic regression on codes",
		Value: 100 * r.Codes.Report.Error, Error: 100 * r.Codes.Report.StandardError}
	raw := 100 * r.Pixels.Report.Error
	f.Baseline, f.Against = &raw, "the same on pixels"
	return []Figure{f}, nil
}

func (e Eval) finetune(ctx context.Context) ([]Figure, error) {
	t := evaluate.FineTune{Source: e.source(), Labels: e.Labels, Random: true,
		Progress: func(what string, epoch, of int) { e.Progress("epochs from "+what+" weights", epoch, of) }}
	t.Fit.Seed = e.Seed
	r, err := t.Run(ctx)
	if err != nil {
		return nil, err
	}
	f := Figure{Model: r.Model, Digest: r.Digest, Data: r.Data, Unit: "%",
		Settings: number(float64(r.Labels)) + " labels", What: "error after fine-tuning",
		Value: 100 * r.Pretrained.Report.Error, Error: 100 * r.Pretrained.Report.StandardError}
	if r.Random != nil {
		random := 100 * r.Random.Report.Error
		f.Baseline, f.Against = &random, "the same from random weights"
	}
	return []Figure{f}, nil
}

// number is v with four digits after the point at most.
func number(v float64) string { return strconv.FormatFloat(math.Round(v*1e4)/1e4, 'f', -1, 64) }
