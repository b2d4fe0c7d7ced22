package service

import (
	"context"
	"math"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/engine"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Score says how likely rows are.
func (s *Service) Score(ctx context.Context, req *tabularv1.ScoreRequest) (*tabularv1.ScoreResponse, error) {
	const op = "tabular.Score"
	if err := checkID(op, req.GetRequestId()); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	m, ok := c.m.Model.(model.Scorer)
	if !ok {
		return nil, c.unsupported("say how likely a row is")
	}
	t, err := c.table(req.GetRows(), maxScored)
	if err != nil {
		return nil, err
	}
	r := &tabularv1.ScoreResponse{LogLikelihoods: make([]float64, t.Rows)}
	took, err := c.m.Do(ctx, engine.Scoring, t.Rows, func(context.Context) error { return m.Score(r.LogLikelihoods, t) })
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	r.Answered = c.answered(took)
	possible := 0
	for i, v := range r.LogLikelihoods {
		if math.IsInf(v, -1) {
			r.LogLikelihoods[i] = 0
			r.Impossible = append(r.Impossible, int64(i))
			continue
		}
		possible++
		r.Mean += v
	}
	r.Mean /= float64(max(1, possible))
	return r, nil
}
