package service

import (
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/services/lm/internal/engine"
	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/sample"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/wire"
)

// The limits and defaults of Generate, as the protobuf comments state them.
const (
	maxTokens        = 65_536
	defaultMost      = 256
	maxContinuations = 16
	maxStops         = 16
	maxStop          = 256
	maxAlternatives  = 20
	maxTemperature   = 100
	maxPenalty       = 100
	maxRepetition    = 10
	maxPrompt        = 8 << 20
)

// The kinds of events in sequence numbers: the field numbers of GenerateResponse.event.
const (
	kindStarted   = 2
	kindToken     = 3
	kindCompleted = 4
	kinds         = 8
)

// sampling checks how tokens are chosen.
func sampling(bad *wire.Violations, s *lmv1.Sampling) sample.Config {
	c := sample.Plain()
	if s == nil {
		return c
	}
	c.Temperature = between(bad, "sampling.temperature", s.Temperature, 0, maxTemperature, c.Temperature)
	if c.TopK = int(s.GetTopK()); c.TopK < 0 {
		bad.Addf("sampling.top_k", "%d, want at least 0", c.TopK)
	}
	c.TopP = between(bad, "sampling.top_p", s.TopP, 0, 1, c.TopP)
	if c.TopP == 0 {
		bad.Addf("sampling.top_p", "0, want more than 0 and at most 1")
	}
	c.MinP = between(bad, "sampling.min_p", s.MinP, 0, 1, 0)
	c.Repetition = between(bad, "sampling.repetition_penalty", s.RepetitionPenalty, 0, maxRepetition, c.Repetition)
	if c.Repetition == 0 {
		bad.Addf("sampling.repetition_penalty", "0, want more than 0 and at most %d", maxRepetition)
	}
	presence, frequency := s.GetPresencePenalty(), s.GetFrequencyPenalty()
	c.Presence = between(bad, "sampling.presence_penalty", &presence, -maxPenalty, maxPenalty, 0)
	c.Frequency = between(bad, "sampling.frequency_penalty", &frequency, -maxPenalty, maxPenalty, 0)
	return c
}

// Generate goes on with a text.
func (s *Service) Generate(req *lmv1.GenerateRequest, out grpc.ServerStreamingServer[lmv1.GenerateResponse]) error {
	const op = "lm.Generate"
	var bad wire.Violations
	if r := req.GetResume(); r != nil && req.Seed == nil {
		seed := r.GetSeed()
		req.Seed = &seed
	}
	r := engine.Request{
		Seed: bad.Seed(req.Seed), N: whole(&bad, "n", req.N, 1, maxContinuations, 1),
		Most:     whole(&bad, "max_tokens", req.MaxTokens, 1, maxTokens, defaultMost),
		Sampling: sampling(&bad, req.GetSampling()), Stop: req.GetStop(), Alternatives: int(req.GetTopLogprobs()),
		IgnoreEnd: req.GetIgnoreEnd(), HandOver: req.GetResumeStates(),
	}
	bad.RequestID(req.GetRequestId())
	if len(r.Stop) > maxStops {
		bad.Addf("stop", "%d texts, want at most %d", len(r.Stop), maxStops)
	}
	for _, t := range r.Stop {
		if t == "" || len(t) > maxStop {
			bad.Addf("stop", "a text of %d bytes, want 1 to %d", len(t), maxStop)
			break
		}
	}
	if r.Alternatives < 0 || r.Alternatives > maxAlternatives {
		bad.Addf("top_logprobs", "%d, want 0 to %d", r.Alternatives, maxAlternatives)
	}
	checkText(&bad, "prompt", req.GetPrompt(), maxPrompt)
	if err := bad.Err(op); err != nil {
		return err
	}
	c, err := s.begin(out.Context(), op, req.GetModel())
	if err != nil {
		return err
	}
	defer c.free()
	c.seed = r.Seed
	if err := c.checkResume(req.GetResume(), &r); err != nil {
		return err
	}
	switch m := c.m.Model.(type) {
	case model.Model:
		if r.Prompt, err = m.Tokens().Encode(req.GetPrompt()); err != nil {
			return fault.Wrap(op, err)
		}
		if _, ok := m.Tokens().(*text.Tokens); ok {
			r.Sampling.Never = []int32{text.Unknown, text.Begin} // neither can be written
		}
		r.Fresh = req.GetPrompt() == "" || strings.ContainsRune(" \t\r\n", rune(req.GetPrompt()[len(req.GetPrompt())-1]))
		return c.generate(out.Context(), r, out.Send)
	case model.Replier:
		return c.reply(m, req, r, out.Send)
	}
	return c.unsupported("write text")
}

