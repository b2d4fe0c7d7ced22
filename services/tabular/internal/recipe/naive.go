package recipe

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/naivebayes"
	"github.com/manifold-gen/manifold/services/tabular/internal/profile"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// naiveModel is the model section of naive Bayes.
type naiveModel struct {
	Target string `yaml:"target"`
	// Kinds are distributions by field: categorical, gaussian, bernoulli, multinomial, complement or ignored; others are
	// categorical where they have levels and Gaussian where they are numbers.
	Kinds map[string]string `yaml:"kinds,omitempty"`
	// Smoothing is how many rows each level is worth before any was seen, over the whole declared domain; 1.
	Smoothing *float64 `yaml:"smoothing,omitempty"`
	// VarianceSmoothing is the part of the largest variance that is added to all; 1e-9.
	VarianceSmoothing float64 `yaml:"variance_smoothing,omitempty"`
	UniformPrior      bool    `yaml:"uniform_prior,omitempty"` // classes are equally likely beforehand
	Threshold         float64 `yaml:"threshold,omitempty"`     // of Bernoulli fields
	Norm              bool    `yaml:"norm,omitempty"`          // weights of the complement are normalised
}

// naiveConfig is the same in a manifest.
type naiveConfig struct {
	Target            int      `json:"target"`
	Kinds             []string `json:"kinds"`
	Smoothing         float64  `json:"smoothing"`
	VarianceSmoothing float64  `json:"variance_smoothing"`
	UniformPrior      bool     `json:"uniform_prior,omitempty"`
	Threshold         float64  `json:"threshold,omitempty"`
	Norm              bool     `json:"norm,omitempty"`
}

func (n *naiveModel) setDefaults(r *Recipe) {
	if n.Smoothing == nil {
		one := 1.0
		n.Smoothing = &one
	}
	if n.VarianceSmoothing == 0 {
		n.VarianceSmoothing = 1e-9
	}
	r.Data.holdOut(0.1)
}

func (n *naiveModel) check(*Recipe) (wrong []fault.Violation) {
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Violation{Field: "model." + field, Description: fmt.Sprintf(format, args...)})
	}
	if n.Target == "" {
		bad("target", "missing: which field is predicted?")
	}
	if s := *n.Smoothing; !(s >= 0 && s <= 1e6) {
		bad("smoothing", "%g, want 0 to 1e6", s)
	}
	if s := n.VarianceSmoothing; !(s >= 0 && s <= 1) {
		bad("variance_smoothing", "%g, want 0 to 1", s)
	}
	for _, field := range slices.Sorted(maps.Keys(n.Kinds)) {
		if _, ok := naivebayes.ParseKind(n.Kinds[field]); !ok {
			bad("kinds."+field, "%.40q, want categorical, gaussian, bernoulli, multinomial, complement or ignored",
				n.Kinds[field])
		}
	}
	return wrong
}

// config looks up the fields of a recipe.
func (n *naiveModel) config(t *training) (naivebayes.Config, error) {
	c := naivebayes.Config{Alpha: *n.Smoothing, VarSmoothing: n.VarianceSmoothing, UniformPrior: n.UniformPrior,
		Threshold: n.Threshold, Norm: n.Norm, Kinds: make([]naivebayes.Kind, len(t.schema.Fields))}
	var err error
	if c.Target, err = t.target(n.Target); err != nil {
		return c, err
	}
	for _, field := range slices.Sorted(maps.Keys(n.Kinds)) {
		i, err := t.field("model.kinds", field)
		if err != nil {
			return c, err
		}
		c.Kinds[i], _ = naivebayes.ParseKind(n.Kinds[field])
	}
	return c, nil
}

