// Package sample chooses the next token from the probabilities that a model gives: penalties, temperature, top-k, top-p
// and min-p, in this order.
//
// Holtzman et al.: The Curious Case of Neural Text Degeneration, 2020 (top-p); Nguyen et al.: Turning Up the Heat:
// Min-p Sampling, 2024; Keskar et al.: CTRL, 2019 (repetition penalty).
package sample

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Config says how tokens are chosen. Plain is the model's own distribution.
type Config struct {
	Temperature float64 // at least 0; 0 takes the most probable token, the first one of equals
	TopK        int     // 0: all
	TopP        float64 // above 0, at most 1
	MinP        float64 // 0 to 1
	Repetition  float64 // multiplies the log-probability of what the text holds; above 0
	Presence    float64 // nats off for a token that was generated
	Frequency   float64 // nats off for every time that it was
	Never       []int32 // tokens that are not chosen, such as the one that stands for all unknown words
}

// Plain draws from the model's own distribution.
func Plain() Config { return Config{Temperature: 1, TopP: 1, Repetition: 1} }

// IsPlain says whether the model's own distribution is drawn from.
func (c Config) IsPlain() bool {
	return c.Temperature == 1 && c.TopK == 0 && c.TopP == 1 && c.MinP == 0 && c.Repetition == 1 && c.Presence == 0 &&
		c.Frequency == 0 && len(c.Never) == 0
}

// Sampler chooses the tokens of one continuation. It remembers what it has seen, and its buffers.
type Sampler struct {
	cfg   Config
	seen  []int32       // distinct tokens of prompt and continuation, in the order of their coming
	count map[int32]int // times that each was generated; 0 for one of the prompt alone

	logits []float64
	heap   []candidate
	kept   []candidate
}

type candidate struct {
	weight float64
	token  int32
}

// New makes a sampler of a continuation of the prompt.
func New(cfg Config, prompt []int32) *Sampler {
	s := &Sampler{cfg: cfg, count: make(map[int32]int)}
	if cfg.Repetition != 1 {
		for _, t := range prompt {
			s.note(t, 0)
		}
	}
	return s
}

// Note tells the sampler of a token that was generated.
func (s *Sampler) Note(token int32) {
	if s.cfg.Repetition != 1 || s.cfg.Presence != 0 || s.cfg.Frequency != 0 {
		s.note(token, 1)
	}
}

func (s *Sampler) note(token int32, times int) {
	n, known := s.count[token]
	if !known {
		s.seen = append(s.seen, token)
	}
	s.count[token] = n + times
}

// Choose takes the natural logarithms of the probabilities of all tokens and a uniform number in [0, 1), and gives the
// token that comes next; -1 where none is possible. It does not change nats.
//
// Order of arithmetic: weights are exp((l - max l) / temperature); they are summed by number of token, or after top-k
// and top-p in falling order, equal ones by number; the first token whose running sum exceeds u times the whole is
// taken.
func (s *Sampler) Choose(nats []float64, u float64) int32 {
	l := s.penalise(nats)
	best := int32(-1)
	for i, v := range l {
		if v > math.Inf(-1) && (best < 0 || v > l[best]) {
			best = int32(i)
		}
	}
	if best < 0 || s.cfg.Temperature == 0 {
		return best
	}
	top := l[best]
	s.heap = s.heap[:0]
	total := 0.0
	for i, v := range l {
		w := tensor.ExpF64((v - top) / s.cfg.Temperature)
		if w > 0 {
			s.heap = append(s.heap, candidate{w, int32(i)})
			total += w
		}
	}
	kept := s.heap
	if s.cfg.TopK > 0 || s.cfg.TopP < 1 || s.cfg.MinP > 0 {
		kept, total = s.truncate(total)
	}
	at, sum := u*total, 0.0
	for _, c := range kept {
		if sum += c.weight; sum > at {
			return c.token
		}
	}
	return kept[len(kept)-1].token
}

// penalise gives the log-probabilities with all penalties: nats itself where there are none.
func (s *Sampler) penalise(nats []float64) []float64 {
	if len(s.seen) == 0 && len(s.cfg.Never) == 0 {
		return nats
	}
	s.logits = append(s.logits[:0], nats...)
	for _, t := range s.cfg.Never {
		s.logits[t] = math.Inf(-1)
	}
	for _, t := range s.seen {
		v := s.logits[t]
		if v == math.Inf(-1) {
			continue
		}
		v *= s.cfg.Repetition
		if n := s.count[t]; n > 0 {
			v -= s.cfg.Presence
			v -= float64(s.cfg.Frequency * float64(n))
		}
		s.logits[t] = v
	}
	return s.logits
}

// truncate leaves the most probable candidates, in falling order, and gives the sum of their weights. total is that of
// all candidates.
func (s *Sampler) truncate(total float64) (kept []candidate, sum float64) {
	s.kept = s.kept[:0]
	most := len(s.heap)
	heapify(s.heap)
	if k := s.cfg.TopK; k > 0 && k < most {
		most, total = k, 0
		for range k {
			c := s.pop()
			s.kept = append(s.kept, c)
			total += c.weight
		}
	}
	for i := range most {
		if i == len(s.kept) {
			s.kept = append(s.kept, s.pop())
		}
		w := s.kept[i].weight
		if i > 0 && (sum >= s.cfg.TopP*total || w < s.cfg.MinP*s.kept[0].weight) {
			return s.kept[:i], sum
		}
		sum += w
	}
	return s.kept[:most], sum
}

// less says whether a comes after b: the one with the smaller weight, of equals the one with the larger number.
func less(a, b candidate) bool {
	return a.weight < b.weight || a.weight == b.weight && a.token > b.token
}

func heapify(h []candidate) {
	for i := len(h)/2 - 1; i >= 0; i-- {
		sift(h, i)
	}
}

// sift moves candidate i down to its place.
func sift(h []candidate, i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && less(h[child], h[child+1]) {
			child++
		}
		if !less(h[i], h[child]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// pop takes the best candidate off the heap.
func (s *Sampler) pop() candidate {
	c := s.heap[0]
	last := len(s.heap) - 1
	s.heap[0] = s.heap[last]
	s.heap = s.heap[:last]
	sift(s.heap, 0)
	return c
}

// Best gives the n most probable tokens in falling order, of equals the one with the smaller number first; fewer where
// fewer are possible.
func Best(nats []float64, n int) []int32 {
	if n <= 0 {
		return nil
	}
	best := make([]int32, 0, n+1)
	for i, v := range nats {
		if v == math.Inf(-1) || len(best) == n && v <= nats[best[n-1]] {
			continue
		}
		at := len(best)
		for at > 0 && nats[best[at-1]] < v {
			at--
		}
		best = append(best, 0)
		copy(best[at+1:], best[at:])
		best[at] = int32(i)
		best = best[:min(len(best), n)]
	}
	return best
}
