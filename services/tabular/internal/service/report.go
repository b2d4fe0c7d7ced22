package service

import (
	"context"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/engine"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/recipe"
	"github.com/manifold-gen/manifold/services/tabular/internal/report"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/wire"
)

// Report holds synthetic rows of a model against real ones.
func (s *Service) Report(ctx context.Context, req *tabularv1.ReportRequest) (*tabularv1.ReportResponse, error) {
	const op = "tabular.Report"
	var bad wire.Violations
	seed := bad.Seed(req.Seed)
	bad.RequestID(req.GetRequestId())
	n := int(whole(&bad, "n", req.N, minReported, maxReported, 0))
	show := int(whole(&bad, "show", req.Show, 0, maxShown, defaultShown))
	if req.GetReal() == nil {
		bad.Addf("real", "missing: which real rows?")
	}
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	c.seed = seed
	m, ok := c.m.Model.(model.Sampler)
	if !ok {
		return nil, c.unsupported("make rows")
	}
	in := report.Input{}
	if in.Target, err = c.reportTarget(req.GetTarget()); err != nil {
		return nil, err
	}
	var rows *table.Table
	if req.GetRows() != nil {
		if rows, err = c.table(req.GetRows(), maxReported); err != nil {
			return nil, err
		}
	}
	var made *report.Report
	took, err := c.m.Do(ctx, engine.Reporting, 1, func(ctx context.Context) (err error) {
		if rows != nil {
			in.Train, in.Unseen = recipe.Divide(rows, seed)
		} else if in.Train, in.Unseen, err = recipe.Real(ctx, s.files(), c.m.Entry, c.schema(), req.GetDataSet(), seed,
			maxReported); err != nil {
			return err
		}
		if all := in.Train.Rows + in.Unseen.Rows; all < minReported {
			return fault.InvalidField(op, "real", "%d rows, want %d to %d", all, minReported, maxReported)
		}
		if n == 0 {
			n = in.Train.Rows
		}
		in.Synthetic = table.New(c.schema(), n)
		if err := m.Sample(in.Synthetic, rng.New(seed), 0, nil); err != nil {
			return err
		}
		made, err = report.Make(ctx, in)
		return err
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	r := c.reported(made, &in, show)
	r.Answered = c.answered(took)
	return r, nil
}

// reportTarget is the field that the utility is measured on; -1 where there is none.
func (c *call) reportTarget(name string) (int, error) {
	if name != "" {
		i, err := c.field("target", name)
		if err != nil {
			return 0, err
		}
		if f := &c.schema().Fields[i]; f.Kind != table.Categorical || len(f.Levels) < 2 {
			return 0, fault.InvalidField(c.op, "target",
				"%.80q is numeric, or has one level only; the utility needs two or more", f.Name)
		}
		return i, nil
	}
	if e, ok := c.m.Model.(model.Explainer); ok {
		return e.Target(), nil
	}
	for i := len(c.schema().Fields) - 1; i >= 0; i-- {
		if f := &c.schema().Fields[i]; f.Kind == table.Categorical && len(f.Levels) > 1 {
			return i, nil
		}
	}
	return -1, nil
}

// some are rows at random: tables come sorted.
func (c *call) some(t *table.Table, n int) []*tabularv1.Row {
	var rows []int
	for _, r := range rng.New(c.seed).Perm(t.Rows, 0)[:min(n, t.Rows)] {
		rows = append(rows, int(r))
	}
	return rowsOf(t.Take(rows), 0, len(rows))
}

// reported is the message of a report.
func (c *call) reported(made *report.Report, in *report.Input, show int) *tabularv1.ReportResponse {
	r := &tabularv1.ReportResponse{Columns: names(c.schema()), Real: c.some(in.Train, show),
		Synthetic: rowsOf(in.Synthetic, 0, min(show, in.Synthetic.Rows))}
	if in.Target >= 0 {
		r.Target = c.schema().Fields[in.Target].Name
	}
	for _, f := range made.Figures {
		r.Figures = append(r.Figures, &tabularv1.Figure{Group: f.Group, Name: f.Name, Value: f.Value, Baseline: f.Baseline,
			Against: f.Against})
	}
	for i := range made.Fields {
		f := &c.schema().Fields[i]
		r.Fields = append(r.Fields, &tabularv1.Comparison{Real: fieldProfile(f, &made.Fields[i].Real),
			Synthetic: fieldProfile(f, &made.Fields[i].Synthetic), Distance: made.Fields[i].Distance})
	}
	if p, ok := c.m.Model.(interface {
		Privacy() (bayesnet.Privacy, bool)
	}); ok {
		if spent, ok := p.Privacy(); ok {
			epsilon := spent.Epsilon()
			r.Epsilon = &epsilon
		}
	}
	return r
}
