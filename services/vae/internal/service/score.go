package service

import (
	"context"
	"math"

	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/wire"
)

// Score says how likely pictures are.
func (s *Service) Score(ctx context.Context, req *vaev1.ScoreRequest) (*vaev1.ScoreResponse, error) {
	const op = "vae.Score"
	var bad wire.Violations
	seed := bad.Seed(req.Seed)
	bad.RequestID(req.GetRequestId())
	samples := whole(&bad, "samples", req.Samples, 1, maxSamples, defaultSamples)
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	sc, ok := c.m.Model.(model.Scorer)
	if !ok || sc.Kind() == model.NoScore {
		return nil, c.unsupported("say how likely a picture is")
	}
	if sc.Kind() != model.LowerBound {
		if req.Samples != nil {
			return nil, fault.InvalidField(op, "samples", "%d, but model %s does not score by importance samples", samples,
				c.ref)
		}
		samples = 0
	}
	x, n, class, err := c.rows(req.GetImages(), req.GetLabels(), maxScored)
	if err != nil {
		return nil, err
	}
	c.seed = seed
	random := rng.New(seed)
	if req.GetBinarise() {
		p := len(x) / n
		u := make([]float32, p)
		for i := range n {
			random.Uniform(u, uint64(i), 0, rng.Augment)
			for j, v := range x[i*p : (i+1)*p] {
				x[i*p+j] = 0
				if u[j] < v {
					x[i*p+j] = 1
				}
			}
		}
	}
	score, t, err := c.m.Score(ctx, x, n, class, samples, random)
	if err != nil {
		return nil, c.fail(err)
	}
	r := &vaev1.ScoreResponse{
		Answered: c.answered(t), Kind: scoreKinds[score.Kind], LogLikelihoods: score.Values, ThreeSigma: score.ThreeSigma,
		Samples: int32(samples), NegativeFreeEnergies: score.Free,
	}
	for _, v := range score.Values {
		r.BitsPerDimension = append(r.BitsPerDimension, -v/math.Ln2/float64(len(x)/n))
	}
	return r, nil
}
