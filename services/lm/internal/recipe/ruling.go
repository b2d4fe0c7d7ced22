package recipe

import (
	"context"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/services/lm/internal/rules"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// rulesModel is the model part of a recipe for rules: one of the files that come with Manifold, or a text.
type rulesModel struct {
	Sample string `yaml:"sample,omitempty" json:"sample,omitempty"`
	Text   string `yaml:"text,omitempty" json:"-"` // a file of rules
}

func (*rulesModel) needsData() bool { return false }

func (m *rulesModel) source() ([]byte, error) {
	if (m.Sample == "") == (m.Text == "") {
		return nil, fault.InvalidField("recipe.rules", "sample", "want one of sample and text")
	}
	if m.Text != "" {
		return []byte(m.Text), nil
	}
	known, texts := rules.Samples()
	i := slices.Index(known, m.Sample)
	if i < 0 {
		return nil, fault.InvalidField("recipe.rules", "sample", "%.80q, there are %s", m.Sample,
			strings.Join(known, ", "))
	}
	return texts[i], nil
}

func (m *rulesModel) check(*Recipe) []fault.Violation {
	text, err := m.source()
	if err == nil {
		_, err = rules.Parse(text)
	}
	return violations("model", err)
}

func (m *rulesModel) fit(
	context.Context, *Recipe, *corpus, func(int, map[string]float64),
) (*fitted, error) {
	text, err := m.source()
	if err != nil {
		return nil, err
	}
	r, err := rules.Parse(text)
	if err != nil {
		return nil, err
	}
	return &fitted{model: r, config: m, tensors: blob(text), parameters: int64(len(text)),
		about: []string{r.About(), "Rules that people wrote."}}, nil
}

func openRules(_ *modelstore.Manifest, f *weights.File) (any, error) {
	b, err := contents(f, modelTensor)
	if err != nil {
		return nil, err
	}
	r, err := rules.Parse(b)
	if err != nil {
		return nil, damaged("%w", err)
	}
	return r, nil
}
