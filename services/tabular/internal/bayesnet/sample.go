package bayesnet

import (
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// What stands in for exact sampling where the junction tree is too large: a state chosen from as many weighted ones,
// and the sweeps of Gibbs sampling that it then makes.
const (
	resampled = 32
	mixing    = 64
)

// Sample implements model.Sampler. Without conditions fields are drawn forwards. With conditions rows come from the
// exact posterior: clique by clique through the junction tree, then the numeric fields from their conditional normal
// distribution. Where that is not affordable each row is chosen from 32 weighted ones and makes 64 sweeps of Gibbs
// sampling. Rows under an intervention are those of the network that Do returns.
func (n *Network) Sample(t *table.Table, s rng.Stream, first uint64, given []model.Term) error {
	const op = "bayesnet.Sample"
	if len(t.Columns) != len(n.nodes) {
		return fault.E(fault.Invalid, "INVALID_TABLE", op, "a table of %d columns for %d fields", len(t.Columns),
			len(n.nodes))
	}
	e, err := n.observe(op, given)
	if err != nil {
		return err
	}
	row := func(*state, uint64) error { return nil }
	if len(given) == 0 {
		row = func(x *state, i uint64) error {
			x.draws(s, i, 0, rng.Choice, rng.Noise)
			n.forward(e, x)
			return nil
		}
	} else if d, err := n.Conditioned(given); err == nil {
		row = func(x *state, i uint64) error {
			x.draws(s, i, 0, rng.Choice, rng.Noise)
			d.row(x)
			return nil
		}
	} else if fault.KindOf(err) == fault.Overloaded || isReason(err, "NO_CLOSED_FORM") {
		row = func(x *state, i uint64) error { return n.resample(op, e, x, s, i) }
	} else {
		return err
	}
	return inParallel(t.Rows, func(lo, hi int) error {
		x := n.newState()
		for i := lo; i < hi; i++ {
			if err := row(x, first+uint64(i)); err != nil { //nolint:gosec // not negative
				return err
			}
			n.put(t, i, x)
		}
		return nil
	})
}

// resample draws a row by importance resampling and Gibbs sweeps.
func (n *Network) resample(op string, e *evidence, s *state, stream rng.Stream, i uint64) error {
	logs := make([]float64, resampled)
	top := math.Inf(-1)
	for k := range logs {
		s.draws(stream, i, uint32(k), rng.Choice, rng.Noise) //nolint:gosec // small
		logs[k] = n.forward(e, s)
		top = max(top, logs[k])
	}
	if math.IsInf(top, -1) {
		if err := n.start(op, e, s, stream, i); err != nil {
			return err
		}
	} else {
		var sum float64
		for k, x := range logs {
			logs[k] = tensor.ExpF64(x - top)
			sum += logs[k]
		}
		for k := range logs {
			logs[k] /= sum
		}
		stream.Uniform64(s.u[:1], i, 0, rng.Swap)
		s.draws(stream, i, uint32(pick(logs, s.u[0])), rng.Choice, rng.Noise) //nolint:gosec // small
		n.forward(e, s)
	}
	for k := range uint32(mixing) {
		s.draws(stream, i, k, rng.Hidden, rng.Visible)
		n.sweep(e, s)
	}
	return nil
}

// Conditioned draws rows from the posterior of a network. It is made once for many rows.
type Conditioned struct {
	net    *Network
	e      *evidence
	stages []stage
	parts  []part
}

// stage draws the fields of a clique that its parents in the tree have not: P(fresh | shared), [shared, fresh].
type stage struct {
	shared, fresh         []int
	sharedCard, freshCard []int
	table                 []float64
}

// part draws the fields of a group of numeric fields, given the configuration of their categorical parents.
type part struct {
	w      *view
	places []normalDraw // by configuration
}

// normalDraw is mean + gains (x_cut - at) + root z.
type normalDraw struct {
	possible bool
	d        *normal
	root     []float64 // [M, M], lower: root root' is the covariance given the field that was cut
}

// Conditioned prepares to draw rows under conditions.
func (n *Network) Conditioned(given []model.Term) (*Conditioned, error) {
	t, err := n.Propagate(given, nil)
	if err != nil {
		return nil, err
	}
	d := &Conditioned{net: n, e: t.e}
	for i := range t.cliques {
		d.stages = append(d.stages, t.stage(&t.cliques[i]))
	}
	cells := 0
	for _, w := range t.views {
		if cells += size(w.card) * len(w.fields) * len(w.fields); cells > MaxCells {
			return nil, fault.E(fault.Overloaded, "TREEWIDTH", "bayesnet.Conditioned",
				"the numeric fields' distributions need more than %d cells", MaxCells)
		}
		p := part{w: w, places: make([]normalDraw, size(w.card))}
		c := &counter{card: w.card, value: make([]int, len(w.card))}
		for i := range p.places {
			p.places[i] = w.drawer(c.value)
			c.next()
		}
		d.parts = append(d.parts, p)
	}
	return d, nil
}

// stage is a clique's distribution given what it shares with its parent.
func (t *Tree) stage(c *clique) stage {
	s := stage{shared: c.shared}
	for i, v := range c.vars {
		if slices.Contains(c.shared, v) {
			s.sharedCard = append(s.sharedCard, c.card[i])
		} else {
			s.fresh, s.freshCard = append(s.fresh, v), append(s.freshCard, c.card[i])
		}
	}
	vars := append(append([]int(nil), s.shared...), s.fresh...)
	card := append(append([]int(nil), s.sharedCard...), s.freshCard...)
	k := newCounter(vars, card, []*factor{c.belief})
	s.table = make([]float64, len(c.belief.cells))
	for i := range s.table {
		s.table[i] = c.belief.cells[k.at[0]]
		k.next()
	}
	wide := size(s.freshCard)
	for at := 0; at < len(s.table); at += wide {
		var sum float64
		for _, x := range s.table[at : at+wide] {
			sum += x
		}
		if sum > 0 {
			for i := range wide {
				s.table[at+i] /= sum
			}
		}
	}
	return s
}

// drawer is the posterior of a view in the form that is drawn from.
func (w *view) drawer(value []int) normalDraw {
	m := len(w.fields)
	d := w.posterior(value)
	if math.IsInf(d.log, -1) {
		return normalDraw{}
	}
	if d.cut >= 0 { // what the others do given the field that was cut: take the rest of its variance away
		i := d.cut
		left := d.cov[i*m+i]
		mean := d.mean[i]
		d.follow(d.gains, i, d.at-mean, 0)
		for j := range m {
			for k := range m {
				d.cov[j*m+k] -= float64(float64(d.gains[j]*d.gains[k]) * left)
			}
		}
		for k := range m {
			d.cov[i*m+k], d.cov[k*m+i] = 0, 0
		}
	}
	return normalDraw{possible: true, d: d, root: cholesky(d.cov, m)}
}

// cholesky is the lower root of a positive semidefinite matrix; columns whose pivot is lost in rounding are zero.
func cholesky(a []float64, m int) []float64 {
	l := make([]float64, m*m)
	for j := range m {
		s := a[j*m+j]
		for k := range j {
			s -= float64(l[j*m+k] * l[j*m+k])
		}
		if s <= float64(singular*a[j*m+j]) || s <= 0 {
			continue
		}
		root := math.Sqrt(s)
		l[j*m+j] = root
		for i := j + 1; i < m; i++ {
			t := a[i*m+j]
			for k := range j {
				t -= float64(l[i*m+k] * l[j*m+k])
			}
			l[i*m+j] = t / root
		}
	}
	return l
}

// row draws all fields with the numbers of a state.
func (d *Conditioned) row(s *state) {
	value := s.value
	for i := range d.stages {
		g := &d.stages[i]
		at := 0
		for j, v := range g.shared {
			at = at*g.sharedCard[j] + value[v]
		}
		wide := size(g.freshCard)
		k := pick(g.table[at*wide:(at+1)*wide], s.u[g.fresh[0]])
		for j := len(g.fresh) - 1; j >= 0; j-- {
			value[g.fresh[j]] = k % g.freshCard[j]
			k /= g.freshCard[j]
		}
	}
	for v := range d.net.nodes {
		if d.net.categorical(v) {
			s.codes[v] = int32(d.e.code(v, value[v])) //nolint:gosec // a level
		}
	}
	for i := range d.parts {
		d.parts[i].row(d.e, s, value)
	}
}

func (p *part) row(e *evidence, s *state, value []int) {
	at := 0
	for j, v := range p.w.vars {
		at = at*p.w.card[j] + value[v]
	}
	g := &p.places[at]
	m := len(p.w.fields)
	var shift float64
	if g.d.cut >= 0 {
		v := p.w.fields[g.d.cut]
		shift = draw(g.d.at, g.d.dev, e.lo[v], e.hi[v], s.u[v]) - g.d.at
	}
	for i, v := range p.w.fields {
		x := g.d.mean[i]
		if g.d.cut >= 0 {
			x += float64(g.d.gains[i] * shift)
		}
		for k := range i + 1 {
			x += float64(g.root[i*m+k] * s.z[p.w.fields[k]])
		}
		if e.point(v) {
			x = e.lo[v]
		} else if e.interval(v) { // the sum may round beyond an end
			x = max(x, e.lo[v])
			if x >= e.hi[v] {
				x = math.Nextafter(e.hi[v], math.Inf(-1))
			}
		}
		s.numbers[v] = x
	}
}
