package service

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae/internal/engine"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/wire/models"
)

// Family is the name of this family in manifests and metrics.
const Family = "vae"

// Service implements vae.v1.VaeService.
type Service struct {
	vaev1.UnimplementedVaeServiceServer
	models *models.Service[*engine.Loaded]
}

// New makes the service over loaded and loadable models.
func New(models *models.Service[*engine.Loaded]) *Service { return &Service{models: models} }

// call is a request on a model that is held.
type call struct {
	op   string
	m    *engine.Loaded
	ref  string
	seed uint64
	free func()
}

// begin holds a model for a call, unless the server drains. The caller must call free.
func (s *Service) begin(ctx context.Context, op, ref string) (*call, error) {
	h, err := s.models.Acquire(ctx, op, ref)
	if err != nil {
		return nil, err
	}
	e := h.Entry()
	return &call{op: op, m: h.Model(), ref: e.Ref(), free: h.Release}, nil
}

// fail says what a model can do when a call asked for something else.
func (c *call) fail(err error) error {
	var u engine.UnsupportedError
	if errors.As(err, &u) {
		return c.unsupported(string(u))
	}
	return fault.Wrap(c.op, err)
}

// unsupported is the error for what the model cannot do.
func (c *call) unsupported(what string) error {
	return fault.E(fault.Precondition, "NOT_SUPPORTED", c.op, "model %s is a %s and cannot %s; it answers %s", c.ref,
		c.m.Entry.Manifest.Architecture, what, strings.Join(calls(c.m), ", "))
}

// answered is what an answer says about how it was made.
func (c *call) answered(t engine.Timing) *vaev1.Answered {
	return &vaev1.Answered{
		Model: c.ref, ModelDigest: c.m.Entry.Manifest.Digest, NumericsVersion: tensor.NumericsVersion, Seed: c.seed,
		Queue: durationpb.New(t.Queue), Compute: durationpb.New(t.Compute), Total: durationpb.New(t.Total),
	}
}
