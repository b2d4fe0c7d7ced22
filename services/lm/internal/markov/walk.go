package markov

import (
	"slices"
	"sort"

	"github.com/manifold-gen/manifold/services/lm/internal/linear"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// MaxSteps is the greatest number of steps of After, and the longest Walk.
const MaxSteps = 1 << 40

// MaxWalk is the longest walk of one call.
const MaxWalk = 1 << 24

// After is the distribution n steps after from, or after the chain's start where from is nil. Up to 4 times as many
// steps as there are states it goes step by step, beyond that by powers of two of the matrix.
func (c *Chain) After(from []float64, steps int64) ([]float64, error) {
	n := c.n()
	if from == nil {
		from = c.start
	}
	if len(from) != n {
		return nil, bad("BAD_DISTRIBUTION", "%d values in the distribution, want %d", len(from), n)
	}
	if steps < 0 || steps > MaxSteps {
		return nil, bad("BAD_STEPS", "%d steps, want 0 to %d", steps, int64(MaxSteps))
	}
	d := slices.Clone(from)
	if err := distribution(d, "the distribution"); err != nil {
		return nil, err
	}
	if steps <= int64(4*n) {
		for range steps {
			d = linear.Multiply(d, c.p, 1, n, n)
		}
		return d, nil
	}
	for p := c.p; ; p = square(p, n) {
		if steps&1 == 1 {
			d = linear.Multiply(d, p, 1, n, n)
		}
		if steps >>= 1; steps == 0 {
			share(d)
			return d, nil
		}
	}
}

// square is p p. Its rows are divided by their sums: what rounding leaves of them would double with every square.
func square(p []float64, n int) []float64 {
	q := linear.Multiply(p, p, n, n, n)
	for i := range n {
		share(q[i*n : i*n+n])
	}
	return q
}

// block is how many draws share a step of the random stream.
const block = 4096

// Walker draws walks. It holds running sums of the rows.
type Walker struct {
	c    *Chain
	sums []float64 // n x n
	head []float64
}

// Walker makes a Walker.
func (c *Chain) Walker() *Walker {
	w := &Walker{c: c, sums: slices.Clone(c.p), head: slices.Clone(c.start)}
	running(w.head)
	for i := range c.n() {
		running(w.sums[i*c.n() : (i+1)*c.n()])
	}
	return w
}

func running(p []float64) {
	s := 0.0
	for i, v := range p {
		s += v
		p[i] = s
	}
}

// draw finds the first sum above u times the last one: a state of probability zero is never drawn.
func draw(sums []float64, u float64) int {
	u *= sums[len(sums)-1]
	i := sort.Search(len(sums)-1, func(i int) bool { return sums[i] > u })
	for i > 0 && sums[i] == sums[i-1] { // u was rounded up to the whole sum
		i--
	}
	return i
}

// Walk is a way of n states from the chain's start (from < 0) or from a state, which is the first of them. It depends
// on (seed, sample) alone: draw t of the walk has index t mod 4096 of step t/4096, so that a longer walk begins as a
// shorter one.
func (w *Walker) Walk(s rng.Stream, sample uint64, from, n int) ([]int32, error) {
	if n < 0 || n > MaxWalk || from >= w.c.n() {
		return nil, bad("BAD_STEPS", "%d steps from state %d, want 0 to %d from below %d", n, from, MaxWalk, w.c.n())
	}
	path, u := make([]int32, n), make([]float64, min(n, block))
	states := w.c.n()
	for t := range path {
		if t%block == 0 {
			s.Uniform64(u[:min(block, n-t)], sample, uint32(t/block), rng.Chain)
		}
		switch {
		case t > 0:
			i := int(path[t-1])
			path[t] = int32(draw(w.sums[i*states:(i+1)*states], u[t%block]))
		case from >= 0:
			path[t] = int32(from)
		default:
			path[t] = int32(draw(w.head, u[0]))
		}
	}
	return path, nil
}

// Score is the natural logarithm of a walk's probability under the chain; -Inf where a step is impossible.
func (c *Chain) Score(path []int32) (float64, error) {
	total := 0.0
	for t, x := range path {
		if x < 0 || int(x) >= c.n() {
			return 0, bad("UNKNOWN_STATE", "state %d at %d, want 0 to %d", x, t, c.n()-1)
		}
		p := c.start[x]
		if t > 0 {
			p = c.p[int(path[t-1])*c.n()+int(x)]
		}
		total += logOrInf(p)
	}
	return total, nil
}
