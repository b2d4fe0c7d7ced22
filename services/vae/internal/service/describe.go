package service

import (
	"context"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae/internal/engine"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
	"github.com/manifold-gen/manifold/shared/modelstore"
)

var scoreKinds = map[model.ScoreKind]modelv1.ScoreKind{
	model.NoScore:     modelv1.ScoreKind_SCORE_KIND_NONE,
	model.Exact:       modelv1.ScoreKind_SCORE_KIND_EXACT,
	model.AISEstimate: modelv1.ScoreKind_SCORE_KIND_AIS_ESTIMATE,
	model.LowerBound:  modelv1.ScoreKind_SCORE_KIND_LOWER_BOUND,
}

// kindOf is what a score of the model would be.
func kindOf(m model.Model) modelv1.ScoreKind {
	if s, ok := m.(model.Scorer); ok {
		return scoreKinds[s.Kind()]
	}
	return modelv1.ScoreKind_SCORE_KIND_NONE
}

// calls are those that a model answers, by name.
func calls(l *engine.Loaded) []string {
	_, encodes := l.Model.(model.Encoder)
	_, decodes := l.Model.(model.Decoder)
	chain, sweeps := l.Model.(model.Chain)
	all := []string{"Describe"}
	add := func(ok bool, names ...string) {
		if ok {
			all = append(all, names...)
		}
	}
	add(encodes, "Encode")
	add(decodes, "Decode")
	add(encodes && decodes, "Reconstruct")
	add(sweeps || engine.CanDraw(l.Model), "Sample")
	add(sweeps && chain.Clamps(), "Fantasy")
	add(decodes && (encodes || engine.CanDraw(l.Model)), "Interpolate", "Arithmetic")
	st, _ := l.Plane()
	add(decodes && st != nil && l.Model.Size().CodeLen() > 1, "LatentGrid")
	add(kindOf(l.Model) != modelv1.ScoreKind_SCORE_KIND_NONE, "Score")
	return all
}

// Describe adds to the description of a stored model what kind of score its architecture gives.
func Describe(e modelstore.Entry, m *modelv1.Model) {
	m.ScoreKind = scoreKinds[recipe.ScoreKind(e.Manifest)]
}

// Describe says what a model can do.
func (s *Service) Describe(ctx context.Context, req *vaev1.DescribeRequest) (*vaev1.DescribeResponse, error) {
	c, err := s.begin(ctx, "vae.Describe", req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	size := c.m.Model.Size()
	r := &vaev1.DescribeResponse{
		Answered: c.answered(engine.Timing{}), Calls: calls(c.m), Width: uint32(size.Width), Height: uint32(size.Height),
		Channels: uint32(size.Channels), Labels: c.m.Entry.Manifest.Labels, Dimension: uint32(size.CodeLen()),
		ScoreKind: kindOf(c.m.Model), Conditional: size.Classes > 0,
	}
	for _, d := range size.Code {
		r.CodeShape = append(r.CodeShape, uint32(d))
	}
	if st, assumed := c.m.Plane(); st != nil {
		r.Mean, r.Deviation, r.Kl, r.Assumed = st.Mean, st.Deviation, st.KL, assumed
	}
	if ch, ok := c.m.Model.(model.Chain); ok {
		r.Sweeps = uint32(ch.Sweeps())
	}
	if q, ok := c.m.Model.(model.Indexer); ok {
		vectors, _ := q.Codebook()
		r.Codebook = uint32(vectors)
	}
	if h, ok := c.m.Model.(model.Hidden); ok {
		for _, n := range h.Hidden() {
			r.Hidden = append(r.Hidden, uint32(n))
		}
	}
	return r, nil
}
