package service

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae/internal/engine"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Family is the name of this family in manifests and metrics.
const Family = "vae"

// Models keeps the loaded models.
type Models = modelstore.Manager[*engine.Loaded]

// Service implements vae.v1.VaeService.
type Service struct {
	vaev1.UnimplementedVaeServiceServer
	models   *Models
	draining atomic.Bool
}

// New makes the service over loaded and loadable models.
func New(models *Models) *Service { return &Service{models: models} }

// HandOver makes the engines of all loaded models refuse new requests and end the chains that can go on elsewhere, each
// with a state to go on from.
func (s *Service) HandOver() {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, st := range s.models.Loaded() {
		if !st.Ready {
			continue // whoever waits for it is refused when it is there
		}
		if h, err := s.models.Acquire(ctx, st.Entry.Ref()); err == nil {
			h.Model().HandOver()
			h.Release()
		}
	}
}

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
	h, err := s.models.Acquire(ctx, ref)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if s.draining.Load() {
		h.Release()
		return nil, fault.E(fault.Unavailable, "DRAINING", op, "this replica is shutting down; another one may answer")
	}
	e := h.Entry()
	serve.SetModel(ctx, e.Ref())
	return &call{op: op, m: h.Model(), ref: e.Ref(), free: h.Release}, nil
}

// fail says what a model can do when a call asked for something else.
func (c *call) fail(err error) error {
	var u engine.Unsupported
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
