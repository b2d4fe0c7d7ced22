package copula

import (
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// The limits of a copula.
const (
	MaxFields = 2048
	Knots     = 1025   // of a numeric field's distribution
	tries     = 10_000 // rows that are drawn for one that holds what is given
)

// Marginal is the distribution of one field.
type Marginal struct {
	Missing float64 // probability that it is not known
	// Quantiles of a numeric field at evenly spread probabilities from 0 to 1, ascending.
	Quantiles []float64
	// Shares of the levels of a categorical field; they add up to 1.
	Shares []float64
}

// Copula is a Gaussian copula.
type Copula struct {
	schema    *table.Schema
	Marginals []Marginal
	// Root is the lower Cholesky factor of R, [F, F].
	Root []float64
	ends [][]float64 // cumulative shares
}

// New makes a copula of its parts, which it checks.
func New(s *table.Schema, marginals []Marginal, root []float64) (*Copula, error) {
	const op = "copula.New"
	F := len(s.Fields)
	bad := func(format string, args ...any) error {
		return fault.E(fault.Corrupt, "BAD_COPULA", op, format, args...)
	}
	if F < 1 || F > MaxFields || len(marginals) != F || len(root) != F*F {
		return nil, bad("%d marginals and %d correlations for %d fields, of which there may be 1 to %d", len(marginals),
			len(root), F, MaxFields)
	}
	c := &Copula{schema: s, Marginals: marginals, Root: root, ends: make([][]float64, F)}
	for i := range root {
		if row, column := i/F, i%F; !(math.Abs(root[i]) <= 1+1e-9) || column > row && root[i] != 0 ||
			column == row && root[i] <= 0 {
			return nil, bad("the factor has %g at %d, %d", root[i], row, column)
		}
	}
	for j := range marginals {
		m, f := &marginals[j], &s.Fields[j]
		if !(m.Missing >= 0 && m.Missing <= 1) {
			return nil, bad("field %.80q is missing with probability %g", f.Name, m.Missing)
		}
		if f.Kind == table.Numeric {
			if len(m.Quantiles) != Knots || !slices.IsSorted(m.Quantiles) || m.Quantiles[0]-m.Quantiles[0] != 0 ||
				m.Quantiles[Knots-1]-m.Quantiles[Knots-1] != 0 {
				return nil, bad("the quantiles of %.80q are not %d finite numbers, ascending", f.Name, Knots)
			}
			continue
		}
		if len(m.Shares) != len(f.Levels) {
			return nil, bad("%d shares for the %d levels of %.80q", len(m.Shares), len(f.Levels), f.Name)
		}
		var sum float64
		for _, p := range m.Shares {
			if !(p >= 0) {
				return nil, bad("a share of %.80q is %g", f.Name, p)
			}
			sum += p
			c.ends[j] = append(c.ends[j], sum)
		}
		if math.Abs(sum-1) > 1e-9 {
			return nil, bad("the shares of %.80q add up to %g", f.Name, sum)
		}
	}
	return c, nil
}

// Schema implements model.Model.
func (c *Copula) Schema() *table.Schema { return c.schema }

// Fit finds marginals and correlations of rows.
func Fit(t *table.Table) (*Copula, error) {
	const op = "copula.Fit"
	F := len(t.Schema.Fields)
	if t.Rows < 2 || F < 1 || F > MaxFields {
		return nil, fault.E(fault.Invalid, "BAD_TABLE", op, "%d rows of %d fields; allowed are 2 rows or more of 1 to %d "+
			"fields", t.Rows, F, MaxFields)
	}
	marginals := make([]Marginal, F)
	scores, known := make([][]float64, F), make([][]bool, F)
	for j := range marginals {
		known[j] = knownCells(&t.Columns[j])
		if t.Columns[j].Codes != nil {
			marginals[j], scores[j] = levels(t.Columns[j].Codes, len(t.Schema.Fields[j].Levels))
		} else {
			marginals[j], scores[j] = numbers(t.Columns[j].Numbers)
		}
	}
	return New(t.Schema, marginals, cholesky(correlate(scores, known), F))
}

// density of the standard normal.
func density(x float64) float64 {
	if math.IsInf(x, 0) {
		return 0
	}
	return 0.3989422804014327 * tensor.ExpF64(-0.5*float64(x*x))
}

// levels are the shares of levels, and the normal score of every cell; 0 for one that is missing.
func levels(codes []int32, n int) (m Marginal, scores []float64) {
	counts, known := make([]int64, n), int64(0)
	for _, k := range codes {
		if k >= 0 {
			counts[k]++
			known++
		}
	}
	m = Marginal{Missing: float64(int64(len(codes))-known) / float64(len(codes)), Shares: make([]float64, n)}
	score := make([]float64, n)
	var below int64
	for k, c := range counts {
		if known == 0 {
			m.Shares[k] = 1 / float64(n)
			continue
		}
		m.Shares[k] = float64(c) / float64(known)
		if c > 0 {
			lo := special.NormalQuantile(float64(below) / float64(known))
			hi := special.NormalQuantile(float64(below+c) / float64(known))
			score[k] = (density(lo) - density(hi)) / m.Shares[k]
		}
		below += c
	}
	scores = make([]float64, len(codes))
	for i, k := range codes {
		if k >= 0 {
			scores[i] = score[k]
		}
	}
	return m, scores
}

// numbers are the quantiles of numbers, and the normal score of every cell; equal numbers share the mean of the normal
// over their part.
func numbers(x []float64) (m Marginal, scores []float64) {
	var order []int
	for i, v := range x {
		if v == v {
			order = append(order, i)
		}
	}
	m = Marginal{Missing: float64(len(x)-len(order)) / float64(len(x)), Quantiles: make([]float64, Knots)}
	scores = make([]float64, len(x))
	n := len(order)
	if n == 0 {
		return m, scores
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case x[a] < x[b]:
			return -1
		case x[a] > x[b]:
			return 1
		}
		return 0
	})
	for k := range m.Quantiles {
		at := float64(float64(k) / float64(Knots-1) * float64(n-1))
		i := int(at)
		m.Quantiles[k] = x[order[i]]
		if i+1 < n {
			m.Quantiles[k] += float64((at - float64(i)) * (x[order[i+1]] - x[order[i]]))
		}
	}
	for from := 0; from < n; {
		to := from + 1
		for to < n && x[order[to]] == x[order[from]] {
			to++
		}
		lo, hi := special.NormalQuantile(float64(from)/float64(n)), special.NormalQuantile(float64(to)/float64(n))
		s := (density(lo) - density(hi)) / (float64(to-from) / float64(n))
		for _, i := range order[from:to] {
			scores[i] = s
		}
		from = to
	}
	return m, scores
}

