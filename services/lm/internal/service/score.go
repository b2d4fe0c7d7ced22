package service

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/services/lm/internal/engine"
	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/wire"
)

const (
	maxTexts   = 256
	maxScored  = 8 << 20 // bytes of all texts
	maxDetails = 1 << 16 // tokens that one answer lists
)

// Score says how probable texts are.
func (s *Service) Score(ctx context.Context, req *lmv1.ScoreRequest) (*lmv1.ScoreResponse, error) {
	const op = "lm.Score"
	var bad wire.Violations
	bad.RequestID(req.GetRequestId())
	if n := len(req.GetTexts()); n < 1 || n > maxTexts {
		bad.Addf("texts", "%d, want 1 to %d", n, maxTexts)
	}
	left := maxScored
	for i, t := range req.GetTexts() {
		checkText(&bad, fmt.Sprintf("texts[%d]", i), t, left)
		left = max(0, left-len(t))
	}
	checkText(&bad, "context", req.GetContext(), maxScored)
	n := int(req.GetTopLogprobs())
	if n < 0 || n > maxAlternatives || n > 0 && !req.GetTokens() {
		bad.Addf("top_logprobs", "%d, want 0 to %d, and tokens where it is not 0", n, maxAlternatives)
	}
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	m, ok := c.m.Model.(model.Model)
	if !ok {
		return nil, c.unsupported("say how probable a text is")
	}
	before, err := m.Tokens().Encode(req.GetContext())
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	r := &lmv1.ScoreResponse{Sum: &lmv1.Scored{}}
	var sum engine.Timing
	listed := 0
	for _, t := range req.GetTexts() {
		ids, err := m.Tokens().Encode(t)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		if end := m.Tokens().End(); end >= 0 && !req.GetOpen() {
			ids = append(ids, end)
		}
		if listed += len(ids); req.GetTokens() && listed > maxDetails {
			return nil, fault.InvalidField(op, "tokens",
				"the texts have more than %d tokens; ask for fewer, or for sums alone", maxDetails)
		}
		got, timing, err := c.m.Score(ctx, before, ids, n)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		sum.Queue, sum.Compute, sum.Total = sum.Queue+timing.Queue, sum.Compute+timing.Compute, sum.Total+timing.Total
		x := scored(m.Tokens(), t, ids, got, req.GetTokens())
		r.Texts = append(r.Texts, x)
		r.Sum.Logprob += x.GetLogprob()
		r.Sum.Tokens += x.GetTokens()
		r.Sum.Words += x.GetWords()
		r.Sum.Characters += x.GetCharacters()
		r.Sum.Unknown += x.GetUnknown()
	}
	average(r.GetSum())
	r.Answered = c.answered(sum)
	return r, nil
}

// scored is the answer about one text.
func scored(tokens model.Tokens, t string, ids []int32, got engine.Scored, details bool) *lmv1.Scored {
	x := &lmv1.Scored{Tokens: int64(len(ids)), Words: int64(len(strings.Fields(t))),
		Characters: int64(utf8.RuneCountInString(t))}
	_, unknowns := tokens.(*text.Tokens)
	for i, v := range got.Nats {
		x.Logprob += v
		if unknowns && ids[i] == text.Unknown {
			x.Unknown++
		}
		if details {
			d := &lmv1.ScoredToken{Id: ids[i], Piece: printable(tokens.Piece(ids[i])), Logprob: v}
			if got.Alternatives != nil {
				d.Alternatives = alternatives(got.Alternatives[i])
			}
			x.Details = append(x.Details, d)
		}
	}
	average(x)
	return x
}

// average fills in what follows from the sums.
func average(x *lmv1.Scored) {
	if n := x.GetTokens(); n > 0 {
		x.Perplexity = tensor.ExpF64(-x.GetLogprob() / float64(n))
	}
	if n := x.GetWords(); n > 0 {
		x.WordPerplexity = tensor.ExpF64(-x.GetLogprob() / float64(n))
	}
	if n := x.GetCharacters(); n > 0 {
		x.NatsPerCharacter = -x.GetLogprob() / float64(n)
	}
}
