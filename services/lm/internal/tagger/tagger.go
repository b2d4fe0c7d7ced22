package tagger

import (
	"math"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// The limits.
const (
	MaxTags  = 128
	MaxWords = 1 << 14 // of one call
	MaxBytes = 1 << 10 // of a word
)

// Config are the settings. The defaults were chosen by cross-validation.
type Config struct {
	Order  int     `json:"order"`  // tags that the next one depends on: 1 or 2
	Suffix int     `json:"suffix"` // the longest ending in letters
	Rare   uint32  `json:"rare"`   // words of up to so many occurrences teach shapes and endings
	Word   float64 `json:"word"`   // occurrences that the small-letter form's tags count as beside the word's own
	Lower  float64 `json:"lower"`  // those of the ending beside the small-letter form's
	Ending float64 `json:"ending"` // those of the shorter ending beside the longer one's
	Shape  float64 `json:"shape"`  // those of all rare words beside the shape's
}

// Default are the settings that five-fold cross-validation chose on the first 1,600 sentences of UD-EWT's development
// set.
func Default() Config {
	return Config{Order: 2, Suffix: 8, Rare: 2, Word: 1, Lower: 1, Ending: 5, Shape: 5}
}

func bad(reason, format string, args ...any) error {
	return fault.E(fault.Invalid, reason, "tagger", format, args...)
}

func (c Config) check() error {
	if c.Order < 1 || c.Order > 2 || c.Suffix < 0 || c.Suffix > 32 || c.Rare < 1 {
		return bad("BAD_CONFIG", "order %d, endings of %d, rare words of %d: want 1 or 2, 0 to 32, at least 1", c.Order,
			c.Suffix, c.Rare)
	}
	for _, v := range []float64{c.Word, c.Lower, c.Ending, c.Shape} {
		if !(v >= 1e-6 && v <= 1e6) {
			return bad("BAD_CONFIG", "a weight of %v, want 1e-6 to 1e6", v)
		}
	}
	return nil
}

// entry is a word as it was seen: the counts of its tags, inside a sentence and at its beginning.
type entry struct {
	word  string
	first bool
	tag   []int32 // ascending
	count []uint32
}

// Model is a tagger. It implements model.Tagger.
type Model struct {
	tags []string
	cfg  Config
	tri  []uint32 // counts of three tags, [K+1, K+1, K+1]; K is the boundary
	lex  []entry  // by word, then first

	lambda [3]float64 // weights of frequencies of one, two and three tags
	trans  []float64  // p(c | a, b), [K+1, K+1, K+1]
	logs   []float64  // its logarithm
	prior  []float64  // p(t), [K]
	words  map[string][]float64
	lower  map[string][]float64
	ends   map[string][]float64
	total  float64 // words of training
	unseen float64 // the share of words seen once
}

// Train counts sentences: words and the numbers of their tags.
func Train(tags []string, words [][]string, labels [][]int32, cfg Config) (*Model, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	k := len(tags)
	if k < 1 || k > MaxTags || len(words) == 0 || len(words) != len(labels) {
		return nil, bad("NO_DATA", "%d tags, %d sentences and %d of labels: want 1 to %d, and as many of both",
			k, len(words), len(labels), MaxTags)
	}
	m := &Model{tags: slices.Clone(tags), cfg: cfg, tri: make([]uint32, (k+1)*(k+1)*(k+1))}
	type seen struct {
		word  string
		first bool
	}
	at := map[seen]int{}
	counts := [][]uint32{}
	for i, s := range words {
		if len(s) == 0 || len(s) != len(labels[i]) {
			return nil, bad("BAD_LABELS", "sentence %d has %d words and %d labels", i, len(s), len(labels[i]))
		}
		a, b := k, k
		for j, w := range s {
			t := int(labels[i][j])
			if t < 0 || t >= k {
				return nil, bad("BAD_LABELS", "sentence %d has label %d at %d, want 0 to %d", i, t, j, k-1)
			}
			if err := checkWord(w, j); err != nil {
				return nil, err
			}
			m.tri[(a*(k+1)+b)*(k+1)+t]++
			a, b = b, t
			key := seen{w, j == 0}
			n, ok := at[key]
			if !ok {
				n = len(counts)
				at[key] = n
				counts = append(counts, make([]uint32, k))
				m.lex = append(m.lex, entry{word: w, first: j == 0})
			}
			counts[n][t]++
		}
		m.tri[(a*(k+1)+b)*(k+1)+k]++
	}
	for n, c := range counts {
		for t, v := range c {
			if v > 0 {
				m.lex[n].tag, m.lex[n].count = append(m.lex[n].tag, int32(t)), append(m.lex[n].count, v)
			}
		}
	}
	slices.SortFunc(m.lex, compare)
	m.open()
	return m, nil
}

func compare(a, b entry) int {
	switch {
	case a.word != b.word:
		return strings.Compare(a.word, b.word)
	case a.first == b.first:
		return 0
	case b.first:
		return -1
	}
	return 1
}

func checkWord(w string, at int) error {
	if w == "" || len(w) > MaxBytes {
		return bad("BAD_WORD", "the word at %d has %d bytes, want 1 to %d", at, len(w), MaxBytes)
	}
	return nil
}

// open makes everything that follows from the counts.
func (m *Model) open() {
	m.interpolate()
	m.lexicon()
}

// interpolate mixes frequencies. The weights are those of deleted interpolation: every three tags vote, with their
// count, for the frequency that is greatest when they are taken out of the counts once (Brants 2000, figure 1).
func (m *Model) interpolate() {
	k := len(m.tags) + 1
	one, two, pairs := make([]float64, k), make([]float64, k*k), make([]float64, k*k)
	before, sum := make([]float64, k), 0.0
	for a := range k {
		for b := range k {
			for c := range k {
				n := float64(m.tri[(a*k+b)*k+c])
				one[c] += n
				two[b*k+c] += n
				pairs[a*k+b] += n
				before[b] += n
				sum += n
			}
		}
	}
	ratio := func(a, b float64) float64 {
		if b <= 0 {
			return 0
		}
		return a / b
	}
	var votes [3]float64
	for a := range k {
		for b := range k {
			for c := range k {
				n := float64(m.tri[(a*k+b)*k+c])
				if n == 0 {
					continue
				}
				p := [3]float64{ratio(one[c]-1, sum-1), ratio(two[b*k+c]-1, before[b]-1), ratio(n-1, pairs[a*k+b]-1)}
				switch {
				case m.cfg.Order == 2 && p[2] >= p[1] && p[2] >= p[0]:
					votes[2] += n
				case p[1] >= p[0]:
					votes[1] += n
				default:
					votes[0] += n
				}
			}
		}
	}
	all := votes[0] + votes[1] + votes[2] + 1
	m.lambda = [3]float64{(votes[0] + 1) / all, votes[1] / all, votes[2] / all}
	m.trans, m.logs = make([]float64, k*k*k), make([]float64, k*k*k)
	for a := range k {
		for b := range k {
			// A context that was never seen hands its weight down.
			l := m.lambda
			if pairs[a*k+b] == 0 {
				l[1], l[2] = l[1]+l[2], 0
			}
			if before[b] == 0 {
				l[0], l[1] = l[0]+l[1], 0
			}
			for c := range k {
				p := float64(l[0]*ratio(one[c], sum)) + float64(l[1]*ratio(two[b*k+c], before[b])) +
					float64(l[2]*ratio(float64(m.tri[(a*k+b)*k+c]), pairs[a*k+b]))
				m.trans[(a*k+b)*k+c], m.logs[(a*k+b)*k+c] = p, log(p)
			}
		}
	}
}

func log(p float64) float64 {
	if p <= 0 {
		return math.Inf(-1)
	}
	return tensor.LogF64(p)
}

// Tags implements model.Tagger.
func (m *Model) Tags() []string { return m.tags }

// Config are the settings.
func (m *Model) Config() Config { return m.cfg }

// Lambda are the weights of frequencies of one, two and three tags.
func (m *Model) Lambda() [3]float64 { return m.lambda }

// Tag implements model.Tagger. Words that training has not seen stand, in the joint probability, for the class of all
// words of their ending and shape.
func (m *Model) Tag(words []string) (path []int32, joint float64, posterior []float64, err error) {
	e, err := m.emissions(words)
	if err != nil || len(words) == 0 {
		return nil, 0, nil, err
	}
	path, joint = m.viterbi(e, len(words))
	return path, joint, m.posterior(e, len(words)), nil
}

// Best is Tag without the posterior.
func (m *Model) Best(words []string) ([]int32, float64, error) {
	e, err := m.emissions(words)
	if err != nil || len(words) == 0 {
		return nil, 0, err
	}
	path, joint := m.viterbi(e, len(words))
	return path, joint, nil
}

// emissions are p(w_i | t), [n, K].
func (m *Model) emissions(words []string) ([]float64, error) {
	if len(words) > MaxWords {
		return nil, bad("TOO_MANY_WORDS", "%d words, at most %d", len(words), MaxWords)
	}
	k := len(m.tags)
	e := make([]float64, len(words)*k)
	for i, w := range words {
		if err := checkWord(w, i); err != nil {
			return nil, err
		}
		m.emission(e[i*k:(i+1)*k], w, i == 0)
	}
	return e, nil
}

// viterbi goes over pairs of tags; of equals the lowest wins.
func (m *Model) viterbi(e []float64, n int) ([]int32, float64) {
	k := len(m.tags)
	s := k + 1
	delta, next := make([]float64, s*k), make([]float64, s*k) // the tag before (or the boundary), the present tag
	back := make([]uint8, n*s*k)
	inf := math.Inf(-1)
	for i := range delta {
		delta[i] = inf
	}
	for c := range k {
		delta[k*k+c] = m.logs[(k*s+k)*s+c] + log(e[c])
	}
	emit := make([]float64, k)
	for i := 1; i < n; i++ {
		for c := range k {
			emit[c] = log(e[i*k+c])
		}
		for j := range next {
			next[j] = inf
		}
		for b := range k {
			out, from := next[b*k:(b+1)*k], back[(i*s+b)*k:(i*s+b+1)*k]
			for a := range s {
				d := delta[a*k+b]
				if d == inf {
					continue
				}
				for c, l := range m.logs[(a*s+b)*s : (a*s+b)*s+k] {
					if v := d + l; v > out[c] {
						out[c], from[c] = v, uint8(a)
					}
				}
			}
			for c, l := range emit {
				out[c] += l
			}
		}
		delta, next = next, delta
	}
	best, at := inf, 0
	for a := range s {
		for b := range k {
			if v := delta[a*k+b] + m.logs[(a*s+b)*s+k]; v > best {
				best, at = v, a*k+b
			}
		}
	}
	path := make([]int32, n)
	a, b := at/k, at%k
	for i := n - 1; i >= 0; i-- {
		path[i] = int32(b)
		a, b = int(back[(i*s+a)*k+b]), a
	}
	return path, best
}

// posterior is p(t_i | w), [n, K], by a scaled forward and backward pass over pairs.
func (m *Model) posterior(e []float64, n int) []float64 {
	k := len(m.tags)
	s := k + 1
	alpha := make([]float64, n*s*k)
	for i := range n {
		now := alpha[i*s*k : (i+1)*s*k]
		if i == 0 {
			copy(now[k*k:], m.trans[(k*s+k)*s:(k*s+k)*s+k])
		} else {
			last := alpha[(i-1)*s*k : i*s*k]
			for a := range s {
				for b := range k {
					v := last[a*k+b]
					if v == 0 {
						continue
					}
					out := now[b*k : (b+1)*k]
					for c, p := range m.trans[(a*s+b)*s : (a*s+b)*s+k] {
						out[c] += float64(v * p)
					}
				}
			}
		}
		for j := range now {
			now[j] = float64(now[j] * e[i*k+j%k])
		}
		share(now)
	}
	post, beta, next := make([]float64, n*k), make([]float64, s*k), make([]float64, s*k)
	for a := range s {
		for b := range k {
			beta[a*k+b] = m.trans[(a*s+b)*s+k]
		}
	}
	for i := n - 1; i >= 0; i-- {
		out := post[i*k : (i+1)*k]
		for j, v := range alpha[i*s*k : (i+1)*s*k] {
			out[j%k] += float64(v * beta[j])
		}
		share(out)
		for j := range beta {
			beta[j] = float64(beta[j] * e[i*k+j%k])
		}
		for a := range s {
			for b := range k {
				sum := 0.0
				for c, p := range m.trans[(a*s+b)*s : (a*s+b)*s+k] {
					sum += float64(p * beta[b*k+c])
				}
				next[a*k+b] = sum
			}
		}
		share(next)
		beta, next = next, beta
	}
	return post
}

// share divides by the sum.
func share(p []float64) {
	sum := 0.0
	for _, v := range p {
		sum += v
	}
	if sum > 0 {
		for i := range p {
			p[i] /= sum
		}
	}
}
