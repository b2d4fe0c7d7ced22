package engine

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/sample"
	"github.com/manifold-gen/manifold/shared/batch"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Why a continuation ended.
const (
	FinishStop   = "stop"   // a stop text came
	FinishLength = "length" // it has as many tokens as were asked for, or as the model takes
	FinishEnd    = "end"    // the model ended it
)

// Request asks for continuations of a text. Continuation i depends on the seed and i alone.
type Request struct {
	Prompt       []int32
	N            int // continuations
	Most         int // tokens of each
	Seed         uint64
	Sampling     sample.Config
	Stop         []string
	Alternatives int // to be reported for every token
	IgnoreEnd    bool
	HandOver     bool      // may be ended for another replica to go on
	Resume       []Written // what each continuation has already; nil: nothing
	Fresh        bool      // the first token begins a text, or comes after white space
}

// Written is what a continuation has.
type Written struct {
	Tokens []int32 // those that Token events reported
	Nats   float64 // the sum of theirs
}

// Event is one thing that happened to a request: exactly one field is set.
type Event struct {
	Token  *Token
	Result *Result
}

// Token is a token of a continuation.
type Token struct {
	Index, Position int // position from 1
	ID              int32
	Piece           string
	Text            string
	Nats            float64
	Alternatives    []Alternative
	Finish          string // why the continuation ends here; empty where it goes on
}

// Alternative is a token that might have come.
type Alternative struct {
	ID    int32
	Piece string
	Nats  float64
}

// Continuation is one that has ended.
type Continuation struct {
	Text   string
	Finish string
	Nats   float64
	Tokens int
}

// Result is the end of a request.
type Result struct {
	Continuations []Continuation
	Timing        Timing
}

// PreviewBytes implements batch.Event: no token may be dropped.
func (Event) PreviewBytes() int { return 0 }

// IsState implements batch.Event: the tokens are the state.
func (Event) IsState() bool { return false }

// Stream is the reading end of a request.
type Stream = batch.Stream[Event]

// generation is a Request on its way.
type generation struct {
	Request
	random rng.Stream
	rows   []*continuation
}

// continuation is one of a request's.
type continuation struct {
	index   int
	context model.Context
	feed    []int32 // tokens that the model has not seen yet
	tokens  int
	sampler *sample.Sampler
	writer  *writer
	text    strings.Builder
	nats    float64
	finish  string
}

// Generate admits a request. The stream belongs to the caller, who must read it to its end or Leave it; when ctx ends,
// the request ends within one pass.
func (e *Engine) Generate(ctx context.Context, r Request) (*Stream, error) {
	g := &generation{Request: r, random: rng.New(r.Seed)}
	if err := g.start(e.model); err != nil {
		return nil, err
	}
	own, cancel := context.WithCancel(ctx)
	j := &job{ctx: own, generation: g, stream: batch.NewStream[Event](cancel)}
	if r.Resume != nil {
		e.cfg.Observer.Resumed()
	}
	if err := e.admit(j); err != nil {
		cancel()
		return nil, err
	}
	return j.stream, nil
}

// start makes the continuations, with what they have already.
func (g *generation) start(m model.Model) error {
	const op = "engine.Generate"
	if limit := m.Limit(); limit > 0 {
		if len(g.Prompt) >= limit {
			return fault.InvalidField(op, "prompt", "%d tokens, the model takes less than %d", len(g.Prompt), limit)
		}
		g.Most = min(g.Most, limit-len(g.Prompt))
	}
	if g.Resume != nil && len(g.Resume) != g.N {
		return mismatch("it has %d continuations, the request %d", len(g.Resume), g.N)
	}
	for i := range g.N {
		c := &continuation{
			index: i, context: m.Open(), feed: g.Prompt, sampler: sample.New(g.Sampling, g.Prompt), writer: newWriter(g.Stop),
		}
		g.rows = append(g.rows, c)
		if g.Resume == nil {
			continue
		}
		had := g.Resume[i]
		if len(had.Tokens) > g.Most {
			return mismatch("continuation %d has %d tokens of %d", i, len(had.Tokens), g.Most)
		}
		if !(had.Nats <= 0) {
			return mismatch("continuation %d has the log-probability %v", i, had.Nats)
		}
		c.feed = append(append([]int32(nil), g.Prompt...), had.Tokens...)
		c.nats = had.Nats
		for _, t := range had.Tokens {
			if t < nothing || int(t) >= m.Tokens().Size() {
				return mismatch("token %d of %d", t, m.Tokens().Size())
			}
			if c.finish != "" {
				return mismatch("continuation %d has tokens after its end", i)
			}
			g.take(c, m.Tokens(), t)
		}
	}
	return nil
}

