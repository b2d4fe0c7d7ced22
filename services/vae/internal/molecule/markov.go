package molecule

import (
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Markov draws strings character by character, each with the frequencies with which it followed the characters before
// it in the training data. It is what a model of molecules has to be better than.
type Markov struct {
	order int
	after map[string]*counts
}

type counts struct {
	bytes []byte // in ascending order; 0 is the end
	sums  []int  // running
}

// NewMarkov counts what follows every context of up to order characters.
func NewMarkov(lines []string, order int) *Markov {
	tally := map[string]map[byte]int{}
	for _, s := range lines {
		for i := range len(s) + 1 {
			context := s[max(0, i-order):i]
			if i < order {
				context = "^" + context
			}
			next := byte(0)
			if i < len(s) {
				next = s[i]
			}
			t := tally[context]
			if t == nil {
				t = map[byte]int{}
				tally[context] = t
			}
			t[next]++
		}
	}
	m := &Markov{order: order, after: make(map[string]*counts, len(tally))}
	for context, t := range tally {
		c := &counts{}
		for b := range t {
			c.bytes = append(c.bytes, b)
		}
		slices.Sort(c.bytes)
		sum := 0
		for _, b := range c.bytes {
			sum += t[b]
			c.sums = append(c.sums, sum)
		}
		m.after[context] = c
	}
	return m
}

// Draw is one string of up to most bytes; it depends on the stream and the sample's number alone.
func (m *Markov) Draw(s rng.Stream, sample uint64, most int) string {
	u := make([]float64, most)
	s.Uniform64(u, sample, 0, rng.Choice)
	var out []byte
	for i := range most {
		context := string(out[max(0, i-m.order):])
		if i < m.order {
			context = "^" + context
		}
		c := m.after[context]
		k, _ := slices.BinarySearch(c.sums, int(u[i]*float64(c.sums[len(c.sums)-1]))+1)
		if c.bytes[k] == 0 {
			break
		}
		out = append(out, c.bytes[k])
	}
	return string(out)
}