func (n *naiveModel) fit(ctx context.Context, t *training) (*fitted, error) {
	rows, err := t.data.Train()
	if err != nil {
		return nil, err
	}
	rows = until(ctx, rows)
	var m *naivebayes.Model
	if t.before != nil {
		old, ok := unwrapNaive(t.before.model)
		if !ok {
			return nil, wrongPrevious(t.before)
		}
		m, err = old.More(rows)
	} else {
		var c naivebayes.Config
		if c, err = n.config(t); err == nil {
			m, err = naivebayes.Fit(rows, c)
		}
	}
	if err != nil {
		return nil, err
	}
	c := &m.Config
	stored := naiveConfig{Target: c.Target, Smoothing: c.Alpha, VarianceSmoothing: c.VarSmoothing,
		UniformPrior: c.UniformPrior, Threshold: c.Threshold, Norm: c.Norm}
	for _, k := range c.Kinds {
		stored.Kinds = append(stored.Kinds, k.String())
	}
	return &fitted{model: wrapNaive(m), config: stored, store: storeNaive(m.Statistics), about: []string{fmt.Sprintf(
		"Naive Bayes: %s, and the %d other fields as if they were independent given it.",
		t.schema.Fields[c.Target].Name, len(t.schema.Fields)-1)}}, nil
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

// storeNaive writes the statistics.
func storeNaive(s *naivebayes.Statistics) *tensors {
	out := newTensors()
	out.ints("rows", []int64{s.Rows})
	out.ints("classes", s.Classes)
	for i := range s.Fields {
		f, name := &s.Fields[i], fmt.Sprintf("field.%d.", i)
		out.ints(name+"counts", f.Counts)
		out.ints(name+"n", f.N)
		out.floats(name+"mean", f.Mean)
		out.floats(name+"m2", f.M2)
		out.floats(name+"sum", f.Sum)
	}
	return out
}

func openNaive(m *modelstore.Manifest, s *stored) (model.Model, error) {
	var c naiveConfig
	if err := configOf(m, &c); err != nil {
		return nil, err
	}
	own := naivebayes.Config{Target: c.Target, Alpha: c.Smoothing, VarSmoothing: c.VarianceSmoothing,
		UniformPrior: c.UniformPrior, Threshold: c.Threshold, Norm: c.Norm}
	for _, name := range c.Kinds {
		k, ok := naivebayes.ParseKind(name)
		if !ok {
			return nil, fmt.Errorf("there is no kind %.40q", name)
		}
		own.Kinds = append(own.Kinds, k)
	}
	st := &naivebayes.Statistics{Fields: make([]naivebayes.Sufficient, len(s.schema.Fields))}
	rows, err := s.ints("rows", 0, 1)
	if err != nil {
		return nil, err
	}
	st.Rows = rows[0]
	if st.Classes, err = s.ints("classes", 0); err != nil {
		return nil, err
	}
	for i := range st.Fields {
		if err := s.sufficient(i, &st.Fields[i]); err != nil {
			return nil, err
		}
	}
	n, err := naivebayes.New(s.schema, own, st)
	if err != nil {
		return nil, err
	}
	return wrapNaive(n), nil
}

// sufficient reads the statistics of a field.
func (s *stored) sufficient(i int, f *naivebayes.Sufficient) error {
	name := fmt.Sprintf("field.%d.", i)
	for _, part := range []struct {
		name string
		to   *[]int64
	}{{"counts", &f.Counts}, {"n", &f.N}} {
		x, err := s.ints(name+part.name, 0)
		if err != nil {
			return err
		}
		if len(x) > 0 {
			*part.to = x
		}
	}
	for _, part := range []struct {
		name string
		to   *[]float64
	}{{"mean", &f.Mean}, {"m2", &f.M2}, {"sum", &f.Sum}} {
		x, err := s.floats(name+part.name, false)
		if err != nil {
			return err
		}
		if len(x) > 0 {
			*part.to = x
		}
	}
	return nil
}

// wrapNaive is a model as the family serves it: one with a complement has no distribution and only predicts.
func wrapNaive(m *naivebayes.Model) model.Model {
	if slices.Contains(m.Config.Kinds, naivebayes.Complement) {
		return complement{m}
	}
	return naive{m}
}

func unwrapNaive(m model.Model) (*naivebayes.Model, bool) {
	switch m := m.(type) {
	case naive:
		return m.Model, true
	case complement:
		return m.m, true
	}
	return nil, false
}

// naive is naive Bayes with its edges, which say nothing of causes: it does not intervene.
type naive struct{ *naivebayes.Model }

// Edges implements model.Structured.
func (n naive) Edges() (edges []model.Edge, score string) {
	for i := range n.Schema().Fields {
		if i == n.Config.Target || n.Config.Kinds[i] == naivebayes.Ignored {
			continue
		}
		e := model.Edge{From: n.Config.Target, To: i, Directed: true}
		if counts := n.Statistics.Fields[i].Counts; len(counts) > 0 {
			e.Score = profile.MutualInformation(counts, len(counts)/len(n.Statistics.Classes))
		}
		edges = append(edges, e)
	}
	slices.SortFunc(edges, func(a, b model.Edge) int { return a.To - b.To })
	return edges, "mutual information in nats, of categories"
}

// complement predicts and says why.
type complement struct{ m *naivebayes.Model }

// Schema implements model.Model.
func (c complement) Schema() *table.Schema { return c.m.Schema() }

// Target implements model.Explainer.
func (c complement) Target() int { return c.m.Target() }

// Predict implements model.Explainer.
func (c complement) Predict(dst []float64, t *table.Table) error { return c.m.Predict(dst, t) }

// Explain implements model.Explainer.
func (c complement) Explain(t *table.Table, row int, level int32) ([]model.Contribution, error) {
	return c.m.Explain(t, row, level)
}
