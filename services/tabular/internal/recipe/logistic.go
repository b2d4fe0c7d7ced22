package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"

	"github.com/manifold-gen/manifold/services/tabular/internal/logistic"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
)

// logisticModel is the model section of logistic regression, naive Bayes' discriminative twin: it predicts and says
// why, and knows no joint distribution.
type logisticModel struct {
	Target string   `yaml:"target"`
	C      float64  `yaml:"c,omitempty"`    // the inverse strength of the penalty on standardised numbers; 1
	Skip   []string `yaml:"skip,omitempty"` // fields that are left out
}

// logisticName is the tensor that holds all but the weights.
const logisticName = "logistic.json"

func (l *logisticModel) setDefaults(r *Recipe) {
	if l.C == 0 {
		l.C = 1
	}
	r.Data.holdOut(0.1)
}

func (l *logisticModel) check(*Recipe) (wrong []fault.Violation) {
	if l.Target == "" {
		wrong = append(wrong, fault.Violation{Field: "model.target", Description: "missing: which field is predicted?"})
	}
	if !(l.C > 0 && l.C <= 1e9) {
		wrong = append(wrong, fault.Violation{Field: "model.c",
			Description: fmt.Sprintf("%g, want above 0, up to 1e9", l.C)})
	}
	return wrong
}

func (l *logisticModel) fit(ctx context.Context, t *training) (*fitted, error) {
	target, err := t.target(l.Target)
	if err != nil {
		return nil, err
	}
	c := logistic.Default(target)
	c.C, c.Tolerance = l.C, 1e-8 // of the mean gradient; below it the last digits go up and down
	for _, name := range l.Skip {
		i, err := t.field("model.skip", name)
		if err != nil {
			return nil, err
		}
		c.Skip = append(c.Skip, i)
	}
	all, err := t.all(ctx)
	if err != nil {
		return nil, err
	}
	m, err := logistic.Fit(all, c)
	if err != nil {
		return nil, err
	}
	out := newTensors()
	out.floats("weights", m.Weights)
	rest := *m
	rest.Weights = nil
	if err := out.json(logisticName, &rest); err != nil {
		return nil, err
	}
	return &fitted{model: m, config: struct{}{}, store: out, about: []string{fmt.Sprintf(
		"Logistic regression of %s on the other fields, numbers standardised; %d steps.", l.Target, m.Taken)}}, nil
}

func openLogistic(m *modelstore.Manifest, s *stored) (model.Model, error) {
	if err := configOf(m, &struct{}{}); err != nil {
		return nil, err
	}
	var l logistic.Model
	if err := s.json(logisticName, &l); err != nil {
		return nil, err
	}
	var err error
	if l.Weights, err = s.floats("weights", false); err != nil {
		return nil, err
	}
	return logistic.New(s.schema, l)
}
