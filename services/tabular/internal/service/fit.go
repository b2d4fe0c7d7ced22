package service

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/recipe"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/wire"
)

// Fit makes a model of rows at once.
func (s *Service) Fit(ctx context.Context, req *tabularv1.FitRequest) (*tabularv1.FitResponse, error) {
	const op = "tabular.Fit"
	var bad wire.Violations
	bad.RequestID(req.GetRequestId())
	if req.Seed != nil {
		bad.Seed(req.Seed)
	}
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	f := &recipe.Fit{Recipe: req.GetRecipe(), Name: req.GetName(), Architecture: req.GetArchitecture(),
		Target: req.GetTarget(), Update: req.GetUpdate(), DataSet: req.GetDataSet(), Seed: req.Seed}
	if rows := req.GetRows(); rows != nil {
		var err error
		if f.CSV, err = csvOf(op, rows); err != nil {
			return nil, err
		}
	}
	if f.Update != "" {
		c, err := s.begin(ctx, op, f.Update)
		if err != nil {
			return nil, err
		}
		defer c.free()
		f.Model, f.Profile, f.Entry = c.m.Model, c.m.Profile, c.m.Entry
	}
	var e modelstore.Entry
	var rows int64
	took, err := s.pool.Do(ctx, "a fit", nil, 1, func(ctx context.Context) (err error) {
		e, rows, err = f.Run(ctx, s.files())
		return err
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	m := wire.Model(e.Manifest)
	Describe(e, m)
	a := timed(took)
	a.Model, a.ModelDigest, a.Seed = e.Ref(), e.Manifest.Digest, e.Manifest.Seed
	return &tabularv1.FitResponse{Answered: a, Model: m, Rows: rows}, nil
}

// csvOf writes rows as a file that the readers of tables take.
func csvOf(op string, rows *tabularv1.Rows) ([]byte, error) {
	if n := len(rows.GetRows()); n < 1 || n > maxFitted {
		return nil, fault.InvalidField(op, "rows.rows", "%d rows, want 1 to %d", n, maxFitted)
	}
	if len(rows.GetColumns()) == 0 {
		return nil, fault.InvalidField(op, "rows.columns", "missing")
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(rows.GetColumns()) // a buffer takes every write
	line := make([]string, len(rows.GetColumns()))
	for r, row := range rows.GetRows() {
		if len(row.GetValues()) != len(line) {
			return nil, fault.InvalidField(op, fmt.Sprintf("rows.rows[%d]", r), "%d values for %d columns",
				len(row.GetValues()), len(line))
		}
		for i, v := range row.GetValues() {
			switch v := v.GetKind().(type) {
			case *tabularv1.Value_Category:
				line[i] = v.Category
			case *tabularv1.Value_Number:
				if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
					return nil, fault.InvalidField(op, fmt.Sprintf("rows.rows[%d].values[%d]", r, i),
						"%g, want a finite number, or missing", v.Number)
				}
				line[i] = strconv.FormatFloat(v.Number, 'g', -1, 64)
			default:
				line[i] = ""
			}
		}
		if len(line) == 1 && line[0] == "" {
			line[0] = "?" // an empty line would be skipped
		}
		_ = w.Write(line)
	}
	w.Flush()
	return b.Bytes(), nil
}

// profileNamed opens a registered table, or an upload, and summarises it.
func (s *Service) profileNamed(ctx context.Context, op, name string) (*tabularv1.ProfileResponse, error) {
	var r *tabularv1.ProfileResponse
	took, err := s.pool.Do(ctx, "a profile", nil, 1, func(ctx context.Context) error {
		p, schema, err := recipe.ProfileNamed(ctx, s.files(), name)
		if err == nil {
			r = profileOf(schema, p)
		}
		return err
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	r.Answered = timed(took)
	return r, nil
}
