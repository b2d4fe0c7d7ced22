// Package models is model.v1.ModelService for every family: it lists, loads and unloads the models of a
// modelstore.Manager, has some in memory before the server is ready, and hands the requests of all over when the
// server drains.
//
// Invariants:
//   - A family lists its own models alone; one whose files are damaged is left out and hides nothing.
//   - Once HandOver began, Acquire gives no model any more, and every model that is loaded has been told.
package models

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/wire"
)

// Model is a loaded model of a family.
type Model interface {
	modelstore.Model
	// HandOver refuses new requests and ends the streams that can go on elsewhere. It may be called more than once.
	HandOver()
}

// Config is what a family says of its models.
type Config[T Model] struct {
	Family string // in manifests
	Store  *modelstore.Store
	Budget *modelstore.Budget // memory shared with other families; nil: no limit
	Load   modelstore.Loader[T]
	// Describe adds to the description of a stored model what the family alone knows; may be nil.
	Describe func(e modelstore.Entry, m *modelv1.Model)
	// Preload names models, as name or name@version, that are in memory before the server is ready; see Auto.
	Preload []string
}

// Auto in Config.Preload stands for the newest versions of the first few models, by name. One that cannot be loaded is
// logged and left out, while a model that was named keeps the server from becoming ready.
const Auto = "auto"

const autoModels = 4

// Service implements model.v1.ModelService.
type Service[T Model] struct {
	modelv1.UnimplementedModelServiceServer
	cfg      Config[T]
	manager  *modelstore.Manager[T]
	log      *zap.Logger
	draining atomic.Bool
}

// Register puts ModelService on a server, before Run: with the models that are to be loaded before it is ready, the
// metric of their memory, and what happens when it drains and ends.
func Register[T Model](s *serve.Server, cfg Config[T]) (*Service[T], error) {
	if cfg.Store == nil {
		return nil, fault.InvalidField("models.Register", "store", "missing")
	}
	svc := &Service[T]{cfg: cfg, log: s.Logger()}
	svc.manager = modelstore.NewManager(cfg.Store, cfg.Family, cfg.Budget, svc.load)
	modelv1.RegisterModelServiceServer(s, svc)
	s.Metrics().ModelMemory(svc.loaded)
	s.OnClose(func() error {
		svc.manager.Close()
		return nil
	})
	s.OnWarm(svc.preload)
	s.OnHandOver(svc.HandOver)
	return svc, nil
}

// load is the family's loader, with words in the log.
func (s *Service[T]) load(ctx context.Context, e modelstore.Entry, dir string) (T, error) {
	m, err := s.cfg.Load(ctx, e, dir)
	if err != nil {
		s.log.Error("loading a model", zap.String("model", e.Ref()), zap.Error(err))
		var none T
		return none, err
	}
	s.log.Info("loaded", zap.String("model", e.Ref()), zap.String("digest", e.Manifest.Digest),
		zap.Int64("bytes", m.Bytes()))
	return m, nil
}

