package structure

import (
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Partial is a graph with directed and undirected edges, such as the CPDAG that stands for all networks with the same
// independencies.
type Partial struct {
	F    int
	mark []bool // [F, F]: from u to v; both ways where undirected
}

func newPartial(F int) *Partial { return &Partial{F: F, mark: make([]bool, F*F)} }

// Adjacent says whether an edge joins u and v.
func (g *Partial) Adjacent(u, v int) bool { return g.mark[u*g.F+v] || g.mark[v*g.F+u] }

// Directed says whether there is an edge from u to v and none back.
func (g *Partial) Directed(u, v int) bool { return g.mark[u*g.F+v] && !g.mark[v*g.F+u] }

// Undirected says whether u and v are joined without direction.
func (g *Partial) Undirected(u, v int) bool { return g.mark[u*g.F+v] && g.mark[v*g.F+u] }

func (g *Partial) join(u, v int) { g.mark[u*g.F+v], g.mark[v*g.F+u] = true, true }

func (g *Partial) cut(u, v int) { g.mark[u*g.F+v], g.mark[v*g.F+u] = false, false }

func (g *Partial) direct(u, v int) { g.mark[u*g.F+v], g.mark[v*g.F+u] = true, false }

func (g *Partial) neighbours(v int) []int {
	var out []int
	for u := range g.F {
		if g.Adjacent(u, v) {
			out = append(out, u)
		}
	}
	return out
}

// Edges lists the edges; an undirected one from the lower field.
func (g *Partial) Edges() []model.Edge {
	var out []model.Edge
	for u := range g.F {
		for v := range g.F {
			if g.Directed(u, v) {
				out = append(out, model.Edge{From: u, To: v, Directed: true})
			} else if u < v && g.Undirected(u, v) {
				out = append(out, model.Edge{From: u, To: v})
			}
		}
	}
	return out
}

// meek directs every edge whose other direction would make a cycle or a new collider (Meek, 1995, rules 1 to 3).
func (g *Partial) meek() {
	for changed := true; changed; {
		changed = false
		for u := range g.F {
			for v := range g.F {
				if g.Undirected(u, v) && g.forced(u, v) {
					g.direct(u, v)
					changed = true
				}
			}
		}
	}
}

// forced says whether the undirected edge between u and v has to lead from u to v.
func (g *Partial) forced(u, v int) bool {
	for w := range g.F {
		if w == u || w == v {
			continue
		}
		// Rule 1: w -> u - v with w and v apart. Rule 2: u -> w -> v.
		if g.Directed(w, u) && !g.Adjacent(w, v) || g.Directed(u, w) && g.Directed(w, v) {
			return true
		}
		if !g.Undirected(u, w) || !g.Directed(w, v) {
			continue
		}
		// Rule 3: u - w -> v and u - x -> v with w and x apart.
		for x := range w {
			if x != u && x != v && g.Undirected(u, x) && g.Directed(x, v) && !g.Adjacent(w, x) {
				return true
			}
		}
	}
	return false
}

// Pattern is the CPDAG of a network: its skeleton with the directions that all networks of the same independencies
// share.
func Pattern(parents [][]int) *Partial {
	g := newPartial(len(parents))
	for v, list := range parents {
		for _, p := range list {
			g.join(p, v)
		}
	}
	for v, list := range parents {
		for i, p := range list {
			for _, q := range list[:i] {
				if !g.Adjacent(p, q) {
					g.direct(p, v)
					g.direct(q, v)
				}
			}
		}
	}
	g.meek()
	return g
}

// Extend directs all edges so that there are no cycles and no new colliders (Dor and Tarsi, 1992): the parents of each
// field. Where tests contradicted one another no such network exists, and the remaining edges go as the order of fields
// allows; exact tells.
func (g *Partial) Extend() (parents [][]int, exact bool, err error) {
	h := &Partial{F: g.F, mark: slices.Clone(g.mark)}
	parents = make([][]int, g.F)
	gone := make([]bool, g.F)
	exact = true
	for range g.F {
		v := h.sink(gone, true)
		if v < 0 {
			exact = false
			if v = h.sink(gone, false); v < 0 {
				return nil, false, fault.E(fault.Invalid, "CYCLIC_NETWORK", "structure.Extend",
					"the directed edges make a cycle")
			}
		}
		for u := range h.F {
			if h.mark[u*h.F+v] {
				parents[v] = append(parents[v], u)
			}
		}
		gone[v] = true
		for u := range h.F {
			h.cut(u, v)
		}
	}
	return parents, exact, nil
}

// sink is the lowest field without outgoing directed edges whose undirected neighbours, where whole is asked for, are
// joined with all its neighbours; -1 for none.
func (g *Partial) sink(gone []bool, whole bool) int {
fields:
	for v := range g.F {
		if gone[v] {
			continue
		}
		near := g.neighbours(v)
		for _, u := range near {
			if g.Directed(v, u) {
				continue fields
			}
			for _, w := range near {
				if whole && g.Undirected(u, v) && w != u && !g.Adjacent(u, w) {
					continue fields
				}
			}
		}
		return v
	}
	return -1
}

// Difference compares a found graph with the true one.
type Difference struct {
	Common, Missing, Extra int     // edges of the skeletons
	Precision, Recall, F1  float64 // of the skeleton
	// Hamming is the structural Hamming distance of the CPDAGs: edges to add, delete or give another direction
	// (Tsamardinos, Brown and Aliferis, 2006).
	Hamming int
}

// Compare compares two CPDAGs over the same fields.
func Compare(found, truth *Partial) Difference {
	var d Difference
	for u := range truth.F {
		for v := u + 1; v < truth.F; v++ {
			f, t := found.Adjacent(u, v), truth.Adjacent(u, v)
			switch {
			case f && t:
				d.Common++
				if found.mark[u*found.F+v] != truth.mark[u*truth.F+v] || found.mark[v*found.F+u] != truth.mark[v*truth.F+u] {
					d.Hamming++
				}
			case t:
				d.Missing++
				d.Hamming++
			case f:
				d.Extra++
				d.Hamming++
			}
		}
	}
	if d.Common > 0 {
		d.Precision = float64(d.Common) / float64(d.Common+d.Extra)
		d.Recall = float64(d.Common) / float64(d.Common+d.Missing)
		d.F1 = 2 * float64(d.Common) / float64(2*d.Common+d.Extra+d.Missing)
	}
	return d
}
