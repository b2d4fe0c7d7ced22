package ngram

import (
	"bytes"
	"maps"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// Mixture is the sum of the probabilities of several models of one vocabulary, by weights that add up to 1.
type Mixture struct {
	models  []*Model
	weights []float64
}

// NewMixture mixes models; nil weights are equal ones.
func NewMixture(models []*Model, weights []float64) (*Mixture, error) {
	const op = "ngram.NewMixture"
	if len(models) == 0 || weights != nil && len(weights) != len(models) {
		return nil, fault.E(fault.Invalid, "WEIGHTS_DIFFER", op, "%d models and %d weights", len(models), len(weights))
	}
	first, _ := models[0].tokens.Vocab().Tables()
	for _, m := range models[1:] {
		arena, ends := m.tokens.Vocab().Tables()
		_, want := models[0].tokens.Vocab().Tables()
		if m.tokens.Kind() != models[0].tokens.Kind() || !bytes.Equal(arena, first) || !slices.Equal(ends, want) {
			return nil, fault.E(fault.Invalid, "VOCABULARIES_DIFFER", op, "models of other tokens cannot be mixed")
		}
	}
	w := make([]float64, len(models))
	sum := 0.0
	for i := range w {
		w[i] = 1
		if weights != nil {
			w[i] = weights[i]
		}
		if !(w[i] >= 0) || math.IsInf(w[i], 0) {
			return nil, fault.InvalidField(op, "weights", "%v: numbers that are not negative are needed", w[i])
		}
		sum += w[i]
	}
	if sum == 0 {
		return nil, fault.InvalidField(op, "weights", "all are 0")
	}
	for i := range w {
		w[i] /= sum
	}
	return &Mixture{models: models, weights: w}, nil
}

// Weights are those of the models.
func (m *Mixture) Weights() []float64 { return slices.Clone(m.weights) }

// Learn sets the weights to those under which texts that no model learnt from are likeliest, by rounds of expectation
// maximisation.
func (m *Mixture) Learn(docs [][]byte, rounds int) error {
	scores := make([][]float64, len(m.models))
	for i, x := range m.models {
		for _, d := range docs {
			tok, err := x.tokens.AppendEncoded(nil, d)
			if err != nil {
				return err
			}
			tok = append(tok, text.Finish)
			nats := make([]float64, len(tok))
			if err := x.Score(x.Open(), tok, nats, nil); err != nil {
				return err
			}
			scores[i] = append(scores[i], nats...)
		}
	}
	if len(scores[0]) == 0 {
		return fault.E(fault.Invalid, "EMPTY_CORPUS", "ngram.Learn", "there are no documents")
	}
	for range rounds {
		sums := make([]float64, len(m.models))
		for t := range scores[0] {
			total := 0.0
			for i, w := range m.weights {
				total += float64(w * tensor.ExpF64(scores[i][t]))
			}
			for i, w := range m.weights {
				sums[i] += w * tensor.ExpF64(scores[i][t]) / total
			}
		}
		for i := range sums {
			m.weights[i] = sums[i] / float64(len(scores[0]))
		}
	}
	return nil
}

// mixed is the context of a Mixture: one of every model.
type mixed struct{ each []model.Context }

func (c *mixed) Len() int { return c.each[0].Len() }

// Tokens implements model.Model.
func (m *Mixture) Tokens() model.Tokens { return m.models[0].tokens }

// Limit implements model.Model.
func (m *Mixture) Limit() int { return 0 }

// Open implements model.Model.
func (m *Mixture) Open() model.Context {
	c := &mixed{}
	for _, x := range m.models {
		c.each = append(c.each, x.Open())
	}
	return c
}

// Step implements model.Model: probabilities are added in the order of the models.
func (m *Mixture) Step(contexts []model.Context, further [][]int32, rows [][]float64) error {
	buf := make([]float64, m.models[0].tokens.Size())
	for i, c := range contexts {
		c, ok := c.(*mixed)
		if !ok || len(c.each) != len(m.models) {
			return fault.E(fault.Internal, "FOREIGN_CONTEXT", "ngram.Step", "the context is another model's")
		}
		row := rows[i]
		for j, x := range m.models {
			var to []float64
			if row != nil {
				to = buf
			}
			if err := x.Step(c.each[j:j+1], further[i:i+1], [][]float64{to}); err != nil {
				return err
			}
			for w := range to {
				if p := float64(m.weights[j] * tensor.ExpF64(to[w])); j == 0 {
					row[w] = p
				} else {
					row[w] += p
				}
			}
		}
		for w := range row {
			row[w] = logOf(row[w])
		}
	}
	return nil
}

func logOf(p float64) float64 {
	if p <= 0 {
		return math.Inf(-1)
	}
	return tensor.LogF64(p)
}

// Cached adds to a model what the text itself has used: of its last tokens, at most window, each has its share of the
// weight (Kuhn and De Mori, "A cache-based natural language model for speech recognition", 1990).
type Cached struct {
	model.Model
	share  float64
	window int
}

// NewCached gives the cache a weight from 0 to below 1 and a length from 1 to 1<<20.
func NewCached(m model.Model, share float64, window int) (*Cached, error) {
	if !(share >= 0 && share < 1) {
		return nil, fault.InvalidField("ngram.NewCached", "share", "%v: 0 to below 1 is needed", share)
	}
	if window < 1 || window > 1<<20 {
		return nil, fault.InvalidField("ngram.NewCached", "window", "%d: 1 to %d is needed", window, 1<<20)
	}
	return &Cached{Model: m, share: share, window: window}, nil
}

// cached is the context of a Cached.
type cached struct {
	base   model.Context
	recent []int32 // at most window tokens, the oldest at from once it is full
	from   int
	counts map[int32]int
}

// Len implements model.Context.
func (c *cached) Len() int { return c.base.Len() }

// Open implements model.Model.
func (m *Cached) Open() model.Context { return &cached{base: m.Model.Open(), counts: map[int32]int{}} }

func (c *cached) put(w int32, window int) {
	c.counts[w]++
	if len(c.recent) < window {
		c.recent = append(c.recent, w)
		return
	}
	old := c.recent[c.from]
	if c.counts[old]--; c.counts[old] == 0 {
		delete(c.counts, old)
	}
	c.recent[c.from] = w
	c.from = (c.from + 1) % window
}

// Step implements model.Model.
func (m *Cached) Step(contexts []model.Context, further [][]int32, rows [][]float64) error {
	base := make([]model.Context, len(contexts))
	for i, c := range contexts {
		c, ok := c.(*cached)
		if !ok {
			return fault.E(fault.Internal, "FOREIGN_CONTEXT", "ngram.Step", "the context is another model's")
		}
		base[i] = c.base
	}
	if err := m.Model.Step(base, further, rows); err != nil {
		return err
	}
	rest := tensor.LogF64(1 - m.share)
	for i, c := range contexts {
		c := c.(*cached)
		for _, w := range further[i] {
			c.put(w, m.window)
		}
		row := rows[i]
		if row == nil || len(c.recent) == 0 {
			continue
		}
		each := m.share / float64(len(c.recent))
		for w := range row {
			row[w] += rest
		}
		for _, w := range slices.Sorted(maps.Keys(c.counts)) {
			row[w] = logOf(tensor.ExpF64(row[w]) + float64(each*float64(c.counts[w])))
		}
	}
	return nil
}