// correlate estimates R, [F, F], over the rows that have both cells. The score of a level is the mean of its part of
// the normal, so that for z and a field with levels E[z s] = rho Var(s), and rho = E[s s'] / Var(s) Var(s') is exact
// with one such field and right to first order with two (the polyserial and the polychoric correlation). A score of 0
// stands for a missing cell too, and adds nothing to any sum.
func correlate(scores [][]float64, known [][]bool) []float64 {
	F := len(scores)
	r, variance := make([]float64, F*F), make([]float64, F)
	for a := range F {
		var sum float64
		n := 0
		for i, x := range scores[a] {
			sum += float64(x * x)
			if known[a][i] {
				n++
			}
		}
		variance[a] = sum / float64(max(1, n))
	}
	for a := range F {
		r[a*F+a] = 1
		for b := range a {
			var ab float64
			n := 0
			for i, x := range scores[a] {
				if known[a][i] && known[b][i] {
					ab += float64(x * scores[b][i])
					n++
				}
			}
			if v := float64(variance[a] * variance[b]); v > 0 && n > 0 {
				r[a*F+b] = max(-0.999, min(0.999, ab/float64(n)/v))
			}
			r[b*F+a] = r[a*F+b]
		}
	}
	return r
}

// knownCells says which cells of a field are.
func knownCells(c *table.Column) []bool {
	out := make([]bool, max(len(c.Codes), len(c.Numbers)))
	for i := range out {
		out[i] = c.Codes != nil && c.Codes[i] >= 0 || c.Codes == nil && c.Numbers[i] == c.Numbers[i]
	}
	return out
}

