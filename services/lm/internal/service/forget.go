package service

import (
	"context"
	"fmt"
	"sync"
	"time"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/services/lm/internal/engine"
	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/ngram"
	"github.com/manifold-gen/manifold/services/lm/internal/recipe"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/wire"
)

const (
	maxDocuments = 1000
	remembered   = 256 // answers by request_id
)

// forgetting makes the call idempotent: one at a time, and its answers remembered.
type forgetting struct {
	mu    sync.Mutex
	done  map[string]*lmv1.ForgetResponse
	order []string
}

// forgets says whether documents can be taken out of a model.
func forgets(m any) bool {
	n, ok := m.(*ngram.Model)
	return ok && n.Counts() != nil
}

// Forget publishes a model without some documents.
func (s *Service) Forget(ctx context.Context, req *lmv1.ForgetRequest) (*lmv1.ForgetResponse, error) {
	const op = "lm.Forget"
	var bad wire.Violations
	bad.RequestID(req.GetRequestId())
	if n := len(req.GetDocuments()); n < 1 || n > maxDocuments {
		bad.Addf("documents", "%d, want 1 to %d", n, maxDocuments)
	}
	for i, d := range req.GetDocuments() {
		checkText(&bad, fmt.Sprintf("documents[%d]", i), d, maxScored)
	}
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	s.forget.mu.Lock()
	defer s.forget.mu.Unlock()
	key := req.GetModel() + "\x00" + req.GetRequestId()
	if r, ok := s.forget.done[key]; ok && req.GetRequestId() != "" {
		return r, nil
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	if !forgets(c.m.Model) {
		if _, ok := c.m.Model.(*ngram.Model); ok {
			return nil, fault.E(fault.Precondition, "NOT_SUPPORTED", op,
				"model %s kept no counts to forget from; train it with forgets: true", c.ref)
		}
		return nil, c.unsupported("forget documents")
	}
	m, _ := c.m.Model.(model.Forgetter)
	begun := time.Now()
	without, err := m.Forget(req.GetDocuments())
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	after, _ := without.(*ngram.Model)
	before, _ := c.m.Model.(*ngram.Model)
	e, err := recipe.PublishForgotten(ctx, s.store, c.m.Entry, after, len(req.GetDocuments()))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	took := time.Since(begun)
	r := &lmv1.ForgetResponse{
		Answered: c.answered(engine.Timing{Compute: took, Total: took}), Model: e.Ref(),
		Documents: int32(len(req.GetDocuments())), Tokens: before.Counts().Tokens() - after.Counts().Tokens(),
	}
	if req.GetRequestId() != "" {
		s.forget.done[key] = r
		if s.forget.order = append(s.forget.order, key); len(s.forget.order) > remembered {
			delete(s.forget.done, s.forget.order[0])
			s.forget.order = s.forget.order[1:]
		}
	}
	return r, nil
}
