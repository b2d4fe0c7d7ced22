package ngram

import (
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// Model gives the probabilities of tokens after at most order-1 others. It implements model.Model, model.Scorer and,
// where it keeps its counts, model.Forgetter.
type Model struct {
	config Config
	tokens *text.Tokens
	table  *table
	counts *Counts // nil where they are not kept
}

var ln10 = tensor.LogF64(10)

// Config is the configuration.
func (m *Model) Config() Config { return m.config }

// Counts are those that the model was made of; nil where they were not kept.
func (m *Model) Counts() *Counts { return m.counts }

// Sizes is the number of n-grams of every length.
func (m *Model) Sizes() []int {
	var n []int
	for k := 1; k < len(m.table.starts); k++ {
		n = append(n, int(m.table.starts[k]-m.table.starts[k-1]))
	}
	if len(m.table.leaf) > 0 {
		n = append(n, len(m.table.leaf))
	}
	return n
}

// Tokens implements model.Model.
func (m *Model) Tokens() model.Tokens { return m.tokens }

// Limit implements model.Model.
func (m *Model) Limit() int { return 0 }

// state is what a Model keeps of a text: the longest n-gram at its end that tells anything of what follows.
type state struct {
	at  uint32
	len int
}

// Len implements model.Context.
func (s *state) Len() int { return s.len }

// Open implements model.Model: the text begins with <s>.
func (m *Model) Open() model.Context { return &state{at: m.table.after(text.Begin)} }

// Inside begins in the middle of a text: nothing is known of what went before.
func (m *Model) Inside() model.Context { return &state{at: none} }

// step looks a token up after a context: the logarithm to base 10 of its probability, the length of the n-gram that was
// found, and the context after it. The weights of the contexts in which it is missing are added from the longest on.
func (t *table) step(at, token uint32) (prob float64, length int, next uint32) {
	base := t.leafBase()
	var back float64
	for at != none {
		x := &t.inner[at]
		i := t.find(at, x.first, t.inner[at+1].first, token)
		if i >= base && i != none {
			y := &t.leaf[i-base]
			return back + float64(y.prob), len(t.starts), y.next
		}
		if i != none {
			return back + float64(t.inner[i].prob), t.length(i), t.after(i)
		}
		back += float64(x.back)
		at = x.next
	}
	return back + float64(t.inner[token].prob), 1, t.after(token)
}

func (m *Model) state(op string, c model.Context) (*state, error) {
	s, ok := c.(*state)
	if !ok || s.at != none && int(s.at) >= len(m.table.inner)-1 {
		return nil, fault.E(fault.Internal, "FOREIGN_CONTEXT", op, "the context is another model's")
	}
	return s, nil
}

// Step implements model.Model.
func (m *Model) Step(contexts []model.Context, further [][]int32, rows [][]float64) error {
	for i, c := range contexts {
		s, err := m.state("ngram.Step", c)
		if err != nil {
			return err
		}
		for _, w := range further[i] {
			if w < 0 || int(w) >= m.tokens.Size() {
				return fault.E(fault.Invalid, "NO_SUCH_TOKEN", "ngram.Step", "token %d: 0 to %d are known", w,
					m.tokens.Size()-1)
			}
			_, _, s.at = m.table.step(s.at, uint32(w))
		}
		s.len += len(further[i])
		if rows[i] != nil {
			m.table.row(s.at, rows[i])
		}
	}
	return nil
}

// row writes the natural logarithms of the probabilities of all tokens after a context: those of the unigrams, and over
// them those of longer and longer n-grams, each with the weights of the contexts beyond it, summed as step sums them.
func (t *table) row(at uint32, row []float64) {
	var chain [MaxOrder]uint32
	var back [MaxOrder + 1]float64
	n := 0
	for ; at != none; at = t.inner[at].next {
		chain[n] = at
		back[n+1] = back[n] + float64(t.inner[at].back)
		n++
	}
	b := back[n]
	for w := range row {
		row[w] = (b + float64(t.inner[w].prob)) * ln10
	}
	leaves, base := t.leaves(), t.leafBase()
	for n--; n >= 0; n-- {
		at, b := chain[n], back[n]
		lo, hi := t.inner[at].first, t.inner[at+1].first
		if at >= leaves {
			words := t.words[lo:hi]
			for i, y := range t.leaf[lo-base : hi-base] {
				row[words[i]] = (b + float64(y.prob)) * ln10
			}
			continue
		}
		words := t.words[lo:hi]
		for i, y := range t.inner[lo:hi] {
			row[words[i]] = (b + float64(y.prob)) * ln10
		}
	}
	row[text.Begin] = math.Inf(-1)
}

// Order is the greatest length of n-grams.
func (m *Model) Order() int { return m.config.Order }
