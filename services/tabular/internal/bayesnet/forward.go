package bayesnet

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// state is one assignment of all fields, and room for the numbers that draw it.
type state struct {
	codes   []int32
	numbers []float64
	u, z    []float64 // a uniform and a normal number for each field
	weights []float64 // by level
	value   []int     // of each field among the levels that evidence allows
}

func (n *Network) newState() *state {
	F, most := len(n.nodes), 0
	for v := range n.nodes {
		most = max(most, n.levels(v))
	}
	s := &state{codes: make([]int32, F), numbers: make([]float64, F), u: make([]float64, F), weights: make([]float64,
		most),
		value: make([]int, F)}
	if len(n.groups) > 0 {
		s.z = make([]float64, F)
	}
	return s
}

// draws fills the uniform and normal numbers of a state.
func (s *state) draws(stream rng.Stream, sample uint64, step uint32, uniform, normal rng.Purpose) {
	stream.Uniform64(s.u, sample, step, uniform)
	if s.z != nil {
		stream.Normal64(s.z, sample, step, normal)
	}
}

// row is the configuration of v's categorical parents.
func (n *Network) row(v int, codes []int32) int {
	q := 0
	for _, p := range n.discrete[v] {
		q = q*n.levels(p) + int(codes[p])
	}
	return q
}

// mean is that of a numeric field given its parents, and q their configuration.
func (n *Network) mean(v int, s *state) (mean float64, q int) {
	q = n.row(v, s.codes)
	node, parents := &n.nodes[v], n.numeric[v]
	mean = node.Mean[q]
	for k, p := range parents {
		mean += float64(node.Weights[q*len(parents)+k] * s.numbers[p])
	}
	return mean, q
}

// forward draws all fields, parents first: those that evidence leaves open from their distribution given their parents,
// restricted to what it allows. It returns the logarithm of the weight of the state, the product of the probabilities
// or densities of what evidence says of each field given its parents; -Inf, and no whole state, where that is zero.
func (n *Network) forward(e *evidence, s *state) float64 {
	var log float64
	for _, v := range n.order {
		var w float64
		if n.categorical(v) {
			w = n.forwardCode(e, s, v)
		} else {
			w = n.forwardNumber(e, s, v)
		}
		if w == 1 {
			continue
		}
		if !(w > 0) {
			return math.Inf(-1)
		}
		log += tensor.LogF64(w)
	}
	return log
}

func (n *Network) forwardCode(e *evidence, s *state, v int) float64 {
	r := n.levels(v)
	q := n.row(v, s.codes)
	p := n.nodes[v].Table[q*r : (q+1)*r]
	allowed := e.codes[v]
	if allowed == nil {
		s.codes[v] = int32(pick(p, s.u[v])) //nolint:gosec // a level
		return 1
	}
	var mass float64
	for _, c := range allowed {
		mass += p[c]
	}
	rest := float64(s.u[v] * mass)
	s.codes[v] = -1
	for _, c := range allowed {
		if p[c] > 0 {
			s.codes[v] = c
			if rest -= p[c]; rest < 0 {
				break
			}
		}
	}
	return mass
}

// pick is the first level at which the probabilities add up to more than u; the last possible one where rounding leaves
// none.
func pick(p []float64, u float64) int {
	last := 0
	for i, x := range p {
		if x > 0 {
			if u -= x; u < 0 {
				return i
			}
			last = i
		}
	}
	return last
}

func (n *Network) forwardNumber(e *evidence, s *state, v int) float64 {
	mean, q := n.mean(v, s)
	dev := math.Sqrt(n.nodes[v].Variance[q])
	lo, hi := e.lo[v], e.hi[v]
	switch {
	case !e.given[v]:
		s.numbers[v] = mean + float64(dev*s.z[v])
		return 1
	case n.fixed[v]:
		s.numbers[v] = mean
		if mean == lo || mean > lo && mean < hi {
			return 1
		}
		return 0
	case lo == hi:
		s.numbers[v] = lo
		return density((lo-mean)/dev) / dev
	}
	s.numbers[v] = draw(mean, dev, lo, hi, s.u[v])
	return normalMass((lo-mean)/dev, (hi-mean)/dev)
}

// holds says whether a state satisfies all terms.
func (n *Network) holds(terms []model.Term, s *state) bool {
	for i := range terms {
		t := &terms[i]
		if n.schema.Fields[t.Field].Kind == table.Numeric {
			if x := s.numbers[t.Field]; x < t.Lo || x >= t.Hi && x != t.Lo {
				return false
			}
			continue
		}
		found := false
		for _, c := range t.Codes {
			found = found || c == s.codes[t.Field]
		}
		if !found {
			return false
		}
	}
	return true
}

// put writes a state into row i of a table.
func (n *Network) put(t *table.Table, i int, s *state) {
	for v := range n.nodes {
		if c := &t.Columns[v]; c.Codes != nil {
			c.Codes[i] = s.codes[v]
		} else {
			c.Numbers[i] = s.numbers[v]
		}
	}
}

// grain is the rows that a thread takes at a time.
const grain = 512

// inParallel calls work for stretches of rows that cover 0 to rows-1, on several threads. The first error in the order
// of rows is returned.
func inParallel(rows int, work func(lo, hi int) error) error {
	parts := (rows + grain - 1) / grain
	errs := make([]error, parts)
	var next atomic.Int64
	run := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= parts {
				return
			}
			errs[i] = work(i*grain, min(rows, (i+1)*grain))
		}
	}
	var wait sync.WaitGroup
	for range min(tensor.Threads(), parts) - 1 {
		wait.Go(run)
	}
	run()
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
