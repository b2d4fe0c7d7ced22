package service

import (
	"context"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/engine"
	"github.com/manifold-gen/manifold/services/tabular/internal/profile"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// Profile summarises a table.
func (s *Service) Profile(ctx context.Context, req *tabularv1.ProfileRequest) (*tabularv1.ProfileResponse, error) {
	const op = "tabular.Profile"
	if err := checkID(op, req.GetRequestId()); err != nil {
		return nil, err
	}
	if req.GetDataSet() != "" {
		return s.profileNamed(ctx, op, req.GetDataSet())
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	r := profileOf(c.schema(), c.m.Profile)
	r.Answered = c.answered(engine.Timing{})
	return r, nil
}

func profileOf(s *table.Schema, p *profile.Profile) *tabularv1.ProfileResponse {
	r := &tabularv1.ProfileResponse{Rows: p.Rows}
	for i := range p.Fields {
		r.Fields = append(r.Fields, fieldProfile(&s.Fields[i], &p.Fields[i]))
	}
	for _, a := range p.Pairs {
		r.Associations = append(r.Associations, &tabularv1.Association{A: s.Fields[a.A].Name, B: s.Fields[a.B].Name,
			MutualInformation: a.Information})
	}
	return r
}

func fieldProfile(f *table.Field, p *profile.Field) *tabularv1.FieldProfile {
	return &tabularv1.FieldProfile{Field: fieldOf(f), Missing: p.Missing, Counts: p.Counts, Edges: p.Edges, Mean: p.Mean,
		Deviation: p.Deviation}
}
