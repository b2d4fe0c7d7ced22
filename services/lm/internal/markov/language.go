package markov

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Unseen says what follows a context that the training data does not have.
type Unseen uint8

// The ways on.
const (
	// Refuse is an error of reason UNSEEN_CONTEXT: the chain of order k says nothing about it.
	Refuse Unseen = iota
	// Shorten takes the longest end of the context that occurs. Every context's probabilities still add up to 1, but
	// the order is no longer k everywhere.
	Shorten
)

// MaxOrder is the highest order of a language model.
const MaxOrder = 16

// Language is a Markov chain of order k over tokens: the frequencies with which tokens followed the last k. It
// smoothes nothing: a token that never followed has probability zero. It implements model.Model.
type Language struct {
	tokens model.Tokens
	order  int
	unseen Unseen
	at     map[string]int32 // context to its number
	first  []int32          // number to its first entry; one more than there are contexts
	next   []int32          // tokens, ascending in a context
	log    []float64
	counts []uint32
}

// begin stands before a text, so that its first tokens have contexts of k as well.
const begin = -1

// NewLanguage counts. Every document is a text by itself; its end is counted where the tokens have one.
func NewLanguage(tokens model.Tokens, documents [][]int32, order int, unseen Unseen) (*Language, error) {
	if order < 0 || order > MaxOrder {
		return nil, bad("BAD_ORDER", "order %d, want 0 to %d", order, MaxOrder)
	}
	type entry struct {
		context string
		token   int32
	}
	tally := map[entry]uint32{}
	size := int32(tokens.Size())
	for d, doc := range documents {
		text := make([]int32, order, order+len(doc)+1)
		for i := range text {
			text[i] = begin
		}
		for t, x := range doc {
			if x < 0 || x >= size {
				return nil, bad("UNKNOWN_TOKEN", "document %d has token %d at %d, want 0 to %d", d, x, t, size-1)
			}
		}
		text = append(text, doc...)
		if end := tokens.End(); end >= 0 {
			text = append(text, end)
		}
		for t := order; t < len(text); t++ {
			low := order
			if unseen == Shorten {
				low = 0
			}
			for k := low; k <= order; k++ {
				e := entry{context(text[t-k : t]), text[t]}
				if tally[e] == math.MaxUint32 {
					return nil, bad("TOO_MUCH_DATA", "a transition occurs more than %d times", uint32(math.MaxUint32))
				}
				tally[e]++
			}
		}
	}
	if len(tally) == 0 {
		return nil, bad("NO_DATA", "no tokens to count")
	}
	entries := make([]entry, 0, len(tally))
	for e := range tally {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if d := len(a.context) - len(b.context); d != 0 {
			return d
		}
		if a.context != b.context {
			if a.context < b.context {
				return -1
			}
			return 1
		}
		return int(a.token - b.token)
	})
	m := &Language{tokens: tokens, order: order, unseen: unseen, at: map[string]int32{}}
	for i, e := range entries {
		if i == 0 || e.context != entries[i-1].context {
			m.at[e.context] = int32(len(m.first))
			m.first = append(m.first, int32(i))
		}
		m.next = append(m.next, e.token)
		m.counts = append(m.counts, tally[e])
	}
	m.first = append(m.first, int32(len(m.next)))
	m.logs()
	return m, nil
}

// context is a context as a key.
func context(tokens []int32) string {
	b := make([]byte, 0, 4*len(tokens))
	for _, x := range tokens {
		b = binary.BigEndian.AppendUint32(b, uint32(x))
	}
	return string(b)
}

// logs turns counts into logarithms of frequencies.
func (m *Language) logs() {
	m.log = make([]float64, len(m.next))
	for c := range len(m.first) - 1 {
		lo, hi := m.first[c], m.first[c+1]
		sum := uint64(0)
		for _, n := range m.counts[lo:hi] {
			sum += uint64(n)
		}
		for i := lo; i < hi; i++ {
			m.log[i] = tensor.LogF64(float64(m.counts[i]) / float64(sum))
		}
	}
}

func logOrInf(p float64) float64 {
	if p == 0 {
		return math.Inf(-1)
	}
	return tensor.LogF64(p)
}

// Order is the number of tokens that the next one depends on.
func (m *Language) Order() int { return m.order }

// Contexts is how many contexts were counted.
func (m *Language) Contexts() int { return len(m.first) - 1 }

// Tokens implements model.Model.
func (m *Language) Tokens() model.Tokens { return m.tokens }

// Limit implements model.Model: there is none.
func (m *Language) Limit() int { return 0 }

// window is a text's last tokens.
type window struct {
	last []int32
	n    int
}

// Len implements model.Context.
func (w *window) Len() int { return w.n }

// Open implements model.Model.
func (m *Language) Open() model.Context {
	w := &window{last: make([]int32, m.order)}
	for i := range w.last {
		w.last[i] = begin
	}
	return w
}

// Step implements model.Model. Tokens that never followed the context have -Inf: all of them where the context itself
// was not seen and the chain refuses to shorten it.
func (m *Language) Step(contexts []model.Context, further [][]int32, rows [][]float64) error {
	for i, c := range contexts {
		w, ok := c.(*window)
		if !ok || len(w.last) != m.order {
			return fault.E(fault.Internal, "FOREIGN_CONTEXT", "markov.Step", "a context of another model")
		}
		for _, x := range further[i] {
			if x < 0 || int(x) >= m.tokens.Size() {
				return bad("UNKNOWN_TOKEN", "token %d, want 0 to %d", x, m.tokens.Size()-1)
			}
		}
		for _, x := range further[i] {
			w.n++
			if m.order > 0 {
				copy(w.last, w.last[1:])
				w.last[m.order-1] = x
			}
		}
		if rows[i] == nil {
			continue
		}
		m.row(rows[i], w.last)
	}
	return nil
}

func (m *Language) row(dst []float64, last []int32) {
	for i := range dst {
		dst[i] = math.Inf(-1)
	}
	for k := 0; k <= m.order; k++ {
		if c, ok := m.at[context(last[k:])]; ok {
			for i := m.first[c]; i < m.first[c+1]; i++ {
				dst[m.next[i]] = m.log[i]
			}
			return
		}
		if m.unseen == Refuse {
			return
		}
	}
}

// LogProb is the natural logarithm of the probability that token follows the last tokens; -Inf where it never did.
func (m *Language) LogProb(last []int32, token int32) (float64, error) {
	w := make([]int32, m.order)
	for i := range w {
		if w[i] = begin; len(last)-m.order+i >= 0 {
			w[i] = last[len(last)-m.order+i]
		}
	}
	for k := 0; k <= m.order; k++ {
		c, ok := m.at[context(w[k:])]
		if ok {
			l := m.next[m.first[c]:m.first[c+1]]
			j := sort.Search(len(l), func(i int) bool { return l[i] >= token })
			if j < len(l) && l[j] == token {
				return m.log[int(m.first[c])+j], nil
			}
			return math.Inf(-1), nil
		}
		if m.unseen == Refuse {
			break
		}
	}
	return 0, bad("UNSEEN_CONTEXT", "the training data has nothing after these %d tokens", m.order)
}
