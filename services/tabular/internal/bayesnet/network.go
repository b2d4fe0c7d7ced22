package bayesnet

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// The limits of a network.
const (
	MaxFields  = 4096    // fields
	MaxParents = 64      // parents of a field
	MaxTable   = 1 << 24 // probabilities, or coefficients, of a field
	MaxCells   = 1 << 23 // cells of all tables that an exact answer needs at a time
	MaxLevels  = 1 << 16 // levels of a field
	rowSlack   = 1e-6    // by which the probabilities of a row may miss 1
	rowExact   = 1e-12   // from which on New scales them: what it scaled once it leaves alone
)

// Node is the distribution of a field given its parents.
type Node struct {
	Parents []int `json:"parents,omitempty"` // fields; the order is that of the configurations and of the weights
	// Table is P(level | configuration) of a categorical field, [Q, R].
	Table []float64 `json:"table,omitempty"`
	// A numeric field is Mean[q] + sum_k Weights[q, k] parent_k + noise of variance Variance[q] > 0; [Q], [Q, N], [Q].
	Mean     []float64 `json:"mean,omitempty"`
	Weights  []float64 `json:"weights,omitempty"`
	Variance []float64 `json:"variance,omitempty"`
}

// Network is a Bayesian network over the fields of a schema.
type Network struct {
	schema   *table.Schema
	nodes    []Node
	order    []int   // parents before children, of several the lowest field first
	children [][]int // ascending
	discrete [][]int // categorical parents of each field, in the order of Parents
	numeric  [][]int // numeric parents of each field, in the order of Parents
	groups   []group // numeric fields that are linked
	groupOf  []int   // of each numeric field; -1 of a categorical one
	fixed    []bool  // numeric fields that an intervention set: their variance is zero
	privacy  *Privacy
}

// New makes a network with a node for each field. It checks it: parents that are fields and differ, a numeric field is
// no parent of a categorical one, no cycle, tables of the right size whose rows are probabilities and add up to 1
// within 1e-6 (they are then scaled to do so), finite coefficients, positive variances. The network keeps what it is
// given.
func New(s *table.Schema, nodes []Node) (*Network, error) {
	n := &Network{schema: s, nodes: nodes}
	if len(nodes) != len(s.Fields) {
		return nil, invalid("bayesnet.New", "%d nodes for %d fields", len(nodes), len(s.Fields))
	}
	if len(nodes) == 0 || len(nodes) > MaxFields {
		return nil, invalid("bayesnet.New", "%d fields; a network has 1 to %d", len(nodes), MaxFields)
	}
	if err := n.link(); err != nil {
		return nil, err
	}
	for v := range nodes {
		if err := n.check(v); err != nil {
			return nil, err
		}
	}
	n.groupFields()
	return n, nil
}

func invalid(op, format string, args ...any) *fault.Error {
	return fault.E(fault.Invalid, "INVALID_NETWORK", op, format, args...)
}

// link finds children, kinds of parents and the order, and refuses cycles.
func (n *Network) link() error {
	F := len(n.nodes)
	n.children, n.discrete, n.numeric = make([][]int, F), make([][]int, F), make([][]int, F)
	n.fixed = make([]bool, F)
	waiting := make([]int, F)
	for v := range n.nodes {
		f, parents := &n.schema.Fields[v], n.nodes[v].Parents
		if len(parents) > MaxParents {
			return invalid("bayesnet.New", "field %q has %d parents, at most %d", f.Name, len(parents), MaxParents)
		}
		for i, p := range parents {
			if p < 0 || p >= F || p == v {
				return invalid("bayesnet.New", "field %q has the parent %d; the parents are other fields, 0 to %d",
					f.Name, p, F-1)
			}
			for _, q := range parents[:i] {
				if p == q {
					return invalid("bayesnet.New", "field %q has the parent %q twice", f.Name, n.schema.Fields[p].Name)
				}
			}
			if n.schema.Fields[p].Kind == table.Numeric {
				if f.Kind == table.Categorical {
					return invalid("bayesnet.New", "the numeric field %q cannot be a parent of the categorical field %q",
						n.schema.Fields[p].Name, f.Name)
				}
				n.numeric[v] = append(n.numeric[v], p)
			} else {
				n.discrete[v] = append(n.discrete[v], p)
			}
			n.children[p] = append(n.children[p], v)
		}
		waiting[v] = len(parents)
	}
	ready := &intHeap{}
	for v, w := range waiting {
		if w == 0 {
			ready.push(v)
		}
	}
	for len(*ready) > 0 {
		v := ready.pop()
		n.order = append(n.order, v)
		for _, c := range n.children[v] {
			if waiting[c]--; waiting[c] == 0 {
				ready.push(c)
			}
		}
	}
	if len(n.order) < F {
		return n.cycle(waiting)
	}
	return nil
}

