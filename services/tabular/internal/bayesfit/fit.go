package bayesfit

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Prior is a Dirichlet prior of every row of a table: Cell pseudo-counts for each level or, where Sample is positive,
// BDeu's Sample/(Q R), which amount to as many rows in all (Buntine, 1991; Heckerman, Geiger and Chickering, 1995).
// With neither it is maximum likelihood, and a configuration that was never seen has equal probabilities.
type Prior struct {
	Cell   float64 `json:"cell,omitempty"`
	Sample float64 `json:"sample,omitempty"`
}

func (p Prior) check(op string) error {
	for _, x := range []float64{p.Cell, p.Sample} {
		if !(x >= 0 && x <= 1e12) {
			return fault.E(fault.Invalid, "INVALID_PRIOR", op, "a prior of %v; allowed are 0 to 1e12", x)
		}
	}
	if p.Cell > 0 && p.Sample > 0 {
		return fault.E(fault.Invalid, "INVALID_PRIOR", op, "a prior of %v a cell and of %v rows; it has one of the two",
			p.Cell,
			p.Sample)
	}
	return nil
}

// cell is the pseudo-count of each cell of a table of the given size.
func (p Prior) cell(cells int) float64 {
	if p.Sample > 0 {
		return p.Sample / float64(cells)
	}
	return p.Cell
}

// Fit is the network that counts and prior make most probable (of the posterior, its mean).
func (c *Counts) Fit(p Prior) (*bayesnet.Network, error) {
	if err := p.check("bayesfit.Fit"); err != nil {
		return nil, err
	}
	nodes := make([]bayesnet.Node, len(c.parents))
	for v := range nodes {
		nodes[v].Parents = c.parents[v]
		if c.tables[v] == nil {
			c.fitLine(v, &nodes[v])
			continue
		}
		counts := make([]float64, len(c.tables[v]))
		for i, n := range c.tables[v] {
			counts[i] = float64(n)
		}
		nodes[v].Table = proportions(counts, len(c.schema.Fields[v].Levels), p.cell(len(counts)))
	}
	n, err := bayesnet.New(c.schema, nodes)
	if err != nil || c.noise == nil {
		return n, err
	}
	return n.WithPrivacy(*c.noise), nil
}

// proportions turns rows of r counts into probabilities.
func proportions(counts []float64, r int, prior float64) []float64 {
	out := make([]float64, len(counts))
	for at := 0; at < len(out); at += r {
		var sum float64
		for i := at; i < at+r; i++ {
			out[i] = counts[i] + prior
			sum += out[i]
		}
		for i := at; i < at+r; i++ {
			if sum > 0 {
				out[i] /= sum
			} else {
				out[i] = 1 / float64(r)
			}
		}
	}
	return out
}

// leastVariance is the part of a field's whole variance that noise has at least: a field that follows from its parents
// without error has a density all the same.
const leastVariance = 1e-9

// fitLine is least squares for each configuration; one with fewer rows than coefficients and one more takes those of
// all configurations together.
func (c *Counts) fitLine(v int, node *bayesnet.Node) {
	parents := c.split[v][table.Numeric]
	N, m := len(parents), len(parents)+2
	all := moment{product: make([]float64, m*m)}
	for _, w := range c.moments[v] {
		all.n += w.n
		for i, x := range w.product {
			all.product[i] += x
		}
	}
	whole := all.line(m)
	floor := max(float64(leastVariance*all.spread(m)), 1e-18)
	for _, w := range c.moments[v] {
		l := whole
		if w.n >= int64(N)+2 {
			l = w.line(m)
		}
		mean := l.mean + c.shift[v]
		for k, p := range parents {
			mean -= float64(l.weights[k] * c.shift[p])
		}
		node.Mean = append(node.Mean, mean)
		node.Weights = append(node.Weights, l.weights...)
		node.Variance = append(node.Variance, max(l.variance, floor))
	}
}

type lineFit struct {
	mean     float64
	weights  []float64
	variance float64
}

// spread is the variance of the field itself.
func (w *moment) spread(m int) float64 {
	if w.n == 0 {
		return 0
	}
	n := float64(w.n)
	last := m - 1
	mean := w.product[last*m] / n
	return max(0, w.product[last*m+last]/n-float64(mean*mean))
}

// line solves the normal equations of the centred products by Cholesky's method; a parent that follows from those
// before it has the weight zero.
func (w *moment) line(m int) lineFit {
	N := m - 2
	l := lineFit{weights: make([]float64, N), variance: 1}
	if w.n == 0 {
		return l
	}
	n := float64(w.n)
	mean := make([]float64, N+1)
	for i := range mean {
		mean[i] = w.product[(i+1)*m] / n
	}
	s := make([]float64, (N+1)*(N+1)) // covariances, the field last
	for i := range N + 1 {
		for j := range i + 1 {
			s[i*(N+1)+j] = w.product[(i+1)*m+j+1]/n - float64(mean[i]*mean[j])
		}
	}
	root := make([]float64, (N+1)*(N+1))
	for j := range N {
		d := s[j*(N+1)+j]
		whole := d
		for k := range j {
			d -= float64(root[j*(N+1)+k] * root[j*(N+1)+k])
		}
		if !(d > float64(1e-10*whole)) {
			continue
		}
		root[j*(N+1)+j] = math.Sqrt(d)
		for i := j + 1; i <= N; i++ {
			x := s[i*(N+1)+j]
			for k := range j {
				x -= float64(root[i*(N+1)+k] * root[j*(N+1)+k])
			}
			root[i*(N+1)+j] = x / root[j*(N+1)+j]
		}
	}
	l.variance = s[N*(N+1)+N]
	for k := range N {
		l.variance -= float64(root[N*(N+1)+k] * root[N*(N+1)+k])
	}
	for k := N - 1; k >= 0; k-- {
		d := root[k*(N+1)+k]
		if d == 0 {
			continue
		}
		x := root[N*(N+1)+k]
		for i := k + 1; i < N; i++ {
			x -= float64(root[i*(N+1)+k] * l.weights[i])
		}
		l.weights[k] = x / d
	}
	l.mean = mean[N]
	for k := range N {
		l.mean -= float64(l.weights[k] * mean[k])
	}
	return l
}
