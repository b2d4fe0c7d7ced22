package service

import (
	"context"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/engine"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
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
	return r, nil
}