// cycle names a field on a cycle.
func (n *Network) cycle(waiting []int) error {
	v := 0
	for waiting[v] == 0 {
		v++
	}
	// Every waiting field has a waiting parent: after as many steps as there are fields one is on a cycle.
	for range n.nodes {
		for _, p := range n.nodes[v].Parents {
			if waiting[p] > 0 {
				v = p
				break
			}
		}
	}
	return fault.E(fault.Invalid, "CYCLIC_NETWORK", "bayesnet.New",
		"field %q is its own ancestor; the edges of a network make no cycle", n.schema.Fields[v].Name)
}

// check looks at the numbers of a node.
func (n *Network) check(v int) error {
	f, node := &n.schema.Fields[v], &n.nodes[v]
	q, err := n.configurations(v)
	if err != nil {
		return err
	}
	if f.Kind == table.Numeric {
		return n.checkNumeric(v, q)
	}
	r := len(f.Levels)
	if r < 1 || r > MaxLevels {
		return invalid("bayesnet.New", "field %q has %d levels, 1 to %d are allowed", f.Name, r, MaxLevels)
	}
	if q > MaxTable/r || len(node.Table) != q*r {
		return invalid("bayesnet.New", "the table of %q has %d probabilities; %d levels under %d configurations of its "+
			"parents need %.0f, at most %d", f.Name, len(node.Table), r, q, float64(q)*float64(r), MaxTable)
	}
	for c := range q {
		row := node.Table[c*r : (c+1)*r]
		var sum float64
		for _, p := range row {
			if !(p >= 0 && p <= 1+rowSlack) {
				return invalid("bayesnet.New", "the table of %q has the probability %v, allowed are 0 to 1", f.Name, p)
			}
			sum += p
		}
		if math.Abs(sum-1) > rowSlack {
			return invalid("bayesnet.New", "row %d of the table of %q adds up to %v, not to 1", c, f.Name, sum)
		}
		if math.Abs(sum-1) > rowExact {
			for i := range row {
				row[i] /= sum
			}
		}
	}
	return nil
}

func (n *Network) checkNumeric(v, q int) error {
	f, node, k := &n.schema.Fields[v], &n.nodes[v], len(n.numeric[v])
	if len(node.Mean) != q || len(node.Variance) != q || len(node.Weights) != q*k {
		return invalid("bayesnet.New", "field %q has %d means, %d weights and %d variances; %d configurations and %d "+
			"numeric parents need %d, %d and %d", f.Name, len(node.Mean), len(node.Weights), len(node.Variance), q, k, q,
			q*k, q)
	}
	for _, x := range [][]float64{node.Mean, node.Weights} {
		for _, w := range x {
			if math.IsNaN(w) || math.IsInf(w, 0) {
				return invalid("bayesnet.New", "field %q has the coefficient %v; coefficients are finite", f.Name, w)
			}
		}
	}
	for _, w := range node.Variance {
		if !(w > 0 && w <= math.MaxFloat64) {
			return invalid("bayesnet.New", "field %q has the variance %v; variances are positive and finite", f.Name, w)
		}
	}
	return nil
}

// configurations is Q of a field.
func (n *Network) configurations(v int) (int, error) {
	q := 1
	for _, p := range n.discrete[v] {
		r := len(n.schema.Fields[p].Levels)
		if r < 1 || r > MaxLevels || q > MaxTable/r {
			return 0, invalid("bayesnet.New", "the parents of %q have too many configurations, at most %d",
				n.schema.Fields[v].Name, MaxTable)
		}
		q *= r
	}
	return q, nil
}

// Schema is the fields.
func (n *Network) Schema() *table.Schema { return n.schema }

// Nodes is the distributions, one a field. They must not be changed.
func (n *Network) Nodes() []Node { return n.nodes }

// Order lists the fields, parents before children.
func (n *Network) Order() []int { return n.order }

func (n *Network) categorical(v int) bool { return n.schema.Fields[v].Kind == table.Categorical }

func (n *Network) levels(v int) int { return len(n.schema.Fields[v].Levels) }

// intHeap gives the least number first.
type intHeap []int

func (h *intHeap) push(v int) {
	*h = append(*h, v)
	for i := len(*h) - 1; i > 0 && (*h)[i] < (*h)[(i-1)/2]; i = (i - 1) / 2 {
		(*h)[i], (*h)[(i-1)/2] = (*h)[(i-1)/2], (*h)[i]
	}
}

func (h *intHeap) pop() int {
	a := *h
	top, last := a[0], len(a)-1
	a[0] = a[last]
	a = a[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c+1 < last && a[c+1] < a[c] {
			c++
		}
		if c >= last || a[i] <= a[c] {
			break
		}
		a[i], a[c] = a[c], a[i]
		i = c
	}
	*h = a
	return top
}
