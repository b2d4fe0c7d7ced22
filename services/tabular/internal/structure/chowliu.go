package structure

import (
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
)

// InformationUnit names the scores of a tree's edges.
const InformationUnit = "mutual information in nats"

// ChowLiu is the tree that is nearest to the data's distribution in the sense of Kullback and Leibler (Chow and Liu,
// 1968): the spanning tree of greatest mutual information, directed away from root. Of equal edges those between the
// lowest fields are taken. Fields that share no information with any other stay alone, and each further part of the
// forest is directed away from its lowest field. The parents of each field, and the edges with their mutual
// information, are returned.
func ChowLiu(p *Pairs, root int) (parents [][]int, edges []model.Edge, err error) {
	F := len(p.schema.Fields)
	if root < 0 || root >= F {
		return nil, nil, fault.E(fault.Invalid, "UNKNOWN_FIELD", "structure.ChowLiu", "the root %d is no field, 0 to %d",
			root,
			F-1)
	}
	type weighted struct {
		a, b int
		bits float64
	}
	var all []weighted
	for _, q := range p.all() {
		if x := q.information(); x > 0 {
			all = append(all, weighted{q.a, q.b, x})
		}
	}
	// The pairs lie in the order of their fields, which a stable sort keeps among equals: Kruskal's algorithm.
	slices.SortStableFunc(all, func(x, y weighted) int {
		switch {
		case x.bits > y.bits:
			return -1
		case x.bits < y.bits:
			return 1
		}
		return 0
	})
	part := make([]int, F)
	for v := range part {
		part[v] = v
	}
	find := func(v int) int {
		for part[v] != v {
			part[v] = part[part[v]]
			v = part[v]
		}
		return v
	}
	near := make([][]weighted, F)
	for _, e := range all {
		if a, b := find(e.a), find(e.b); a != b {
			part[a] = b
			near[e.a] = append(near[e.a], weighted{e.a, e.b, e.bits})
			near[e.b] = append(near[e.b], weighted{e.b, e.a, e.bits})
		}
	}
	parents = make([][]int, F)
	seen := make([]bool, F)
	for _, start := range append([]int{root}, sequence(F)...) {
		if seen[start] {
			continue
		}
		seen[start] = true
		for todo := []int{start}; len(todo) > 0; todo = todo[1:] {
			for _, e := range near[todo[0]] {
				if !seen[e.b] {
					seen[e.b] = true
					parents[e.b] = []int{e.a}
					edges = append(edges, model.Edge{From: e.a, To: e.b, Directed: true, Score: e.bits})
					todo = append(todo, e.b)
				}
			}
		}
	}
	sortEdges(edges)
	return parents, edges, nil
}

func sequence(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func sortEdges(edges []model.Edge) {
	slices.SortFunc(edges, func(a, b model.Edge) int {
		if a.From != b.From {
			return a.From - b.From
		}
		return a.To - b.To
	})
}

// Edges lists the edges of parents in the order of From, then To, without scores.
func Edges(parents [][]int) []model.Edge {
	var edges []model.Edge
	for v, list := range parents {
		for _, p := range list {
			edges = append(edges, model.Edge{From: p, To: v, Directed: true})
		}
	}
	sortEdges(edges)
	return edges
}
