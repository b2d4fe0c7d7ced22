package service

import (
	"context"
	"strings"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/bif"
	"github.com/manifold-gen/manifold/services/tabular/internal/engine"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// Structure says how fields depend on one another.
func (s *Service) Structure(
	ctx context.Context, req *tabularv1.StructureRequest,
) (*tabularv1.StructureResponse, error) {
	const op = "tabular.Structure"
	if err := checkID(op, req.GetRequestId()); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	m, ok := c.m.Model.(model.Structured)
	if !ok {
		return nil, c.unsupported("say how fields depend on one another")
	}
	r := &tabularv1.StructureResponse{Answered: c.answered(engine.Timing{})}
	edges, score := m.Edges()
	fs := c.schema().Fields
	r.ScoreName = score
	for _, e := range edges {
		r.Edges = append(r.Edges, &tabularv1.Edge{From: fs[e.From].Name, To: fs[e.To].Name, Directed: e.Directed,
			Score: finite(e.Score)})
	}
	if n, ok := c.m.Model.(interface{ Nodes() []bayesnet.Node }); ok {
		r.Nodes, r.Bif = nodes(c.schema(), n.Nodes())
	}
	return r, nil
}

// mostCells is how many numbers of tables an answer has; what is beyond them is left out.
const mostCells = 1 << 20

// nodes are the distributions of a network's fields, and the network as a file where all fields are categorical.
func nodes(s *table.Schema, list []bayesnet.Node) (all []*tabularv1.Node, text string) {
	cells, categorical := 0, true
	for i := range list {
		d := &list[i]
		n := &tabularv1.Node{Field: s.Fields[i].Name}
		var levels []int // of the categorical parents, by field
		for _, p := range d.Parents {
			n.Parents = append(n.Parents, s.Fields[p].Name)
			if s.Fields[p].Kind == table.Categorical {
				levels = append(levels, p)
			}
		}
		cells += len(d.Table) + len(d.Mean) + len(d.Weights)
		categorical = categorical && s.Fields[i].Kind == table.Categorical
		if cells <= mostCells {
			fill(n, s, i, d, levels)
		}
		all = append(all, n)
	}
	if !categorical || cells > mostCells {
		return all, ""
	}
	net, err := bayesnet.New(s, list)
	if err != nil {
		return all, ""
	}
	var b strings.Builder
	if err := bif.Write(&b, &bif.File{Name: "network", Network: net}); err != nil {
		return all, "" // a name that the format has no room for
	}
	return all, b.String()
}

// fill writes the rows of a field's table.
func fill(n *tabularv1.Node, s *table.Schema, field int, d *bayesnet.Node, parents []int) {
	configurations := 1
	for _, p := range parents {
		configurations *= len(s.Fields[p].Levels)
	}
	for q := range configurations {
		given := make([]string, len(parents))
		for k, at := len(parents)-1, q; k >= 0; k-- {
			l := s.Fields[parents[k]].Levels
			given[k] = l[at%len(l)]
			at /= len(l)
		}
		if r := len(s.Fields[field].Levels); d.Table != nil {
			n.Rows = append(n.Rows, &tabularv1.Distribution{Given: given, Probabilities: d.Table[q*r : (q+1)*r]})
			continue
		}
		w := len(d.Weights) / configurations
		n.Gaussians = append(n.Gaussians, &tabularv1.Gaussian{Given: given, Intercept: d.Mean[q],
			Weights: d.Weights[q*w : (q+1)*w], Variance: d.Variance[q]})
	}
}
