package bayesnet

import (
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// group is a set of numeric fields that edges among numeric fields connect, parents first. Given its categorical
// parents it is a multivariate normal vector; what is known of it is a factor over those parents.
type group struct{ fields []int }

// maxGroupWork bounds configurations times squared fields of a group in an exact answer.
const maxGroupWork = 1 << 27

// groupFields finds the groups in the order of their first field in n.order.
func (n *Network) groupFields() {
	n.groupOf = make([]int, len(n.nodes))
	for v := range n.groupOf {
		n.groupOf[v] = -1
	}
	for _, v := range n.order {
		if n.categorical(v) || n.groupOf[v] >= 0 {
			continue
		}
		g := len(n.groups)
		n.groupOf[v] = g
		for todo := []int{v}; len(todo) > 0; {
			u := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for _, near := range [][]int{n.numeric[u], n.children[u]} {
				for _, w := range near {
					if n.groupOf[w] < 0 {
						n.groupOf[w] = g
						todo = append(todo, w)
					}
				}
			}
		}
		n.groups = append(n.groups, group{})
	}
	for _, v := range n.order {
		if g := n.groupOf[v]; g >= 0 {
			n.groups[g].fields = append(n.groups[g].fields, v)
		}
	}
}

// view is a part of a group, closed under numeric parents, with the unknown ones of its categorical parents.
type view struct {
	net    *Network
	e      *evidence
	fields []int // parents first
	vars   []int // ascending
	card   []int
}

func (n *Network) view(op string, e *evidence, g int, mark []bool) (*view, error) {
	w := &view{net: n, e: e}
	for _, v := range n.groups[g].fields {
		if !mark[v] {
			continue
		}
		w.fields = append(w.fields, v)
		for _, p := range n.discrete[v] {
			if n.card(e, p) > 1 && !slices.Contains(w.vars, p) {
				w.vars = append(w.vars, p)
			}
		}
	}
	slices.Sort(w.vars)
	work := float64(len(w.fields)) * float64(len(w.fields))
	for _, v := range w.vars {
		w.card = append(w.card, n.card(e, v))
		work *= float64(n.card(e, v))
	}
	if work > maxGroupWork {
		return nil, fault.E(fault.Overloaded, "TREEWIDTH", op, "%d linked numeric fields under %.3g configurations of "+
			"their categorical parents are too many for an exact answer: ask for likelihood weighting or Gibbs sampling",
			len(w.fields), work/float64(len(w.fields)*len(w.fields)))
	}
	return w, nil
}

// configuration is the row of coefficients of a field, given the values of w.vars.
func (w *view) configuration(v int, value []int) int {
	q := 0
	for _, p := range w.net.discrete[v] {
		i := 0
		if j, ok := slices.BinarySearch(w.vars, p); ok {
			i = value[j]
		}
		q = q*w.net.levels(p) + w.e.code(p, i)
	}
	return q
}

// normal is a multivariate normal distribution of the fields of a view, some of them known.
type normal struct {
	w     *view
	mean  []float64
	cov   []float64 // [len(mean), len(mean)]
	log   float64   // the logarithm of the density, or probability, of what is known
	cut   int       // the place of the field that lies in an interval; -1
	lo    float64   // the probabilities below its ends, before it was cut
	hi    float64
	at    float64 // its mean and standard deviation before it was cut
	dev   float64
	gains []float64 // by which the others follow it
}

// prior is the distribution of the view under a configuration: x = mean + weights x_parents + noise, from the parents
// on.
func (w *view) prior(value []int) *normal {
	m := len(w.fields)
	d := &normal{w: w, mean: make([]float64, m), cov: make([]float64, m*m), cut: -1}
	for i, v := range w.fields {
		node := &w.net.nodes[v]
		parents := w.net.numeric[v]
		q := w.configuration(v, value)
		mean, row := node.Mean[q], d.cov[i*m:(i+1)*m]
		for k, p := range parents {
			weight, j := node.Weights[q*len(parents)+k], slices.Index(w.fields, p)
			mean += float64(weight * d.mean[j])
			for l := range i {
				row[l] += float64(weight * d.cov[j*m+l])
			}
		}
		d.mean[i] = mean
		variance := node.Variance[q]
		for k, p := range parents {
			variance += float64(node.Weights[q*len(parents)+k] * row[slices.Index(w.fields, p)])
		}
		row[i] = variance
		for l := range i {
			d.cov[l*m+i] = row[l]
		}
	}
	return d
}

const (
	logSqrt2Pi = 0.91893853320467274178032973640563761
	// singular is the part of its variance below which what is left of it counts as none.
	singular = 1e-13
)

// posterior is prior with what is known taken in, one field after another: first those that are equal to numbers, last
// the one that lies in an interval.
func (w *view) posterior(value []int) *normal {
	d := w.prior(value)
	m := len(w.fields)
	whole := make([]float64, m)
	for i := range whole {
		whole[i] = d.cov[i*m+i]
	}
	for i, v := range w.fields {
		if !w.e.point(v) {
			continue
		}
		x, s := w.e.lo[v], d.cov[i*m+i]
		diff := x - d.mean[i]
		if s <= float64(singular*whole[i]) { // it follows from the fields before it, or was set
			if math.Abs(diff) > float64(1e-9*max(1, math.Abs(x))) {
				d.log = math.Inf(-1)
				return d
			}
			continue
		}
		d.log -= logSqrt2Pi + float64(0.5*tensor.LogF64(s)) + float64(0.5*float64(diff*diff))/s
		d.follow(d.gain(i), i, diff, 1)
	}
	for i, v := range w.fields {
		if w.e.interval(v) {
			d.interval(i, w.e.lo[v], w.e.hi[v])
		}
	}
	return d
}

// gain is by how much each field follows the field at i: cov(j, i) / var(i).
func (d *normal) gain(i int) []float64 {
	m := len(d.mean)
	g := make([]float64, m)
	for j := range g {
		g[j] = d.cov[j*m+i] / d.cov[i*m+i]
	}
	g[i] = 1
	return g
}

// follow moves the mean of the field at i by diff and takes the part share of its variance away, and all others along.
func (d *normal) follow(g []float64, i int, diff, share float64) {
	m := len(d.mean)
	s := d.cov[i*m+i]
	for j := range d.mean {
		d.mean[j] += float64(g[j] * diff)
	}
	for j := range g {
		for k := range g {
			d.cov[j*m+k] -= float64(float64(float64(g[j]*g[k])*s) * share)
		}
	}
	if share == 1 {
		for k := range g {
			d.cov[i*m+k], d.cov[k*m+i] = 0, 0
		}
	}
}

// interval takes in that the field at i lies in [lo, hi).
func (d *normal) interval(i int, lo, hi float64) {
	m := len(d.mean)
	s := math.Sqrt(d.cov[i*m+i])
	if s == 0 {
		if d.mean[i] < lo || d.mean[i] >= hi {
			d.log = math.Inf(-1)
		}
		return
	}
	t := truncate(d.mean[i], s, lo, hi)
	if t.mass <= 0 {
		d.log = math.Inf(-1)
		return
	}
	d.cut, d.lo, d.hi, d.at, d.dev, d.gains = i, lo, hi, d.mean[i], s, d.gain(i)
	d.log += tensor.LogF64(t.mass)
	d.follow(d.gains, i, t.mean-d.mean[i], 1-t.share)
}

// truncated is a normal variable that lies in an interval.
type truncated struct {
	mass  float64 // its probability
	mean  float64
	share float64 // its variance over that of the whole
}

func truncate(mean, dev, lo, hi float64) truncated {
	a, b := (lo-mean)/dev, (hi-mean)/dev
	t := truncated{mass: normalMass(a, b)}
	if t.mass <= 0 {
		return t
	}
	pa, pb := density(a), density(b)
	shift := (pa - pb) / t.mass
	t.mean = mean + float64(dev*shift)
	t.share = 1 + (times(a, pa)-times(b, pb))/t.mass - float64(shift*shift)
	t.share = min(1, max(0, t.share))
	return t
}

// normalMass is the probability of [a, b) under the standard normal distribution, from the tail that loses less.
func normalMass(a, b float64) float64 {
	if a > 0 {
		return special.NormalCDF(-a) - special.NormalCDF(-b)
	}
	return special.NormalCDF(b) - special.NormalCDF(a)
}

func density(z float64) float64 {
	if math.IsInf(z, 0) {
		return 0
	}
	return tensor.ExpF64(-logSqrt2Pi - float64(float64(0.5*z)*z))
}

func times(z, p float64) float64 {
	if p == 0 {
		return 0
	}
	return z * p
}

// draw is the point of [lo, hi) below which the part u of a truncated normal variable's probability lies.
func draw(mean, dev, lo, hi, u float64) float64 {
	a, b := (lo-mean)/dev, (hi-mean)/dev
	var z float64
	if a > 0 {
		high, low := special.NormalCDF(-a), special.NormalCDF(-b)
		z = -special.NormalQuantile(high - float64(u*(high-low)))
	} else {
		low, high := special.NormalCDF(a), special.NormalCDF(b)
		z = special.NormalQuantile(low + float64(u*(high-low)))
	}
	x := mean + float64(dev*z)
	if math.IsNaN(x) || x < lo {
		x = lo
	}
	if x >= hi {
		x = math.Nextafter(hi, math.Inf(-1))
	}
	return x
}

// groupFactor is the density of what is known of a group as a function of its unknown categorical parents; nil where
// nothing is known. Two intervals in one group have no closed form.
func (n *Network) groupFactor(op string, e *evidence, g int) (*factor, error) {
	var known []int
	intervals := 0
	for _, v := range n.groups[g].fields {
		if e.given[v] {
			known = append(known, v)
		}
		if e.interval(v) {
			intervals++
		}
	}
	if len(known) == 0 {
		return nil, nil
	}
	if intervals > 1 {
		return nil, fault.E(fault.Invalid, "NO_CLOSED_FORM", op, "%d linked numeric fields are given intervals; an exact "+
			"answer allows one, the others equal to numbers: ask for likelihood weighting", intervals)
	}
	w, err := n.view(op, e, g, n.relevant(n.only(e, known), nil))
	if err != nil {
		return nil, err
	}
	f := &factor{vars: w.vars, card: w.card, cells: make([]float64, size(w.card))}
	c := &counter{card: w.card, value: make([]int, len(w.card))}
	top := math.Inf(-1)
	for i := range f.cells {
		f.cells[i] = w.posterior(c.value).log
		top = max(top, f.cells[i])
		c.next()
	}
	if math.IsInf(top, -1) {
		return nil, errZero
	}
	for i, x := range f.cells {
		f.cells[i] = tensor.ExpF64(x - top)
	}
	f.log = top
	return f, nil
}

// only is the evidence on the fields alone, as far as relevant looks at it.
func (n *Network) only(e *evidence, fields []int) *evidence {
	o := n.noEvidence()
	for _, v := range fields {
		o.given[v], o.lo[v], o.hi[v] = true, e.lo[v], e.hi[v]
	}
	return o
}
