package service

import (
	"context"
	"sync/atomic"
	"time"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/serve"
)

// Family is the name of this family in manifests and metrics.
const Family = "diffusion"

// maxChains is how many AddNoise calls run at a time. One whose client reads slowly holds its place and little else.
const maxChains = 32

// Models keeps the loaded models.
type Models = modelstore.Manager[*engine.Loaded]

// Service implements diffusion.v1.DiffusionService and model.v1.ModelService.
type Service struct {
	diffusionv1.UnimplementedDiffusionServiceServer
	modelv1.UnimplementedModelServiceServer
	models *Models
	chains chan struct{}

	draining atomic.Bool
}

// New makes the service over loaded and loadable models.
func New(models *Models, metrics *serve.Metrics) *Service {
	s := &Service{models: models, chains: make(chan struct{}, maxChains)}
	metrics.ModelMemory(s.loaded)
	return s
}

// HandOver makes the engines of all loaded models refuse new requests and end the streams that can go on elsewhere,
// each with a state to go on from.
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

// acquire holds a model for a call, unless the server drains.
func (s *Service) acquire(ctx context.Context, op, ref string) (*modelstore.Handle[*engine.Loaded], error) {
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
	return h, nil
}
