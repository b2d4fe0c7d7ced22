package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"

	"github.com/manifold-gen/manifold/services/tabular/internal/copula"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// copulaModel is the model section of a Gaussian copula; there is nothing to choose.
type copulaModel struct{}

func (*copulaModel) setDefaults(r *Recipe) { r.Data.holdOut(0.1) }

func (*copulaModel) check(*Recipe) []fault.Violation { return nil }

func (*copulaModel) fit(ctx context.Context, t *training) (*fitted, error) {
	all, err := t.all(ctx)
	if err != nil {
		return nil, err
	}
	c, err := copula.Fit(all)
	if err != nil {
		return nil, err
	}
	out := newTensors()
	for i, m := range c.Marginals {
		name := fmt.Sprintf("field.%d.", i)
		out.floats(name+"missing", []float64{m.Missing})
		out.floats(name+"quantiles", m.Quantiles)
		out.floats(name+"shares", m.Shares)
	}
	n := len(c.Marginals)
	out.floats("root", c.Root, n, n)
	return &fitted{model: c, config: struct{}{}, store: out, about: []string{fmt.Sprintf(
		"A Gaussian copula: %d fields with their own distributions, tied together by correlations of normal scores.",
		n)}}, nil
}

func openCopula(m *modelstore.Manifest, s *stored) (model.Model, error) {
	if err := configOf(m, &struct{}{}); err != nil {
		return nil, err
	}
	n := len(s.schema.Fields)
	if n > copula.MaxFields {
		return nil, fmt.Errorf("%d fields, want at most %d", n, copula.MaxFields)
	}
	root, err := s.floats("root", false, n, n)
	if err != nil {
		return nil, err
	}
	marginals := make([]copula.Marginal, n)
	for i := range marginals {
		name, to := fmt.Sprintf("field.%d.", i), &marginals[i]
		missing, err := s.floats(name+"missing", false, 1)
		if err != nil {
			return nil, err
		}
		quantiles, err := s.floats(name+"quantiles", false)
		if err != nil {
			return nil, err
		}
		shares, err := s.floats(name+"shares", false)
		if err != nil {
			return nil, err
		}
		to.Missing = missing[0]
		if s.schema.Fields[i].Kind == table.Numeric {
			to.Quantiles = quantiles
		} else {
			to.Shares = shares
		}
	}
	return copula.New(s.schema, marginals, root)
}
