package bayesnet

import (
	"errors"
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

func isReason(err error, reason string) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Reason == reason
}

// Score implements model.Scorer: the logarithm of the probability of every row, times the density of its numeric cells.
// Missing cells are summed out: by leaving their fields away where nothing known depends on them, else by variable
// elimination. An impossible row has -Inf.
func (n *Network) Score(dst []float64, t *table.Table) error {
	const op = "bayesnet.Score"
	if len(t.Columns) != len(n.nodes) || len(dst) < t.Rows {
		return fault.E(fault.Invalid, "INVALID_TABLE", op,
			"a table of %d columns and %d rows for %d fields and room for %d",
			len(t.Columns), t.Rows, len(n.nodes), len(dst))
	}
	return inParallel(t.Rows, func(lo, hi int) error {
		s := n.newState()
		for i := lo; i < hi; i++ {
			x, err := n.scoreRow(op, t, i, s)
			if err != nil {
				return err
			}
			dst[i] = x
		}
		return nil
	})
}

func (n *Network) scoreRow(op string, t *table.Table, i int, s *state) (float64, error) {
	missing := false
	for v := range n.nodes {
		if c := &t.Columns[v]; n.categorical(v) {
			s.codes[v] = c.Codes[i]
			if s.codes[v] < table.Missing || int(s.codes[v]) >= n.levels(v) {
				return 0, fault.E(fault.Invalid, "INVALID_TABLE", op, "row %d has the code %d of %q, codes are 0 to %d", i,
					s.codes[v], n.schema.Fields[v].Name, n.levels(v)-1)
			}
			missing = missing || s.codes[v] == table.Missing
		} else {
			s.numbers[v] = c.Numbers[i]
			missing = missing || math.IsNaN(s.numbers[v])
		}
	}
	if missing {
		return n.scoreKnown(op, s)
	}
	var sum float64
	for v := range n.nodes {
		sum += n.logDensity(v, s)
	}
	return sum, nil
}

// logDensity is that of one field given its parents.
func (n *Network) logDensity(v int, s *state) float64 {
	if n.categorical(v) {
		return tensor.LogF64(n.probability(v, s.codes))
	}
	mean, q := n.mean(v, s)
	variance, d := n.nodes[v].Variance[q], s.numbers[v]-mean
	if variance == 0 {
		if d != 0 {
			return math.Inf(-1)
		}
		return 0
	}
	return -logSqrt2Pi - float64(0.5*tensor.LogF64(variance)) - float64(0.5*float64(d*d))/variance
}

// scoreKnown sums the missing cells out.
func (n *Network) scoreKnown(op string, s *state) (float64, error) {
	e := n.noEvidence()
	for v := range n.nodes {
		if n.categorical(v) {
			if s.codes[v] != table.Missing {
				e.codes[v] = s.codes[v : v+1]
			}
		} else if x := s.numbers[v]; !math.IsNaN(x) {
			e.given[v], e.lo[v], e.hi[v] = true, x, x
		}
	}
	fs, err := n.factors(op, e, n.relevant(e, nil))
	if isReason(err, "IMPOSSIBLE_EVIDENCE") {
		return math.Inf(-1), nil
	}
	if err != nil {
		return 0, err
	}
	f, err := n.eliminate(op, e, fs, nil)
	if err != nil {
		return 0, err
	}
	return f.total(), nil
}
