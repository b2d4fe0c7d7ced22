package service

import (
	"bytes"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// unpackResume checks that a resume state belongs to this request, model and version, and unpacks it.
func (g *generation) unpackResume(op string, m *engine.Loaded) ([]*sampler.State, error) {
	r := g.resume
	refuse := func(reason, format string, args ...any) ([]*sampler.State, error) {
		return nil, fault.E(fault.Precondition, reason, op, format, args...)
	}
	switch {
	case r.GetNumericsVersion() != tensor.NumericsVersion:
		return refuse("NUMERICS_MISMATCH", "the resume state has numerics version %d, this server %d",
			r.GetNumericsVersion(), tensor.NumericsVersion)
	case r.GetModelDigest() != m.Entry.Manifest.Digest:
		return refuse("MODEL_MISMATCH", "the resume state is of the model with digest %.12q, %s has %.12s",
			r.GetModelDigest(), m.Entry.Ref(), m.Entry.Manifest.Digest)
	case r.GetSeed() != g.seed || !bytes.Equal(r.GetRequestDigest(), g.digest(m.Entry.Ref())):
		return refuse("REQUEST_MISMATCH", "the resume state is of another request")
	}
	var states []*sampler.State
	for i, b := range r.GetStates() {
		if i >= len(g.labels) {
			break // the engine refuses the number
		}
		s := new(sampler.State)
		if err := s.UnmarshalBinary(b); err != nil {
			return refuse("RESUME_STATE_DAMAGED", "picture %d of the resume state cannot be read: %v", i, err)
		}
		states = append(states, s)
	}
	if len(states) != len(g.labels) || len(r.GetStates()) != len(g.labels) {
		return refuse("RESUME_STATE_MISMATCH", "the resume state has %d pictures, the request %d", len(r.GetStates()),
			len(g.labels))
	}
	return states, nil
}

// resumeState is the message for a state.
func (g *generation) resumeState(m *engine.Loaded, digest []byte, s *engine.State) *diffusionv1.ResumeState {
	return &diffusionv1.ResumeState{
		RequestDigest:   digest,
		ModelDigest:     m.Entry.Manifest.Digest,
		NumericsVersion: tensor.NumericsVersion,
		Seed:            g.seed,
		Evaluation:      int32(s.Evaluation),
		States:          s.Pictures,
		Step:            int32(s.Step),
	}
}
