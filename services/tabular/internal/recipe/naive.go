package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"

	"github.com/manifold-gen/manifold/services/tabular/internal/classify"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// naiveModel is the model section of naive Bayes: categories by tables, numbers by a normal distribution, both for each
// class.
type naiveModel struct {
	Target string `yaml:"target"`
	// Smoothing is how many rows each level is worth before any was seen, over the whole declared domain; 1.
	Smoothing *float64 `yaml:"smoothing,omitempty"`
}

func (n *naiveModel) setDefaults(r *Recipe) {
	if n.Smoothing == nil {
		one := 1.0
		n.Smoothing = &one
	}
	r.Data.holdOut(0.1)
}

func (n *naiveModel) check(*Recipe) (wrong []fault.Violation) {
	if n.Target == "" {
		wrong = append(wrong, fault.Violation{Field: "model.target", Description: "missing: which field is predicted?"})
	}
	if s := *n.Smoothing; !(s >= 0 && s <= 1e6) {
		wrong = append(wrong, fault.Violation{Field: "model.smoothing", Description: fmt.Sprintf("%g, want 0 to 1e6", s)})
	}
	return wrong
}

func (n *naiveModel) fit(ctx context.Context, t *training) (*fitted, error) {
	target, err := t.target(n.Target)
	if err != nil {
		return nil, err
	}
	parents := make([][]int, len(t.schema.Fields))
	for i := range parents {
		if i != target {
			parents[i] = []int{target}
		}
	}
	net, err := (&fitSection{Cell: *n.Smoothing}).run(ctx, t, parents)
	if err != nil {
		return nil, err
	}
	m, err := classify.New(net, target)
	if err != nil {
		return nil, err
	}
	f := fittedNetwork(naive{m}, net, n.Target)
	f.about = []string{fmt.Sprintf("Naive Bayes: %s, and the %d other fields as if they were independent given it.",
		n.Target, len(parents)-1)}
	return f, nil
}

// target finds the field that is predicted.
func (t *training) target(name string) (int, error) {
	i, err := t.field("model.target", name)
	if err != nil {
		return 0, err
	}
	if f := &t.schema.Fields[i]; f.Kind != table.Categorical || len(f.Levels) < 2 {
		return 0, fault.InvalidField("recipe.Run", "model.target",
			"%.80q is numeric, or has one level only; want a field of two levels or more", name)
	}
	return i, nil
}

func openNaive(m *modelstore.Manifest, s *stored) (model.Model, error) {
	net, c, err := readNetwork(m, s)
	if err != nil {
		return nil, err
	}
	n, err := classify.New(net, s.schema.Index(c.Target))
	if err != nil {
		return nil, err
	}
	return naive{n}, nil
}

// naive is naive Bayes as the family serves it. That it is drawn as a network says nothing of causes: it does not
// intervene.
type naive struct{ *classify.Naive }
