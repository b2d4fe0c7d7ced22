package vae

import (
	"context"
	"math"

	"github.com/manifold-gen/manifold/services/vae/internal/evaluate"
)

type (
	// EvalMoleculesConfig is what EvalMolecules measures.
	EvalMoleculesConfig = evaluate.Molecules
	// EvalMoleculesReport is what it tells.
	EvalMoleculesReport = evaluate.MoleculesReport
	// EvalMoleculesRow is a part of that: strings of one origin.
	EvalMoleculesRow = evaluate.MoleculeRow
)

// EvalMolecules draws from a model of molecules and counts the valid, the unique and the novel ones, beside those of a
// Markov chain of the same data, of unseen molecules and of the training set.
func EvalMolecules(ctx context.Context, c EvalMoleculesConfig) (*EvalMoleculesReport, error) {
	return c.Run(ctx)
}

type (
	// EvalNeighboursConfig is what EvalNeighbours measures.
	EvalNeighboursConfig = evaluate.Neighbours
	// EvalNeighboursReport is what it tells.
	EvalNeighboursReport = evaluate.NeighboursReport
	// EvalNeighboursRow is a part of that: one representation.
	EvalNeighboursRow = evaluate.NeighboursRow
)

// EvalNeighbours classifies pictures by their nearest neighbours among raw pixels, principal components and the codes
// of models: accuracy, time of a query, memory.
func EvalNeighbours(ctx context.Context, c EvalNeighboursConfig) (*EvalNeighboursReport, error) {
	return c.Run(ctx)
}

func (e Eval) neighbours(ctx context.Context) ([]Figure, error) {
	r, err := EvalNeighbours(ctx, EvalNeighboursConfig{Store: e.Store, Models: []string{e.Model}, Data: e.Data,
		Name: e.Name, Size: e.Size, Progress: e.Progress})
	if err != nil {
		return nil, err
	}
	return neighbourFigures(r), nil
}

// neighbourFigures holds the codes of the only model, and as many principal components, against pixels.
func neighbourFigures(r *EvalNeighboursReport) []Figure {
	pixels, pca, codes := r.Rows[0], r.Rows[1], r.Rows[2]
	head := Figure{Model: codes.Model, Digest: codes.Digest, Data: r.Data, Against: "the same on pixels",
		Settings: number(float64(r.Train)) + " pictures searched, " + number(float64(r.Report)) + " queries"}
	var all []Figure
	for _, row := range []EvalNeighboursRow{codes, pca} {
		name := "codes"
		if row.Model == "" {
			name = row.Name
		}
		add := func(what, unit string, value, err, baseline float64) {
			f := head
			f.What, f.Unit, f.Value, f.Error, f.Baseline = what+" "+name, unit, value, err, &baseline
			all = append(all, f)
		}
		add("error of nearest neighbours among", "%", 100*(1-row.Report.Share), deviation(row.Report),
			100*(1-pixels.Report.Share))
		add("time of a query among", "microseconds", row.Search, 0, pixels.Search)
		add("time of a query, with making its numbers, among", "microseconds", row.Search+row.Encode, 0,
			pixels.Search+pixels.Encode)
		add("memory of", "MB", float64(row.Bytes)/1e6, 0, float64(pixels.Bytes)/1e6)
	}
	return all
}

func (e Eval) molecules(ctx context.Context) ([]Figure, error) {
	r, err := EvalMolecules(ctx, EvalMoleculesConfig{Store: e.Store, Model: e.Model, Data: e.Data, N: e.Strings,
		Seed: e.Seed, Progress: e.Progress})
	if err != nil {
		return nil, err
	}
	return moleculeFigures(r), nil
}

// moleculeFigures holds what a model wrote against a Markov chain of the same molecules, and says what the same counts
// are of molecules that neither has seen.
func moleculeFigures(r *EvalMoleculesReport) []Figure {
	model, markov, unseen := r.Rows[0], r.Rows[1], r.Rows[2]
	head := Figure{Model: r.Model, Digest: r.Digest, Data: r.Data, Unit: "%"}
	var all []Figure
	for _, row := range []EvalMoleculesRow{model, unseen} {
		of, settings := "strings", number(float64(row.Valid.N))+" strings"
		if row.Name == unseen.Name {
			of, settings = "unseen molecules", number(float64(row.Valid.N))+" molecules for selection"
		}
		for _, f := range []struct {
			what     string
			share    evaluate.Share
			baseline evaluate.Share
		}{
			{"valid ones of " + of, row.Valid, markov.Valid},
			{"different ones of the valid " + of, row.Unique, markov.Unique},
			{"new ones of the different " + of, row.Novel, markov.Novel},
			{"new molecules, each once, of all " + of, row.New, markov.New},
		} {
			fig := head
			fig.What, fig.Settings = f.what, settings
			fig.Value, fig.Error = 100*f.share.Share, deviation(f.share)
			if row.Name == model.Name {
				baseline := 100 * f.baseline.Share
				fig.Baseline, fig.Against = &baseline, "a "+markov.Name
			}
			all = append(all, fig)
		}
	}
	whole, active, speed := head, head, head
	whole.What, whole.Settings = "reconstructed letter by letter", number(float64(r.Whole.N))+" molecules for selection"
	whole.Value, whole.Error = 100*r.Whole.Share, deviation(r.Whole)
	active.What, active.Settings, active.Unit = "numbers of the code in use", whole.Settings, "of "+
		number(float64(len(r.KL)))
	active.Value = float64(r.ActiveUnits)
	speed.What, speed.Settings, speed.Unit, speed.Value = "speed", number(float64(model.Valid.N))+" strings",
		"strings/s", model.PerSecond
	return append(all, whole, active, speed)
}

// deviation is the standard error of a share, in percentage points.
func deviation(s evaluate.Share) float64 {
	return 100 * math.Sqrt(s.Share*(1-s.Share)/float64(max(1, s.N)))
}
