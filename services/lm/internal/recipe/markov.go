package recipe

import (
	"context"

	"github.com/manifold-gen/manifold/services/lm/internal/evaluate"
	"github.com/manifold-gen/manifold/services/lm/internal/markov"
	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// markovModel is the model part of a recipe for a chain of order k over tokens, without smoothing.
type markovModel struct {
	Unit   string `yaml:"unit" json:"unit"`     // characters, bytes, words or given; characters
	Order  int    `yaml:"order" json:"order"`   // tokens that the next one depends on, 1 to 16; 2
	Unseen string `yaml:"unseen" json:"unseen"` // shorten or refuse: what follows a context that was not seen; shorten
}

func (*markovModel) needsData() bool { return true }

func (m *markovModel) check(*Recipe) []fault.Violation {
	or(&m.Unit, text.Characters.String())
	or(&m.Order, 2)
	or(&m.Unseen, "shorten")
	var wrong []fault.Violation
	if _, err := text.ParseKind(m.Unit); err != nil {
		wrong = append(wrong, violations("model.unit", err)...)
	}
	if m.Order < 1 || m.Order > markov.MaxOrder {
		wrong = append(wrong, fault.Violation{Field: "model.order", Description: "want 1 to 16"})
	}
	if m.Unseen != "shorten" && m.Unseen != "refuse" {
		wrong = append(wrong, fault.Violation{Field: "model.unseen", Description: "want shorten or refuse"})
	}
	return wrong
}

func (m *markovModel) fit(
	ctx context.Context, _ *Recipe, c *corpus, _ func(int, map[string]float64),
) (*fitted, error) {
	kind, err := text.ParseKind(m.Unit)
	if err != nil {
		return nil, err
	}
	docs, err := c.documents(c.train, kind)
	if err != nil {
		return nil, err
	}
	tokens, ids, err := counted(docs, kind)
	if err != nil {
		return nil, err
	}
	unseen := markov.Shorten
	if m.Unseen == "refuse" {
		unseen = markov.Refuse
	}
	chain, err := markov.NewLanguage(tokens, ids, m.Order, unseen)
	if err != nil {
		return nil, err
	}
	b, err := chain.Table().Encode()
	if err != nil {
		return nil, err
	}
	f := &fitted{
		model: chain, config: m, tensors: blob(b), parameters: int64(chain.Contexts()), metrics: map[string]float64{},
		about: []string{"Frequencies of what followed the last few tokens. What never followed has probability zero."},
	}
	vocabulary(f.tensors, tokens.Vocab())
	return f, measureText(ctx, f, chain, c)
}

// measureText scores the text that was held back, where the model can.
func measureText(ctx context.Context, f *fitted, m model.Model, c *corpus) error {
	if len(c.report) == 0 {
		return nil
	}
	r, err := evaluate.Text(ctx, m, string(c.report[:min(len(c.report), 1<<20)]))
	if err != nil || r.Zero > 0 {
		return nil //nolint:nilerr // a model without smoothing has no finite score of a text that it has not seen
	}
	f.metrics["nats_per_character"] = r.PerChar
	return nil
}

func openMarkov(m *modelstore.Manifest, f *weights.File) (any, error) {
	var c markovModel
	if err := configOf(m, &c); err != nil {
		return nil, err
	}
	b, err := contents(f, modelTensor, arenaTensor, endsTensor)
	if err != nil {
		return nil, err
	}
	tokens, err := tokensOf(f, c.Unit)
	if err != nil {
		return nil, err
	}
	return markov.DecodeLanguage(tokens, b)
}

// chainModel is the model part of a recipe for a chain that is written down.
type chainModel struct {
	States      []string    `yaml:"states" json:"states"`
	Transitions [][]float64 `yaml:"transitions" json:"-"` // rows that add up to 1
	Start       []float64   `yaml:"start,omitempty" json:"-"`
}

func (*chainModel) needsData() bool { return false }

func (c *chainModel) make() (*markov.Chain, error) {
	return markov.New(c.States, c.Start, flat(c.Transitions))
}

func (c *chainModel) check(*Recipe) []fault.Violation {
	if wrong := ragged("model.transitions", c.Transitions, len(c.States)); wrong != nil {
		return wrong
	}
	_, err := c.make()
	return violations("model", err)
}

func (c *chainModel) fit(
	context.Context, *Recipe, *corpus, func(int, map[string]float64),
) (*fitted, error) {
	chain, err := c.make()
	if err != nil {
		return nil, err
	}
	b, err := chain.Encode()
	if err != nil {
		return nil, err
	}
	n := int64(len(c.States))
	return &fitted{model: chain, config: c, tensors: blob(b), labels: c.States, parameters: n * n,
		about: []string{"A Markov chain that is written down."}}, nil
}

func openChain(_ *modelstore.Manifest, f *weights.File) (any, error) {
	b, err := contents(f, modelTensor)
	if err != nil {
		return nil, err
	}
	return markov.Decode(b)
}