// checkText refuses text that is too long, not UTF-8, or has NUL bytes.
func checkText(bad *wire.Violations, field, text string, most int) {
	switch {
	case len(text) > most:
		bad.Addf(field, "%d bytes, want at most %d", len(text), most)
	case !utf8.ValidString(text):
		bad.Addf(field, "is not UTF-8")
	case strings.ContainsRune(text, 0):
		bad.Addf(field, "holds a NUL byte at %d", strings.IndexByte(text, 0))
	}
}

// checkResume checks that a state belongs to this model and version.
func (c *call) checkResume(s *lmv1.ResumeState, r *engine.Request) error {
	if s == nil {
		return nil
	}
	refuse := func(reason, format string, args ...any) error {
		return fault.E(fault.Precondition, reason, c.op, format, args...)
	}
	switch {
	case s.GetNumericsVersion() != tensor.NumericsVersion:
		return refuse("NUMERICS_MISMATCH", "the resume state has numerics version %d, this server %d",
			s.GetNumericsVersion(), tensor.NumericsVersion)
	case s.GetModelDigest() != c.m.Entry.Manifest.Digest:
		return refuse("MODEL_MISMATCH", "the resume state is of the model with digest %.12q, %s has %.12s",
			s.GetModelDigest(), c.ref, c.m.Entry.Manifest.Digest)
	case s.GetSeed() != c.seed:
		return refuse("REQUEST_MISMATCH", "the resume state is of another request")
	}
	r.Resume = []engine.Written{}
	for _, w := range s.GetContinuations() {
		r.Resume = append(r.Resume, engine.Written{Tokens: w.GetIds(), Nats: w.GetLogprob()})
	}
	return nil
}

func (c *call) started(prompt, most, n int) *lmv1.GenerateResponse {
	return &lmv1.GenerateResponse{Sequence: kindStarted, Event: &lmv1.GenerateResponse_Started{Started: &lmv1.Started{
		Model: c.ref, ModelDigest: c.m.Entry.Manifest.Digest, NumericsVersion: tensor.NumericsVersion, Seed: c.seed,
		PromptTokens: int32(prompt), MaxTokens: int32(most), N: int32(n),
	}}}
}

// event is a token's; see GenerateResponse.sequence.
func event(t *lmv1.Token, n int) *lmv1.GenerateResponse {
	return &lmv1.GenerateResponse{
		Sequence: (uint64(t.GetPosition())*uint64(n)+uint64(t.GetIndex()))*kinds + kindToken,
		Event:    &lmv1.GenerateResponse_Token{Token: t},
	}
}

func completed(most, n int, d *lmv1.Completed) *lmv1.GenerateResponse {
	return &lmv1.GenerateResponse{
		Sequence: (uint64(most)*uint64(n)+uint64(n))*kinds + kindCompleted,
		Event:    &lmv1.GenerateResponse_Completed{Completed: d},
	}
}

// generate streams what a language model writes.
func (c *call) generate(ctx context.Context, r engine.Request, send func(*lmv1.GenerateResponse) error) error {
	stream, err := c.m.Generate(ctx, r)
	if err != nil {
		return fault.Wrap(c.op, err)
	}
	defer stream.Leave()
	if err := send(c.started(len(r.Prompt), r.Most, r.N)); err != nil {
		return err
	}
	for {
		e, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault.Wrap(c.op, err)
		}
		msg := c.message(e, r)
		if err := send(msg); err != nil {
			return err
		}
		stream.Sent(proto.Size(msg)+5, false) // 5: gRPC's own header of a message
	}
}

