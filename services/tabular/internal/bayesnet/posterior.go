package bayesnet

import (
	"math"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Marginal is the distribution of a categorical field given what the tree was built with.
func (t *Tree) Marginal(field int) ([]float64, error) { return t.Joint([]int{field}) }

// Joint is the joint distribution of categorical fields that lie in one clique, as the parents of a field with the
// field do: all combinations of their levels, the last field changing fastest.
func (t *Tree) Joint(fields []int) ([]float64, error) {
	const op = "bayesnet.Joint"
	if err := t.net.checkTargets(op, fields, true); err != nil {
		return nil, err
	}
	vars := t.net.unknown(t.e, fields)
	f := &factor{cells: []float64{1}}
	if len(vars) > 0 {
		i := t.holder(vars)
		if i < 0 {
			return nil, fault.E(fault.Invalid, "NOT_IN_ONE_CLIQUE", op, "%d fields that lie in no clique of the tree; name "+
				"them together when it is built", len(vars))
		}
		f = t.cliques[i].belief.onto(vars, plus)
	}
	return t.net.spread(t.e, f, fields), nil
}

// spread scales a factor over the unknown ones of fields to a distribution over all combinations of levels of fields,
// in their order, the last changing fastest.
func (n *Network) spread(e *evidence, f *factor, fields []int) []float64 {
	var total float64
	for _, x := range f.cells {
		total += x
	}
	cells := 1
	steps := make([]int, len(fields))
	for i := len(fields) - 1; i >= 0; i-- {
		steps[i] = cells
		cells *= n.levels(fields[i])
	}
	out := make([]float64, cells)
	base := 0
	stepOf := make([]int, len(f.vars))
	for i, v := range fields {
		if j, ok := slices.BinarySearch(f.vars, v); ok {
			stepOf[j] = steps[i]
		} else {
			base += steps[i] * e.code(v, 0)
		}
	}
	c := &counter{card: f.card, value: make([]int, len(f.card))}
	for _, x := range f.cells {
		at := base
		for j, value := range c.value {
			at += stepOf[j] * e.code(f.vars[j], value)
		}
		out[at] = x / total
		c.next()
	}
	return out
}

// Number is the mean and the variance of a numeric field given what the tree was built with.
func (t *Tree) Number(field int) (mean, variance float64, err error) {
	const op = "bayesnet.Number"
	n := t.net
	if field < 0 || field >= len(n.nodes) || n.categorical(field) {
		return 0, 0, fault.E(fault.Invalid, "UNKNOWN_FIELD", op, "field %d is no numeric field", field)
	}
	w := t.views[n.groupOf[field]]
	f := &factor{cells: []float64{1}}
	if len(w.vars) > 0 {
		f = t.cliques[t.holder(w.vars)].belief.onto(w.vars, plus)
	}
	mean, variance = w.mixture(f, slices.Index(w.fields, field))
	return mean, variance, nil
}

// mixture is the mean and the variance of the field at i when f is, up to a factor, the probability of each
// configuration.
func (w *view) mixture(f *factor, i int) (mean, variance float64) {
	m := len(w.fields)
	var total float64
	means, spreads := make([]float64, len(f.cells)), make([]float64, len(f.cells))
	c := &counter{card: w.card, value: make([]int, len(w.card))}
	for k, p := range f.cells {
		if p > 0 {
			d := w.posterior(c.value)
			means[k], spreads[k] = d.mean[i], d.cov[i*m+i]
			total += p
			mean += float64(p * means[k])
		}
		c.next()
	}
	mean /= total
	for k, p := range f.cells {
		diff := means[k] - mean
		variance += float64(p * (spreads[k] + float64(diff*diff)))
	}
	return mean, max(0, variance/total)
}

// checkTargets refuses fields that are unknown, twice there or, for categorical, numeric, and joint distributions that
// are too large.
func (n *Network) checkTargets(op string, fields []int, categorical bool) error {
	cells := 1.0
	for i, v := range fields {
		if v < 0 || v >= len(n.nodes) {
			return fault.E(fault.Invalid, "UNKNOWN_FIELD", op, "there is no field %d, fields are 0 to %d", v, len(n.nodes)-1)
		}
		if slices.Contains(fields[:i], v) {
			return fault.E(fault.Invalid, "INVALID_TARGET", op, "field %q is asked for twice", n.schema.Fields[v].Name)
		}
		if n.categorical(v) {
			cells *= float64(n.levels(v))
		} else if categorical {
			return fault.E(fault.Invalid, "INVALID_TARGET", op, "field %q is numeric", n.schema.Fields[v].Name)
		}
	}
	if cells > MaxCells/8 {
		return fault.E(fault.Overloaded, "TOO_MANY_CELLS", op,
			"the joint distribution of the targets has %.3g cells, at most %d are answered", cells, MaxCells/8)
	}
	return nil
}

// Explanation is the most probable assignment of all unknown fields given what the tree was built with, with the
// logarithm of its probability with the evidence; of equally probable ones that with the lowest codes in the order of
// the tree. The network has no numeric field.
func (t *Tree) Explanation() (codes []int32, logProbability float64, err error) {
	n := t.net
	if len(n.groups) > 0 {
		return nil, 0, fault.E(fault.Invalid, "NUMERIC_FIELD", "bayesnet.Explanation",
			"the network has numeric fields; the most probable assignment is found for categorical ones")
	}
	best, err := n.propagate("bayesnet.Explanation", t.e, nil, math.Max)
	if err != nil {
		return nil, 0, err
	}
	codes = make([]int32, len(n.nodes))
	value := make([]int, len(n.nodes))
	for v := range codes {
		codes[v] = int32(t.e.code(v, 0)) //nolint:gosec // a level
	}
	for i := range best.cliques {
		c := &best.cliques[i]
		at, top := 0, -1.0
		k := &counter{card: c.card, value: make([]int, len(c.card))}
		for j, p := range c.belief.cells {
			if p > top && agrees(c, k.value, value) {
				at, top = j, p
			}
			k.next()
		}
		for j := len(c.vars) - 1; j >= 0; j-- {
			v := c.vars[j]
			value[v] = at % c.card[j]
			at /= c.card[j]
			codes[v] = int32(t.e.code(v, value[v])) //nolint:gosec // a level
		}
	}
	for v := range n.nodes {
		logProbability += tensor.LogF64(n.probability(v, codes))
	}
	return codes, logProbability, nil
}

// agrees says whether the values of a clique are those chosen before on the fields that it shares with its parent.
func agrees(c *clique, value, chosen []int) bool {
	for j, v := range c.vars {
		if _, ok := slices.BinarySearch(c.shared, v); ok && value[j] != chosen[v] {
			return false
		}
	}
	return true
}

// probability is P(level of v | levels of its parents) of categorical fields.
func (n *Network) probability(v int, codes []int32) float64 {
	q := 0
	for _, p := range n.discrete[v] {
		q = q*n.levels(p) + int(codes[p])
	}
	return n.nodes[v].Table[q*n.levels(v)+int(codes[v])]
}