// cholesky is the lower factor of a correlation matrix, moved towards independence as far as it takes to be positive
// definite: columns that follow from one another make it singular.
func cholesky(r []float64, F int) []float64 {
	for shrink := 0.0; ; shrink = max(1e-6, 4*shrink) {
		root := make([]float64, F*F)
		ok := true
		for i := 0; i < F && ok; i++ {
			for j := range i + 1 {
				s := r[i*F+j]
				if i != j {
					s *= 1 - min(1, shrink)
				}
				for k := range j {
					s -= float64(root[i*F+k] * root[j*F+k])
				}
				if i == j {
					if ok = s > 1e-9; ok {
						root[i*F+i] = math.Sqrt(s)
					}
					break
				}
				root[i*F+j] = s / root[j*F+j]
			}
		}
		if ok {
			return root
		}
	}
}

// Sample implements model.Sampler. Under conditions rows are drawn until one holds them; where ten thousand do not, the
// conditions are IMPOSSIBLE_EVIDENCE, or too rare to be found.
func (c *Copula) Sample(t *table.Table, s rng.Stream, first uint64, given []model.Term) error {
	const op = "copula.Sample"
	if err := model.CheckTerms(c.schema, "given", given); err != nil {
		return err
	}
	F := len(c.schema.Fields)
	w := &work{normal: make([]float64, F), uniform: make([]float64, F)}
	for i := range t.Rows {
		found := false
		for try := 0; try < tries && !found; try++ {
			c.row(t, i, s, first+uint64(i), uint32(try), w) //nolint:gosec // small
			found = true
			for k := range given {
				found = found && given[k].Holds(t, i)
			}
			if len(given) == 0 {
				break
			}
		}
		if !found {
			return fault.E(fault.Precondition, "IMPOSSIBLE_EVIDENCE", op,
				"none of %d rows that were drawn holds what is given: it is impossible, or too rare", tries)
		}
	}
	return nil
}

// work is the draws of one row.
type work struct{ normal, uniform []float64 }

func (c *Copula) row(t *table.Table, i int, s rng.Stream, sample uint64, step uint32, w *work) {
	F := len(w.normal)
	s.Uniform64(w.normal, sample, step, rng.Noise)
	s.Uniform64(w.uniform, sample, step, rng.Choice)
	for j, u := range w.normal {
		w.normal[j] = special.NormalQuantile(max(u, 0x1p-54))
	}
	for j := range F {
		var z float64
		for k := range j + 1 {
			z += float64(c.Root[j*F+k] * w.normal[k])
		}
		c.put(t, i, j, special.NormalCDF(z), w.uniform[j] < c.Marginals[j].Missing)
	}
}

// put writes the cell at the place u of a field's distribution.
func (c *Copula) put(t *table.Table, i, j int, u float64, missing bool) {
	f, column, m := &c.schema.Fields[j], &t.Columns[j], &c.Marginals[j]
	if f.Kind == table.Categorical {
		column.Codes[i] = table.Missing
		if !missing {
			k, found := slices.BinarySearch(c.ends[j], u)
			if found {
				k++
			}
			k = min(k, len(m.Shares)-1)
			for k > 0 && m.Shares[k] == 0 {
				k-- // rounding at the upper end
			}
			column.Codes[i] = int32(k) //nolint:gosec // a level
		}
		return
	}
	column.Numbers[i] = math.NaN()
	if missing {
		return
	}
	at := float64(u * (Knots - 1))
	k := min(int(at), Knots-2)
	x := m.Quantiles[k] + float64((at-float64(k))*(m.Quantiles[k+1]-m.Quantiles[k]))
	if f.Integer {
		x = math.Floor(x + 0.5)
	}
	column.Numbers[i] = x
}

// Correlation of two fields' normal scores.
func (c *Copula) Correlation(a, b int) float64 {
	F := len(c.schema.Fields)
	var r float64
	for k := range min(a, b) + 1 {
		r += float64(c.Root[a*F+k] * c.Root[b*F+k])
	}
	return r
}

// Edges implements model.Structured: pairs of fields whose scores are correlated.
func (c *Copula) Edges() (edges []model.Edge, score string) {
	for a := range c.schema.Fields {
		for b := a + 1; b < len(c.schema.Fields); b++ {
			if r := c.Correlation(a, b); math.Abs(r) >= 0.05 {
				edges = append(edges, model.Edge{From: a, To: b, Score: r})
			}
		}
	}
	return edges, "correlation of normal scores, 0.05 and more"
}
