package bayesnet

import (
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Edges implements model.Structured. An edge between categorical fields is worth the mutual information of its ends
// given the child's other parents, under the network's own distribution: how many nats the parent tells of the child
// that the others do not. Edges to numeric fields, and those of families too wide for the junction tree, have the score
// zero.
func (n *Network) Edges() (edges []model.Edge, score string) {
	var families [][]int
	for v := range n.nodes {
		if n.categorical(v) && len(n.nodes[v].Parents) > 0 {
			families = append(families, append(slices.Clone(n.nodes[v].Parents), v))
		}
	}
	t, err := n.Propagate(nil, nil, families...)
	for v := range n.nodes {
		var joint []float64
		parents := n.nodes[v].Parents
		if n.categorical(v) && err == nil && len(parents) > 0 {
			joint, _ = t.Joint(append(slices.Clone(parents), v))
		}
		for k, p := range parents {
			e := model.Edge{From: p, To: v, Directed: true}
			switch {
			case joint != nil:
				e.Score = n.information(joint, v, k)
			case err == nil && !n.categorical(p):
				e.Score = t.lineInformation(v, p)
			}
			edges = append(edges, e)
		}
	}
	slices.SortFunc(edges, func(a, b model.Edge) int {
		if a.From != b.From {
			return a.From - b.From
		}
		return a.To - b.To
	})
	return edges, "conditional mutual information in nats"
}

// information is I(v; its k-th parent | its other parents), from the joint distribution [Q, R] of the family.
func (n *Network) information(joint []float64, v, k int) float64 {
	r := n.levels(v)
	inner, levels := 1, n.levels(n.discrete[v][k])
	for _, p := range n.discrete[v][k+1:] {
		inner *= n.levels(p)
	}
	var sum float64
	for outer := range len(joint) / (inner * levels * r) {
		for i := range inner {
			sum += conditionalInformation(joint, r, levels, inner*r, outer*levels*inner*r+i*r)
		}
	}
	return max(0, sum)
}

// conditionalInformation is the part of one configuration of the other parents: sum p(x, y) log(p(x, y) p / p(x) p(y))
// with x at the distance step and y at 1.
func conditionalInformation(joint []float64, r, levels, step, at int) float64 {
	child := make([]float64, r)
	parent := make([]float64, levels)
	var all, sum float64
	for x := range levels {
		for y := range r {
			p := joint[at+x*step+y]
			parent[x] += p
			child[y] += p
			all += p
		}
	}
	for x := range levels {
		for y := range r {
			if p := joint[at+x*step+y]; p > 0 {
				sum += float64(p * tensor.LogF64(p*all/(parent[x]*child[y])))
			}
		}
	}
	return sum
}

// lineInformation is I(v; p | v's other parents, categories) of numeric fields: with the weight w, the noise s and the
// variance x that p has given the other numeric parents, log(1 + w^2 x / s)/2, the mean over configurations.
func (t *Tree) lineInformation(v, p int) float64 {
	n := t.net
	w := t.views[n.groupOf[v]]
	f := &factor{cells: []float64{1}}
	if len(w.vars) > 0 {
		f = t.cliques[t.holder(w.vars)].belief.onto(w.vars, plus)
	}
	parents := n.numeric[v]
	at, m := slices.Index(w.fields, p), len(w.fields)
	var total, sum float64
	c := &counter{card: w.card, value: make([]int, len(w.card))}
	for _, share := range f.cells {
		if share > 0 {
			d := w.prior(c.value)
			for _, o := range parents {
				if i := slices.Index(w.fields, o); o != p && d.cov[i*m+i] > 0 {
					d.follow(d.gain(i), i, 0, 1)
				}
			}
			q := w.configuration(v, c.value)
			weight := n.nodes[v].Weights[q*len(parents)+slices.Index(parents, p)]
			signal := float64(float64(weight*weight)*max(0, d.cov[at*m+at])) / n.nodes[v].Variance[q]
			sum += float64(share * float64(0.5*tensor.LogF64(1+signal)))
			total += share
		}
		c.next()
	}
	return sum / total
}
