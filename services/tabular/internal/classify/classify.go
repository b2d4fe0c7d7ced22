// Package classify reads a Bayesian network in which one field is the class of all others as what it is: naive Bayes,
//
//	log-odds(c | x) = log P(c)/P(not c) + sum_f log P(x_f | c)/P(x_f | not c),
//
// with the terms taken one after the other, since "not c" is a mixture of the other classes whose weights change with
// every field that is known. For two classes each term is the ratio of the two likelihoods and does not depend on the
// order. (Kononenko, "Inductive and Bayesian learning in medical diagnosis", 1993.)
package classify

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// halfLog2Pi is log(2 pi)/2.
const halfLog2Pi = 0.91893853320467274178

// Naive is naive Bayes.
type Naive struct {
	*bayesnet.Network
	target int
}

// New checks that every field but the target has the target as its only parent.
func New(n *bayesnet.Network, target int) (*Naive, error) {
	const op = "classify.New"
	fields := n.Schema().Fields
	if target < 0 || target >= len(fields) || fields[target].Kind != table.Categorical ||
		len(fields[target].Levels) < 2 {
		return nil, fault.E(fault.Invalid, "BAD_TARGET", op,
			"the target is field %d of %d; it must have two levels or more", target, len(fields))
	}
	for v, d := range n.Nodes() {
		if v == target && len(d.Parents) == 0 || v != target && len(d.Parents) == 1 && d.Parents[0] == target {
			continue
		}
		return nil, fault.E(fault.Invalid, "NOT_NAIVE", op, "the field %.80q has %d parents; in naive Bayes the target "+
			"%.80q is the one parent of all others", fields[v].Name, len(d.Parents), fields[target].Name)
	}
	return &Naive{Network: n, target: target}, nil
}

// Target implements model.Explainer.
func (m *Naive) Target() int { return m.target }

// likelihoods writes log P(x_f | c) for every class; ok is false where the cell is missing.
func (m *Naive) likelihoods(dst []float64, t *table.Table, row, field int) (ok bool) {
	d, c := &m.Nodes()[field], &t.Columns[field]
	if c.Codes != nil {
		k := c.Codes[row]
		if k < 0 {
			return false
		}
		r := len(m.Schema().Fields[field].Levels)
		for q := range dst {
			dst[q] = tensor.LogF64(d.Table[q*r+int(k)])
		}
		return true
	}
	x := c.Numbers[row]
	if x != x {
		return false
	}
	for q := range dst {
		z := x - d.Mean[q]
		dst[q] = -halfLog2Pi - float64(0.5*tensor.LogF64(d.Variance[q])) - float64(z*z)/(2*d.Variance[q])
	}
	return true
}

// prior writes log P(c).
func (m *Naive) prior(dst []float64) {
	for q, p := range m.Nodes()[m.target].Table {
		dst[q] = tensor.LogF64(p)
	}
}

// Predict implements model.Explainer. A row that no class can have is given the prior.
func (m *Naive) Predict(dst []float64, t *table.Table) error {
	n := len(m.Schema().Fields[m.target].Levels)
	if len(dst) != n*t.Rows || len(t.Columns) != len(m.Nodes()) {
		return fault.E(fault.Invalid, "BAD_SHAPE", "classify.Predict", "%d numbers for %d rows of %d levels", len(dst),
			t.Rows, n)
	}
	one := make([]float64, n)
	for r := range t.Rows {
		row := dst[r*n : (r+1)*n]
		m.prior(row)
		for f := range t.Columns {
			if f != m.target && m.likelihoods(one, t, r, f) {
				for q, v := range one {
					row[q] += v
				}
			}
		}
		all := special.LogSum(row)
		if math.IsInf(all, -1) || all != all {
			copy(row, m.Nodes()[m.target].Table)
			continue
		}
		for q := range row {
			row[q] = tensor.ExpF64(row[q] - all)
		}
	}
	return nil
}

// Explain implements model.Explainer.
func (m *Naive) Explain(t *table.Table, row int, level int32) ([]model.Contribution, error) {
	n := len(m.Schema().Fields[m.target].Levels)
	if row < 0 || row >= t.Rows || level < 0 || int(level) >= n {
		return nil, fault.E(fault.Invalid, "BAD_SHAPE", "classify.Explain", "row %d of %d, level %d of %d", row, t.Rows,
			level, n)
	}
	log, one := make([]float64, n), make([]float64, n)
	m.prior(log)
	before := odds(log, level)
	all := []model.Contribution{{Field: -1, Nats: before}}
	for f := range t.Columns {
		if f == m.target || !m.likelihoods(one, t, row, f) {
			continue
		}
		for q, v := range one {
			log[q] += v
		}
		now := odds(log, level)
		nats := now - before
		if nats != nats {
			nats = 0 // both are infinite: the field decides nothing any more
		}
		all = append(all, model.Contribution{Field: f, Nats: nats})
		before = now
	}
	return all, nil
}

// odds is the logarithm of a class's odds against all others.
func odds(log []float64, level int32) float64 {
	others := make([]float64, 0, len(log))
	for q, v := range log {
		if q != int(level) {
			others = append(others, v)
		}
	}
	rest := special.LogSum(others)
	if math.IsInf(log[level], -1) && math.IsInf(rest, -1) {
		return 0
	}
	return log[level] - rest
}