func (c *call) message(e engine.Event, r engine.Request) *lmv1.GenerateResponse {
	if t := e.Token; t != nil {
		return event(&lmv1.Token{
			Index: int32(t.Index), Position: int32(t.Position), Id: t.ID, Piece: printable(t.Piece), Text: t.Text,
			Logprob: t.Nats, Alternatives: alternatives(t.Alternatives), Finish: t.Finish,
		}, r.N)
	}
	d := &lmv1.Completed{Answered: c.answered(e.Result.Timing), PromptTokens: int32(len(r.Prompt))}
	for _, x := range e.Result.Continuations {
		d.Continuations = append(d.Continuations, &lmv1.Continuation{
			Text: x.Text, Finish: x.Finish, Logprob: x.Nats, Tokens: int32(x.Tokens),
		})
		d.Tokens += int32(x.Tokens)
	}
	return completed(r.Most, r.N, d)
}

func alternatives(l []engine.Alternative) []*lmv1.Alternative {
	var a []*lmv1.Alternative
	for _, x := range l {
		a = append(a, &lmv1.Alternative{Id: x.ID, Piece: printable(x.Piece), Logprob: x.Nats})
	}
	return a
}

// printable is a piece as messages can carry it.
func printable(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// reply streams what rules answer. The pieces that the client has are left out.
func (c *call) reply(m model.Replier, req *lmv1.GenerateRequest, r engine.Request,
	send func(*lmv1.GenerateResponse) error) error {
	var bad wire.Violations
	if !r.Sampling.IsPlain() {
		bad.Addf("sampling", "model %s is made of rules: it has no distribution over tokens to change", c.ref)
	}
	if len(r.Stop) > 0 {
		bad.Addf("stop", "model %s is made of rules, which end by themselves", c.ref)
	}
	if r.Alternatives > 0 {
		bad.Addf("top_logprobs", "model %s is made of rules, which have no alternatives to a token", c.ref)
	}
	if r.IgnoreEnd {
		bad.Addf("ignore_end", "model %s is made of rules, which end by themselves", c.ref)
	}
	if err := bad.Err(c.op); err != nil {
		return err
	}
	if r.Resume != nil && len(r.Resume) != r.N {
		return fault.E(fault.Precondition, "REQUEST_MISMATCH", c.op, "the resume state is of another request")
	}
	d := &lmv1.Completed{Answered: c.answered(engine.Timing{})}
	replies := make([][]model.Piece, r.N)
	longest := 0
	for i := range replies {
		p, err := m.Reply(req.GetPrompt(), rng.New(c.seed), uint64(i))
		if err != nil {
			return fault.Wrap(c.op, err)
		}
		x := &lmv1.Continuation{Finish: engine.FinishEnd}
		if len(p) > r.Most {
			p, x.Finish = p[:r.Most], engine.FinishLength
		}
		for _, piece := range p {
			x.Text += piece.Text
			x.Logprob += piece.Nats
		}
		x.Tokens = int32(len(p))
		d.Tokens += x.Tokens
		d.Continuations = append(d.Continuations, x)
		if r.Resume != nil && len(r.Resume[i].Tokens) > len(p) {
			return fault.E(fault.Precondition, "RESUME_STATE_MISMATCH", c.op,
				"the resume state does not belong here: continuation %d has %d tokens of %d", i,
				len(r.Resume[i].Tokens), len(p))
		}
		replies[i], longest = p, max(longest, len(p))
	}
	if err := send(c.started(0, r.Most, r.N)); err != nil {
		return err
	}
	for at := range longest {
		for i, p := range replies {
			if at >= len(p) || r.Resume != nil && at < len(r.Resume[i].Tokens) {
				continue
			}
			t := &lmv1.Token{Index: int32(i), Position: int32(at + 1), Id: -1, Piece: printable(p[at].Text),
				Text: p[at].Text, Logprob: p[at].Nats}
			if at == len(p)-1 {
				t.Finish = d.GetContinuations()[i].GetFinish()
			}
			if err := send(event(t, r.N)); err != nil {
				return err
			}
		}
	}
	return send(completed(r.Most, r.N, d))
}
