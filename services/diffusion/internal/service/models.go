package service

import (
	"context"
	"strings"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/wire"
)

// ListModels lists the models of this family, by name then version. One whose files are damaged is left out.
func (s *Service) ListModels(_ context.Context, req *modelv1.ListModelsRequest) (*modelv1.ListModelsResponse, error) {
	var entries []modelstore.Entry
	for _, e := range s.models.Store().List() {
		if e.Err == nil && e.Manifest.Family == Family {
			entries = append(entries, e)
		}
	}
	page, next, err := wire.Page("models.List", entries, req.GetPageSize(), req.GetPageToken(),
		func(e modelstore.Entry) string { return e.Ref() }, before)
	if err != nil {
		return nil, err
	}
	loaded := s.loaded()
	m := &modelv1.ListModelsResponse{NextPageToken: next}
	for _, e := range page {
		m.Models = append(m.Models, describe(e, loaded))
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
func (s *Service) GetModel(_ context.Context, req *modelv1.GetModelRequest) (*modelv1.GetModelResponse, error) {
	e, err := s.resolve("models.Get", req.GetModel())
	if err != nil {
		return nil, err
	}
	return &modelv1.GetModelResponse{Model: describe(e, s.loaded())}, nil
}

func (s *Service) resolve(op, ref string) (modelstore.Entry, error) {
	e, err := s.models.Store().Resolve(ref)
	if err != nil {
		return e, fault.Wrap(op, err)
	}
	if e.Manifest.Family != Family {
		return e, fault.E(fault.NotFound, "MODEL_NOT_FOUND", op, "model %s is of family %s, which another service serves",
			e.Ref(), e.Manifest.Family)
	}
	return e, nil
}

// LoadModel brings a model into memory; it stays until it is unloaded or another model needs its room.
func (s *Service) LoadModel(ctx context.Context, req *modelv1.LoadModelRequest) (*modelv1.LoadModelResponse, error) {
	h, err := s.acquire(ctx, "models.Load", req.GetModel())
	if err != nil {
		return nil, err
	}
	defer h.Release()
	return &modelv1.LoadModelResponse{Model: describe(h.Entry(), s.loaded())}, nil
}

// UnloadModel frees a model that no request uses.
func (s *Service) UnloadModel(_ context.Context,
	req *modelv1.UnloadModelRequest) (*modelv1.UnloadModelResponse, error) {
	const op = "models.Unload"
	e, err := s.resolve(op, req.GetModel())
	if err != nil {
		return nil, err
	}
	if err := s.models.Unload(e.Ref()); err != nil {
		return nil, fault.Wrap(op, err)
	}
	return &modelv1.UnloadModelResponse{Model: describe(e, s.loaded())}, nil
}

// loaded is the memory of the models that are ready, by reference.
func (s *Service) loaded() map[string]int64 {
	all := make(map[string]int64)
	for _, st := range s.models.Loaded() {
		if st.Ready {
			all[st.Entry.Ref()] = st.Bytes
		}
	}
	return all
}

func describe(e modelstore.Entry, loaded map[string]int64) *modelv1.Model {
	m := wire.Model(e.Manifest)
	m.Samplers = engine.Samplers()
	m.MemoryBytes, m.Loaded = loaded[e.Ref()]
	return m
}