func mismatch(format string, args ...any) error {
	return fault.E(fault.Precondition, "RESUME_STATE_MISMATCH", "engine.Generate",
		"the resume state does not belong here: "+format, args...)
}

// nothing is the token of a continuation that ends because the model rules out every token.
const nothing = -1

// take makes a token part of a continuation and gives the text that is certain with it.
func (g *generation) take(c *continuation, tokens model.Tokens, t int32) (text string) {
	c.tokens++
	if t == nothing || t == tokens.End() && !g.IgnoreEnd {
		text, c.finish = c.writer.flush(), FinishEnd
	} else {
		c.sampler.Note(t)
		var stopped bool
		if text, stopped = c.writer.add(tokens.Append(nil, t, g.Fresh && c.tokens == 1)); stopped {
			c.finish = FinishStop
		}
	}
	if c.finish == "" && c.tokens == g.Most {
		text += c.writer.flush()
		c.finish = FinishLength
	}
	c.text.WriteString(text)
	return text
}

// due are the continuations that get the next token: those with the fewest, so that the order of all tokens of a
// request is always the same.
func (g *generation) due(dst []*continuation) []*continuation {
	fewest := math.MaxInt
	for _, c := range g.rows {
		if c.finish == "" {
			fewest = min(fewest, c.tokens)
		}
	}
	for _, c := range g.rows {
		if c.finish == "" && c.tokens == fewest {
			dst = append(dst, c)
		}
	}
	return dst
}

// next draws the token of a continuation from the model's probabilities and reports it.
func (l *loop) next(j *job, c *continuation, nats []float64) error {
	if err := l.check(nats); err != nil {
		return err
	}
	g, tokens := j.generation, l.e.model.Tokens()
	var u [1]float64
	g.random.Uniform64(u[:], uint64(c.index), uint32(c.tokens), rng.Choice)
	t := c.sampler.Choose(nats, u[0])
	if t == nothing && c.tokens == 0 {
		return fault.E(fault.Precondition, "IMPOSSIBLE_CONTEXT", "engine",
			"the model %s rules out every token after this prompt; a smoothed model, or another prompt, goes on", l.e.name)
	}
	e := &Token{Index: c.index, Position: c.tokens + 1, ID: t}
	if t != nothing {
		e.Piece, e.Nats, e.Alternatives = tokens.Piece(t), nats[t], alternatives(tokens, nats, g.Alternatives)
		c.nats += e.Nats
		c.feed = []int32{t}
	}
	e.Text = g.take(c, tokens, t)
	e.Finish = c.finish
	j.stream.Push(Event{Token: e})
	return nil
}

func alternatives(tokens model.Tokens, nats []float64, n int) []Alternative {
	if n == 0 {
		return nil
	}
	a := make([]Alternative, 0, n)
	for _, t := range sample.Best(nats, n) {
		a = append(a, Alternative{t, tokens.Piece(t), nats[t]})
	}
	return a
}

// result gives the result of a request whose continuations have all ended.
func (g *generation) result(j *job) (*Result, bool) {
	r := new(Result)
	for _, c := range g.rows {
		if c.finish == "" {
			return nil, false
		}
		r.Continuations = append(r.Continuations, Continuation{c.text.String(), c.finish, c.nats, c.tokens})
	}
	j.ended = time.Now()
	r.Timing = j.timing()
	return r, true
}
