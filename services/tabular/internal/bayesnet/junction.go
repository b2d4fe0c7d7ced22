package bayesnet

import (
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Tree is a junction tree after one propagation (Lauritzen and Spiegelhalter, 1988; Hugin's form of Jensen): cliques
// that hold the joint distribution of their fields and what is given. It answers for all fields at once.
type Tree struct {
	net     *Network
	e       *evidence
	cliques []clique // parents before children
	log     float64  // the logarithm of the probability, or density, of what is given
	views   []*view  // by group; with all fields
}

type clique struct {
	vars   []int // ascending
	card   []int
	belief *factor
	parent int   // -1 of a root
	shared []int // fields that it has in common with its parent, ascending
	up     *factor
	fs     []*factor
}

// Propagate builds the junction tree of the network under interventions and evidence, and passes messages to its roots
// and back. Each set of fields in together lies in one clique, so that Joint answers for it.
func (n *Network) Propagate(given, do []model.Term, together ...[]int) (*Tree, error) {
	const op = "bayesnet.Propagate"
	m, e, err := n.prepare(op, given, do)
	if err != nil {
		return nil, err
	}
	return m.propagate(op, e, together, plus)
}

func (n *Network) propagate(op string, e *evidence, together [][]int, join func(a, b float64) float64) (*Tree, error) {
	t := &Tree{net: n, e: e}
	all := make([]bool, len(n.nodes))
	for v := range all {
		all[v] = true
	}
	fs, err := n.factors(op, e, all)
	if err != nil {
		return nil, err
	}
	var scopes [][]int
	for _, f := range fs {
		scopes = append(scopes, f.vars)
	}
	for _, fields := range together {
		scopes = append(scopes, n.unknown(e, fields))
	}
	for g := range n.groups {
		w, err := n.view(op, e, g, all)
		if err != nil {
			return nil, err
		}
		t.views = append(t.views, w)
		scopes = append(scopes, w.vars)
	}
	steps := plan(scopes, nil, func(v int) int { return n.card(e, v) })
	if err := affordable(op, steps, 0); err != nil {
		return nil, err
	}
	t.build(steps)
	if err := t.place(fs); err != nil {
		return nil, err
	}
	return t, t.pass(join)
}

// unknown are the categorical ones of fields of which several levels are possible, ascending.
func (n *Network) unknown(e *evidence, fields []int) []int {
	var out []int
	for _, v := range fields {
		if n.categorical(v) && n.card(e, v) > 1 {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// build makes the cliques from the last elimination to the first: each field's clique hangs below that of the first of
// its neighbours to go. Where it holds all of that one it takes its place.
func (t *Tree) build(steps []step) {
	at := make(map[int]int, len(steps)) // the clique in which a field was eliminated
	when := make(map[int]int, len(steps))
	for i, s := range steps {
		when[s.field] = i
	}
	for i := len(steps) - 1; i >= 0; i-- {
		s := steps[i]
		vars := append(append([]int(nil), s.rest...), s.field)
		slices.Sort(vars)
		if len(s.rest) == 0 {
			at[s.field] = len(t.cliques)
			t.cliques = append(t.cliques, clique{vars: vars, parent: -1})
			continue
		}
		first := s.rest[0]
		for _, v := range s.rest {
			if when[v] < when[first] {
				first = v
			}
		}
		p := at[first]
		if slices.Equal(t.cliques[p].vars, s.rest) {
			t.cliques[p].vars = vars
			at[s.field] = p
			continue
		}
		at[s.field] = len(t.cliques)
		t.cliques = append(t.cliques, clique{vars: vars, parent: p, shared: s.rest})
	}
	for i := range t.cliques {
		c := &t.cliques[i]
		for _, v := range c.vars {
			c.card = append(c.card, t.net.card(t.e, v))
		}
	}
}

// place gives every factor to the first clique that has all its fields.
func (t *Tree) place(fs []*factor) error {
	for _, f := range fs {
		if len(f.vars) == 0 {
			if f.cells[0] == 0 {
				return errZero
			}
			t.log += tensor.LogF64(f.cells[0]) + f.log
			continue
		}
		i := t.holder(f.vars)
		t.cliques[i].fs = append(t.cliques[i].fs, f)
	}
	return nil
}

// holder is the first clique that has all of vars; -1 where none has.
func (t *Tree) holder(vars []int) int {
	for i := range t.cliques {
		if subset(vars, t.cliques[i].vars) {
			return i
		}
	}
	return -1
}

// subset says whether the ascending a lies in the ascending b.
func subset(a, b []int) bool {
	i := 0
	for _, v := range b {
		if i < len(a) && a[i] == v {
			i++
		}
	}
	return i == len(a)
}

// pass sends messages from the leaves to the roots and, where join is the sum, back.
func (t *Tree) pass(join func(a, b float64) float64) error {
	for i := len(t.cliques) - 1; i >= 0; i-- {
		c := &t.cliques[i]
		c.belief = multiply(c.fs, c.vars, c.card, nil, nil, plus)
		c.fs = nil
		up := c.belief.onto(c.shared, join)
		if c.parent >= 0 {
			c.up = up
			p := &t.cliques[c.parent]
			p.fs = append(p.fs, up)
			continue
		}
		if up.cells[0] == 0 {
			return errZero
		}
		t.log += tensor.LogF64(up.cells[0]) + up.log
	}
	for i := range t.cliques {
		c := &t.cliques[i]
		if c.parent < 0 {
			continue
		}
		down := t.cliques[c.parent].belief.onto(c.shared, join)
		ratio := &factor{vars: down.vars, card: down.card, cells: down.cells, log: down.log - c.up.log}
		for j, x := range c.up.cells {
			if x == 0 {
				ratio.cells[j] = 0
				continue
			}
			ratio.cells[j] /= x
		}
		c.belief = multiply([]*factor{c.belief, ratio}, c.vars, c.card, nil, nil, plus)
		c.up = nil
	}
	return nil
}

// LogEvidence is the natural logarithm of the probability, or density, of what is given.
func (t *Tree) LogEvidence() float64 { return t.log }

// Cells is the number of cells of all cliques.
func (t *Tree) Cells() int {
	n := 0
	for i := range t.cliques {
		n += size(t.cliques[i].card)
	}
	return n
}