// Acquire holds a model for a call, which must release it, unless the server drains.
func (s *Service[T]) Acquire(ctx context.Context, op, ref string) (*modelstore.Handle[T], error) {
	h, err := s.manager.Acquire(ctx, ref)
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

// HandOver tells all loaded models that the server drains.
func (s *Service[T]) HandOver() {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, st := range s.manager.Loaded() {
		if !st.Ready {
			continue // whoever waits for it is refused when it is there
		}
		if h, err := s.manager.Acquire(ctx, st.Entry.Ref()); err == nil {
			h.Model().HandOver()
			h.Release()
		}
	}
}

// preload loads models; they stay in memory as long as nobody needs their room.
func (s *Service[T]) preload(ctx context.Context) error {
	for _, ref := range s.cfg.Preload {
		if ref == Auto {
			s.preloadAuto(ctx)
			continue
		}
		h, err := s.manager.Acquire(ctx, ref)
		if err != nil {
			return err
		}
		h.Release()
	}
	return nil
}

func (s *Service[T]) preloadAuto(ctx context.Context) {
	var names []string
	for _, e := range s.own() {
		if !slices.Contains(names, e.Name) && len(names) < autoModels {
			names = append(names, e.Name)
		}
	}
	for _, name := range names {
		h, err := s.manager.Acquire(ctx, name)
		if err != nil {
			s.log.Warn("a model is left out", zap.String("model", name), zap.Error(err))
			continue
		}
		h.Release()
	}
}

// own lists the sound models of the family, by name then version.
func (s *Service[T]) own() []modelstore.Entry {
	var entries []modelstore.Entry
	for _, e := range s.cfg.Store.List() {
		if e.Err == nil && e.Manifest.Family == s.cfg.Family {
			entries = append(entries, e)
		}
	}
	return entries
}

// ListModels lists the models of this family, by name then version. One whose files are damaged is left out.
func (s *Service[T]) ListModels(_ context.Context,
	req *modelv1.ListModelsRequest) (*modelv1.ListModelsResponse, error) {
	page, next, err := wire.Page("models.List", s.own(), req.GetPageSize(), req.GetPageToken(),
		func(e modelstore.Entry) string { return e.Ref() }, before)
	if err != nil {
		return nil, err
	}
	loaded := s.loaded()
	m := &modelv1.ListModelsResponse{NextPageToken: next}
	for _, e := range page {
		m.Models = append(m.Models, s.describe(e, loaded))
	}
	return m, nil
}

// before orders references as the store lists them: by name, then by version as people count.
func before(a, b string) bool {
	an, av, _ := strings.Cut(a, "@")
	bn, bv, _ := strings.Cut(b, "@")
	if an != bn {
		return an < bn
	}
	return modelstore.CompareVersions(av, bv) < 0
}

// GetModel describes one model.
func (s *Service[T]) GetModel(_ context.Context, req *modelv1.GetModelRequest) (*modelv1.GetModelResponse, error) {
	e, err := s.resolve("models.Get", req.GetModel())
	if err != nil {
		return nil, err
	}
	return &modelv1.GetModelResponse{Model: s.describe(e, s.loaded())}, nil
}

func (s *Service[T]) resolve(op, ref string) (modelstore.Entry, error) {
	e, err := s.cfg.Store.Resolve(ref)
	if err != nil {
		return e, fault.Wrap(op, err)
	}
	if e.Manifest.Family != s.cfg.Family {
		return e, fault.E(fault.NotFound, "MODEL_NOT_FOUND", op, "model %s is of family %s, which another service serves",
			e.Ref(), e.Manifest.Family)
	}
	return e, nil
}

// LoadModel brings a model into memory; it stays until it is unloaded or another model needs its room.
func (s *Service[T]) LoadModel(ctx context.Context, req *modelv1.LoadModelRequest) (*modelv1.LoadModelResponse, error) {
	h, err := s.Acquire(ctx, "models.Load", req.GetModel())
	if err != nil {
		return nil, err
	}
	defer h.Release()
	return &modelv1.LoadModelResponse{Model: s.describe(h.Entry(), s.loaded())}, nil
}

// UnloadModel frees a model that no request uses.
func (s *Service[T]) UnloadModel(_ context.Context,
	req *modelv1.UnloadModelRequest) (*modelv1.UnloadModelResponse, error) {
	const op = "models.Unload"
	e, err := s.resolve(op, req.GetModel())
	if err != nil {
		return nil, err
	}
	if err := s.manager.Unload(e.Ref()); err != nil {
		return nil, fault.Wrap(op, err)
	}
	return &modelv1.UnloadModelResponse{Model: s.describe(e, s.loaded())}, nil
}

// loaded is the memory of the models that are ready, by reference.
func (s *Service[T]) loaded() map[string]int64 {
	all := make(map[string]int64)
	for _, st := range s.manager.Loaded() {
		if st.Ready {
			all[st.Entry.Ref()] = st.Bytes
		}
	}
	return all
}

func (s *Service[T]) describe(e modelstore.Entry, loaded map[string]int64) *modelv1.Model {
	m := wire.Model(e.Manifest)
	if s.cfg.Describe != nil {
		s.cfg.Describe(e, m)
	}
	m.MemoryBytes, m.Loaded = loaded[e.Ref()]
	return m
}
