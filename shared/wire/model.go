package wire

import (
	"maps"
	"slices"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/shared/modelstore"
)

// Model describes a stored model; memory and loaded are for the caller to set, since the store does not know them.
func Model(m *modelstore.Manifest) *modelv1.Model {
	return &modelv1.Model{
		Name:         m.Name,
		Version:      m.Version,
		Family:       m.Family,
		Architecture: m.Architecture,
		Digest:       m.Digest,
		ScoreKind:    modelv1.ScoreKind_SCORE_KIND_NONE,
		Inputs:       ports(m.Inputs),
		Outputs:      ports(m.Outputs),
		Labels:       slices.Clone(m.Labels),
		Parameters:   m.Parameters,
		Metrics:      maps.Clone(m.Metrics),
		License:      m.Licence,
		Description:  m.Description,
	}
}

func ports(list []modelstore.Port) []*modelv1.Port {
	all := make([]*modelv1.Port, 0, len(list))
	for _, p := range list {
		q := &modelv1.Port{Name: p.Name, Description: p.Description}
		for _, d := range p.Shape {
			q.Shape = append(q.Shape, int64(d))
		}
		all = append(all, q)
	}
	return all
}
