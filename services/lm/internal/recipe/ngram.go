package recipe

import (
	"context"
	"errors"
	"fmt"

	"github.com/manifold-gen/manifold/services/lm/internal/ngram"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// ngramModel is the model part of a recipe for n-grams; see ngram.Config.
type ngramModel struct {
	Unit      string  `yaml:"unit"`            // characters, bytes, words or given; characters
	Order     int     `yaml:"order"`           // the greatest length of n-grams; 5
	Smoothing string  `yaml:"smoothing"`       // modified_kneser_ney
	K         float64 `yaml:"k,omitempty"`     // of laplace
	MinCount  int     `yaml:"min_count"`       // tokens that occur less often are unknown; 1
	Prune     []int   `yaml:"prune,omitempty"` // counts that are left out, by length
	Entropy   float64 `yaml:"entropy,omitempty"`
	Forgets   bool    `yaml:"forgets,omitempty"` // keeps the counts, so that documents can be forgotten
}

func (*ngramModel) needsData() bool { return true }

func (n *ngramModel) config() ngram.Config {
	return ngram.Config{
		Order: n.Order, Unit: n.Unit, Smoothing: ngram.Smoothing(n.Smoothing), K: n.K, MinCount: n.MinCount,
		Prune: n.Prune, Entropy: n.Entropy, Forgets: n.Forgets,
	}
}

func (n *ngramModel) check(*Recipe) []fault.Violation {
	or(&n.Unit, text.Characters.String())
	or(&n.Order, 5)
	or(&n.Smoothing, string(ngram.ModifiedKneserNey))
	or(&n.MinCount, 1)
	c := n.config()
	return violations("model", c.Validate())
}

func (n *ngramModel) fit(
	ctx context.Context, _ *Recipe, c *corpus, _ func(int, map[string]float64),
) (*fitted, error) {
	kind, err := text.ParseKind(n.Unit)
	if err != nil {
		return nil, err
	}
	docs, err := c.documents(c.train, kind)
	if err != nil {
		return nil, err
	}
	m, err := ngram.Train(docs, n.config())
	if err != nil {
		return nil, err
	}
	var grams int64
	for _, size := range m.Sizes() {
		grams += int64(size)
	}
	f := &fitted{
		model: m, config: m.Config(), tensors: m.Tensors(), parameters: grams, metrics: map[string]float64{},
		about: []string{"Probabilities of what follows the last few tokens, counted and smoothed."},
	}
	if len(c.report) > 0 {
		held, err := c.documents(c.report, kind)
		if err != nil {
			return nil, err
		}
		total, err := m.Documents(ctx, held)
		if err != nil {
			return nil, err
		}
		f.metrics["nats_per_character"] = total.Nats / float64(max(1, total.Characters))
		f.metrics["perplexity"] = tensor.ExpF64(total.Nats / float64(max(1, total.Tokens)))
		f.metrics["unknown"] = float64(total.Unknown) / float64(max(1, total.Tokens))
	}
	return f, nil
}

func openNgram(m *modelstore.Manifest, f *weights.File) (any, error) {
	var c ngram.Config
	if err := configOf(m, &c); err != nil {
		return nil, err
	}
	return ngram.Open(f, c)
}

// or fills in a default.
func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// violations are what an error says about fields below a section.
func violations(at string, err error) []fault.Violation {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) && len(f.Fields) > 0 {
		var wrong []fault.Violation
		for _, v := range f.Fields {
			wrong = append(wrong, fault.Violation{Field: at + "." + v.Field, Description: v.Description})
		}
		return wrong
	}
	return []fault.Violation{{Field: at, Description: err.Error()}}
}

// PublishForgotten stores what is left of a model after documents were forgotten, as its next version.
func PublishForgotten(
	ctx context.Context, store *modelstore.Store, e modelstore.Entry, left *ngram.Model, documents int,
) (modelstore.Entry, error) {
	m := *e.Manifest
	m.Version, m.Digest, m.Files, m.Metrics = "", "", nil, nil // figures were those of the model before
	m.Parameters = 0
	for _, size := range left.Sizes() {
		m.Parameters += int64(size)
	}
	card := recipe.Card{About: []string{
		fmt.Sprintf("%s, after %d documents were forgotten: the bytes are those of a training without them.", e.Ref(),
			documents),
	}}
	return store.Publish(ctx, m, modelstore.Contents{
		Weights: func(path string) error {
			return weights.WriteRaw(path, left.Tensors(), map[string]string{"format": "manifold-lm"})
		},
		Card: card.Text,
	})
}
