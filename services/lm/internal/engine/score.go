package engine

import (
	"context"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
)

// chunk is how many tokens of a text are scored in one pass.
const chunk = 256

// scoring is a text on its way.
type scoring struct {
	context      model.Context
	before       []int32 // tokens that are given and not scored
	tokens       []int32
	alternatives int
	nats         []float64
	options      [][]Alternative
	at           int // tokens done
}

// Scored is how probable a text's tokens are.
type Scored struct {
	Nats         []float64
	Alternatives [][]Alternative // of each token; nil unless asked for
}

// Score gives the natural logarithms of the probabilities of tokens that follow others.
func (e *Engine) Score(ctx context.Context, before, tokens []int32, alternatives int) (Scored, Timing, error) {
	if limit := e.model.Limit(); limit > 0 && len(before)+len(tokens) > limit {
		return Scored{}, Timing{}, fault.InvalidField("engine.Score", "texts", "%d tokens, the model takes at most %d",
			len(before)+len(tokens), limit)
	}
	s := &scoring{
		context: e.model.Open(), before: before, tokens: tokens, alternatives: alternatives,
		nats: make([]float64, len(tokens)),
	}
	j := &job{ctx: ctx, scoring: s, done: make(chan struct{})}
	if err := e.admit(j); err != nil {
		return Scored{}, Timing{}, err
	}
	<-j.done // the loop looks at ctx between passes
	return Scored{s.nats, s.options}, j.timing(), j.err
}

// score takes a text some tokens further.
func (l *loop) score(j *job) error {
	s := j.scoring
	to := min(s.at+chunk, len(s.tokens))
	if known, ok := l.e.model.(model.Scorer); ok && s.alternatives == 0 {
		if s.at == 0 && len(s.before) > 0 {
			if err := l.e.model.Step([]model.Context{s.context}, [][]int32{s.before}, [][]float64{nil}); err != nil {
				return err
			}
		}
		if err := known.Score(s.context, s.tokens[s.at:to], s.nats[s.at:to], nil); err != nil {
			return err
		}
	} else {
		row := l.row(0)
		feed := s.before
		if s.at > 0 {
			feed = s.tokens[s.at-1 : s.at]
		}
		for i := s.at; i < to; i++ {
			if err := l.e.model.Step([]model.Context{s.context}, [][]int32{feed}, [][]float64{row}); err != nil {
				return err
			}
			s.nats[i] = row[s.tokens[i]]
			if s.alternatives > 0 {
				s.options = append(s.options, alternatives(l.e.model.Tokens(), row, s.alternatives))
			}
			feed = s.tokens[i : i+1]
		}
	}
	if err := l.check(s.nats[s.at:to]); err != nil {
		return err
	}
	s.at = to
	return nil
}
