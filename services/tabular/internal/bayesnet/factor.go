package bayesnet

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// factor is a non-negative function of some categorical fields: cells times e^log.
type factor struct {
	vars  []int // ascending
	card  []int
	cells []float64 // the last field changing fastest
	log   float64
}

// size is the number of cells.
func size(card []int) int {
	n := 1
	for _, c := range card {
		n *= c
	}
	return n
}

// strides are the distances in cells between neighbouring values of each of vars in f; 0 of those that f lacks.
func (f *factor) strides(vars []int) []int {
	at := make([]int, len(vars))
	step := 1
	for i := len(f.vars) - 1; i >= 0; i-- {
		for j, v := range vars {
			if v == f.vars[i] {
				at[j] = step
			}
		}
		step *= f.card[i]
	}
	return at
}

// counter runs through the values of fields, the last changing fastest, and keeps the places in several factors.
type counter struct {
	card, value []int
	steps       [][]int // by factor, by field
	at          []int   // by factor
}

func newCounter(vars, card []int, fs []*factor) *counter {
	c := &counter{card: card, value: make([]int, len(card)), at: make([]int, len(fs))}
	for _, f := range fs {
		c.steps = append(c.steps, f.strides(vars))
	}
	return c
}

func (c *counter) next() {
	for j := len(c.card) - 1; j >= 0; j-- {
		if c.value[j]++; c.value[j] < c.card[j] {
			for k := range c.at {
				c.at[k] += c.steps[k][j]
			}
			return
		}
		c.value[j] = 0
		for k := range c.at {
			c.at[k] -= c.steps[k][j] * (c.card[j] - 1)
		}
	}
}

// multiply sums the product of fs over gone: the result is a function of keep. Products run in the order of fs, sums in
// that of the values of gone.
func multiply(fs []*factor, keep, keepCard, gone, goneCard []int, join func(a, b float64) float64) *factor {
	vars := append(append([]int(nil), keep...), gone...)
	card := append(append([]int(nil), keepCard...), goneCard...)
	out := &factor{vars: keep, card: keepCard, cells: make([]float64, size(keepCard))}
	for _, f := range fs {
		out.log += f.log
	}
	inner := size(goneCard)
	c := newCounter(vars, card, fs)
	for i := range out.cells {
		var s float64
		for range inner {
			p := 1.0
			for k, f := range fs {
				p *= f.cells[c.at[k]]
			}
			s = join(s, p)
			c.next()
		}
		out.cells[i] = s
	}
	out.scale()
	return out
}

func plus(a, b float64) float64 { return a + b }

// scale moves the power of two of the greatest cell into log, which loses no bit.
func (f *factor) scale() {
	var top float64
	for _, x := range f.cells {
		top = max(top, x)
	}
	if top == 0 {
		return
	}
	_, e := math.Frexp(top)
	if e > -32 && e < 32 {
		return
	}
	for i := range f.cells {
		f.cells[i] = math.Ldexp(f.cells[i], -e)
	}
	f.log += float64(float64(e) * math.Ln2)
}

// total is the logarithm of the sum of all values.
func (f *factor) total() float64 {
	var s float64
	for _, x := range f.cells {
		s += x
	}
	return tensor.LogF64(s) + f.log
}

// onto sums out what is not in keep, ascending, which f has.
func (f *factor) onto(keep []int, join func(a, b float64) float64) *factor {
	var keepCard, gone, goneCard []int
	i := 0
	for j, v := range f.vars {
		if i < len(keep) && keep[i] == v {
			keepCard = append(keepCard, f.card[j])
			i++
			continue
		}
		gone, goneCard = append(gone, v), append(goneCard, f.card[j])
	}
	return multiply([]*factor{f}, keep, keepCard, gone, goneCard, join)
}
