package service

import (
	"context"
	"math"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/engine"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Explain predicts rows and says why.
func (s *Service) Explain(ctx context.Context, req *tabularv1.ExplainRequest) (*tabularv1.ExplainResponse, error) {
	const op = "tabular.Explain"
	if err := checkID(op, req.GetRequestId()); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	m, ok := c.m.Model.(model.Explainer)
	if !ok {
		return nil, c.unsupported("predict a field of a row")
	}
	t, err := c.table(req.GetRows(), maxExplained)
	if err != nil {
		return nil, err
	}
	target := &c.schema().Fields[m.Target()]
	asked := int32(-1)
	if req.GetLevel() != "" {
		if asked, err = c.level("level", target, req.GetLevel()); err != nil {
			return nil, err
		}
	}
	r := &tabularv1.ExplainResponse{Target: target.Name, Levels: target.Levels}
	took, err := c.m.Do(ctx, engine.Explaining, t.Rows, func(ctx context.Context) (err error) {
		r.Explanations, err = explain(ctx, m, t, asked)
		return err
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	r.Answered = c.answered(took)
	return r, nil
}

// explain speaks for the level that was asked for, or for the most probable one of each row.
func explain(ctx context.Context, m model.Explainer, t *table.Table, asked int32) ([]*tabularv1.Explanation, error) {
	levels := t.Schema.Fields[m.Target()].Levels
	p := make([]float64, t.Rows*len(levels))
	if err := m.Predict(p, t); err != nil {
		return nil, err
	}
	all := make([]*tabularv1.Explanation, t.Rows)
	for r := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := p[r*len(levels) : (r+1)*len(levels)]
		best := 0
		for k, v := range row {
			if v > row[best] {
				best = k
			}
		}
		level := asked
		if level < 0 {
			level = int32(best)
		}
		list, err := m.Explain(t, r, level)
		if err != nil {
			return nil, err
		}
		e := &tabularv1.Explanation{Probabilities: row, Predicted: levels[best], Level: levels[level]}
		for _, part := range list {
			// A level that never occurred adds an infinity, which JSON has not.
			nats := max(-math.MaxFloat64, min(math.MaxFloat64, part.Nats))
			c := &tabularv1.Contribution{Nats: nats}
			if part.Field >= 0 {
				c.Field, c.Value = t.Schema.Fields[part.Field].Name, valueOf(t, r, part.Field)
			}
			e.LogOdds += nats
			e.Contributions = append(e.Contributions, c)
		}
		e.LogOdds = max(-math.MaxFloat64, min(math.MaxFloat64, e.LogOdds))
		all[r] = e
	}
	return all, nil
}
