package bayesnet

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// The chains of a Gibbs query, the sweeps that each makes before it counts, the stretches in which it is cut for the
// standard error, and the states that are tried to start from.
const (
	gibbsChains  = 16
	gibbsBurn    = 200
	gibbsBatches = 8
	gibbsStarts  = 1000
)

// start draws a state that what is given allows, forwards.
func (n *Network) start(op string, e *evidence, s *state, stream rng.Stream, chain uint64) error {
	for k := range uint32(gibbsStarts) {
		s.draws(stream, chain, k, rng.Chain, rng.Ancestor)
		if n.forward(e, s) > math.Inf(-1) {
			return nil
		}
	}
	return impossible(op, "no state that what is given allows was found in %d draws: it is impossible, or too rare for "+
		"sampling", gibbsStarts)
}

// sweep draws every unknown field, in the order of fields, given all others (Geman and Geman, 1984; Pearl, 1987): from
// its distribution given its parents times those of its children given theirs.
func (n *Network) sweep(e *evidence, s *state) {
	for v := range n.nodes {
		switch {
		case n.categorical(v):
			if n.card(e, v) > 1 {
				n.sweepCode(e, s, v)
			}
		case !n.fixed[v] && !e.point(v):
			n.sweepNumber(e, s, v)
		}
	}
}

func (n *Network) sweepCode(e *evidence, s *state, v int) {
	r, k := n.levels(v), n.card(e, v)
	p := n.nodes[v].Table[n.row(v, s.codes)*r:]
	w := s.weights[:k]
	for i := range w {
		w[i] = p[e.code(v, i)]
	}
	densities := false
	for _, c := range n.children[v] {
		if !n.categorical(c) {
			densities = true
			continue
		}
		for i := range w {
			if w[i] > 0 {
				s.codes[v] = int32(e.code(v, i)) //nolint:gosec // a level
				w[i] *= n.probability(c, s.codes)
			}
		}
	}
	if densities {
		n.weighDensities(e, s, v, w)
	}
	var sum float64
	for _, x := range w {
		sum += x
	}
	for i := range w {
		w[i] /= sum
	}
	s.codes[v] = int32(e.code(v, pick(w, s.u[v]))) //nolint:gosec // a level
}

// weighDensities multiplies the weights of the levels of v with the densities of its numeric children, scaled so that
// the greatest product is 1.
func (n *Network) weighDensities(e *evidence, s *state, v int, w []float64) {
	top := math.Inf(-1)
	for i := range w {
		if w[i] == 0 {
			w[i] = math.Inf(-1)
			continue
		}
		s.codes[v] = int32(e.code(v, i)) //nolint:gosec // a level
		w[i] = tensor.LogF64(w[i])
		for _, c := range n.children[v] {
			if !n.categorical(c) {
				mean, q := n.mean(c, s)
				d, variance := s.numbers[c]-mean, n.nodes[c].Variance[q]
				w[i] -= float64(0.5*tensor.LogF64(variance)) + float64(0.5*float64(d*d))/variance
			}
		}
		top = max(top, w[i])
	}
	for i := range w {
		w[i] = tensor.ExpF64(w[i] - top)
	}
}

// sweepNumber draws a numeric field: its prior and its children's lines are Gaussian in it.
func (n *Network) sweepNumber(e *evidence, s *state, v int) {
	mean, q := n.mean(v, s)
	precision := 1 / n.nodes[v].Variance[q]
	pull := float64(mean * precision)
	for _, c := range n.children[v] {
		cMean, cq := n.mean(c, s)
		k := 0
		for n.numeric[c][k] != v {
			k++
		}
		w := n.nodes[c].Weights[cq*len(n.numeric[c])+k]
		rest := s.numbers[c] - (cMean - float64(w*s.numbers[v]))
		precision += float64(w*w) / n.nodes[c].Variance[cq]
		pull += float64(w*rest) / n.nodes[c].Variance[cq]
	}
	mean = pull / precision
	dev := math.Sqrt(1 / precision)
	if e.interval(v) {
		s.numbers[v] = draw(mean, dev, e.lo[v], e.hi[v], s.u[v])
		return
	}
	s.numbers[v] = mean + float64(dev*s.z[v])
}

// byGibbs counts the states of several chains. Where tables hold zeros a chain may not reach every state; likelihood
// weighting does. The evidence's probability is not estimated: it is NaN.
func (k *question) byGibbs(op string) (*model.Answer, error) {
	batch := (k.samples() + gibbsChains*gibbsBatches - 1) / (gibbsChains * gibbsBatches)
	each := batch * gibbsBatches
	samples := each * gibbsChains
	d := k.newDrawn(samples)
	categorical, numeric := k.split()
	err := inParallel(gibbsChains*grain, func(lo, _ int) error { // one chain a part
		chain := lo / grain
		s := k.net.newState()
		if err := k.net.start(op, k.e, s, k.Stream, uint64(chain)); err != nil { //nolint:gosec // not negative
			return err
		}
		for i := range gibbsBurn + each {
			s.draws(k.Stream, uint64(chain), uint32(i), rng.Hidden, rng.Visible) //nolint:gosec // not negative
			k.net.sweep(k.e, s)
			if i >= gibbsBurn {
				k.keep(d, chain*each+i-gibbsBurn, s, categorical, numeric)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	weights := make([]float64, samples)
	for i := range weights {
		weights[i] = 1
	}
	a := k.estimate(model.Gibbs, d, weights, float64(samples))
	a.Evidence = math.NaN()
	k.batchErrors(a, d, batch)
	return a, nil
}

// batchErrors are standard errors from the means of batches, which are nearly independent although states are not.
func (k *question) batchErrors(a *model.Answer, d *drawn, batch int) {
	batches := len(d.cell) / batch
	var spread, errors float64
	counts := make([]float64, len(a.Cells)*batches)
	for i := range d.cell {
		if c := k.cellOf(d, i); c >= 0 && len(counts) > 0 {
			counts[c*batches+i/batch]++
		}
	}
	for c, p := range a.Cells {
		var sum float64
		for _, x := range counts[c*batches : (c+1)*batches] {
			diff := x/float64(batch) - p
			sum += float64(diff * diff)
		}
		square := sum / float64(batches*(batches-1))
		a.Errors[c] = math.Sqrt(square)
		errors += square
		spread += float64(p * (1 - p))
	}
	a.Effective = float64(len(d.cell))
	if errors > 0 {
		a.Effective = min(a.Effective, spread/errors)
	}
}
