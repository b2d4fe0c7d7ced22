package recipe

import (
	"context"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/report"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// Rows are all rows of a recipe's data, with what it says of their columns.
func Rows(ctx context.Context, text []byte, l *dataset.Locator) (*table.Table, error) {
	r, err := Parse(text)
	if err != nil {
		return nil, err
	}
	r.Data.Select = nil
	t, err := r.Data.Open(ctx, l, r.Seed, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = t.Close() }() // opened for reading
	s, err := t.Train()
	if err != nil {
		return nil, err
	}
	return table.ReadAll(until(ctx, s), mostRows)
}

// Synthesise fits a recipe with a seed, draws as many rows as it was fitted to, and holds them against those that were
// held out.
func Synthesise(
	ctx context.Context, text []byte, l *dataset.Locator, seed uint64, target string,
) (*report.Report, error) {
	const op = "recipe.Synthesise"
	r, err := Parse(text)
	if err != nil {
		return nil, err
	}
	r.Seed = seed
	data, err := r.Data.Open(ctx, l, seed, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = data.Close() }() // opened for reading
	t := &training{recipe: r, data: data, schema: data.Schema, tell: func(map[string]float64) {}}
	f, err := r.fit(ctx, t)
	if err != nil {
		return nil, err
	}
	m, ok := f.model.(model.Sampler)
	if !ok {
		return nil, fault.E(fault.Precondition, "NOT_SUPPORTED", op, "a %s cannot make rows", r.Architecture)
	}
	in := report.Input{}
	if in.Target, err = t.target(target); err != nil {
		return nil, err
	}
	if in.Train, err = t.all(ctx); err != nil {
		return nil, err
	}
	if in.Unseen, err = data.Selection(); err != nil {
		return nil, err
	}
	in.Synthetic = table.New(data.Schema, in.Train.Rows)
	if err := m.Sample(in.Synthetic, rng.New(seed), 0, nil); err != nil {
		return nil, err
	}
	return report.Make(ctx, in)
}
