package service

import (
	"context"
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/services/lm/internal/engine"
	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/recipe"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/wire"
	"github.com/manifold-gen/manifold/shared/wire/models"
)

// Family is the name of this family in manifests and metrics.
const Family = recipe.Family

// Service implements lm.v1.LmService.
type Service struct {
	lmv1.UnimplementedLmServiceServer
	models *models.Service[*engine.Loaded]
	store  *modelstore.Store
	forget forgetting
	busy   chan struct{} // one token for each analysis that may run at a time
}

// analyses is how many calls of Tag and Chain are computed at a time; others wait.
const analyses = 4

// New makes the service over loaded and loadable models. New versions go into store.
func New(models *models.Service[*engine.Loaded], store *modelstore.Store) *Service {
	return &Service{models: models, store: store, busy: make(chan struct{}, analyses),
		forget: forgetting{done: map[string]*lmv1.ForgetResponse{}}}
}

// call is a request on a model that is held.
type call struct {
	op    string
	m     *engine.Loaded
	ref   string
	seed  uint64
	free  func()
	begun time.Time
}

// begin holds a model for a call, unless the server drains. The caller must call free.
func (s *Service) begin(ctx context.Context, op, ref string) (*call, error) {
	begun := time.Now()
	h, err := s.models.Acquire(ctx, op, ref)
	if err != nil {
		return nil, err
	}
	e := h.Entry()
	return &call{op: op, m: h.Model(), ref: e.Ref(), free: h.Release, begun: begun}, nil
}

// analyse runs a computation beside the engine, a few at a time.
func (s *Service) analyse(ctx context.Context, f func() error) (t engine.Timing, err error) {
	arrived := time.Now()
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return t, ctx.Err()
	}
	begun := time.Now()
	if caught := tensor.Catch(func() { err = f() }); caught != nil {
		err = caught
	}
	return engine.Timing{Queue: begun.Sub(arrived), Compute: time.Since(begun), Total: time.Since(arrived)}, err
}

// unsupported is the error for what the model cannot do.
func (c *call) unsupported(what string) error {
	return fault.E(fault.Precondition, "NOT_SUPPORTED", c.op, "model %s is a %s and cannot %s; it answers %s", c.ref,
		c.m.Entry.Manifest.Architecture, what, strings.Join(calls(c.m.Model), ", "))
}

// answered is what an answer says about how it was made.
func (c *call) answered(t engine.Timing) *lmv1.Answered {
	a := timed(t)
	a.Model, a.ModelDigest, a.Seed = c.ref, c.m.Entry.Manifest.Digest, c.seed
	return a
}

func timed(t engine.Timing) *lmv1.Answered {
	return &lmv1.Answered{NumericsVersion: tensor.NumericsVersion, Queue: durationpb.New(t.Queue),
		Compute: durationpb.New(t.Compute), Total: durationpb.New(t.Total)}
}

// calls are those that a model answers, by name.
func calls(m any) []string {
	all := []string{"Describe"}
	add := func(ok bool, names ...string) {
		if ok {
			all = append(all, names...)
		}
	}
	_, language := m.(model.Model)
	_, replies := m.(model.Replier)
	_, tags := m.(model.Tagger)
	_, chain := m.(model.Transitions)
	add(language || replies, "Generate")
	add(language, "Score")
	add(tags, "Tag")
	add(chain, "Chain")
	add(forgets(m), "Forget")
	return all
}

// Describe adds to the description of a stored model what kind of score its architecture gives.
func Describe(e modelstore.Entry, m *modelv1.Model) {
	m.ScoreKind = modelv1.ScoreKind_SCORE_KIND_EXACT
	if a := e.Manifest.Architecture; a == "rules" || a == "chain" || a == "tagger" {
		m.ScoreKind = modelv1.ScoreKind_SCORE_KIND_NONE
	}
}

// Describe says what a model can do.
func (s *Service) Describe(ctx context.Context, req *lmv1.DescribeRequest) (*lmv1.DescribeResponse, error) {
	c, err := s.begin(ctx, "lm.Describe", req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	r := &lmv1.DescribeResponse{Calls: calls(c.m.Model), Answered: c.answered(engine.Timing{})}
	if m, ok := c.m.Model.(model.Model); ok {
		r.Vocabulary, r.Limit, r.Ends = uint32(m.Tokens().Size()), uint32(m.Limit()), m.Tokens().End() >= 0
		r.Unit = "states"
		if k, ok := m.Tokens().(interface{ Unit() string }); ok {
			r.Unit = k.Unit()
		}
	}
	if o, ok := c.m.Model.(interface{ Order() int }); ok {
		r.Order = uint32(o.Order())
	}
	switch m := c.m.Model.(type) {
	case model.Tagger:
		r.Labels = m.Tags()
	case model.Transitions:
		r.Labels = m.States()
	}
	return r, nil
}

// whole is a number of a request within its range, or its default.
func whole(bad *wire.Violations, field string, v *int32, low, top, def int) int {
	if v == nil {
		return def
	}
	if n := int(*v); n < low || n > top {
		bad.Addf(field, "%d, want %d to %d", n, low, top)
		return def
	}
	return int(*v)
}

// between is whole for real numbers; NaN is in no range.
func between(bad *wire.Violations, field string, v *float64, low, top, def float64) float64 {
	if v == nil {
		return def
	}
	if !(*v >= low && *v <= top) || math.IsNaN(*v) {
		bad.Addf(field, "%g, want %g to %g", *v, low, top)
		return def
	}
	return *v
}
