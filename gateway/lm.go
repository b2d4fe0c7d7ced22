package gateway

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1/lmv1connect"
)

// lmDoor is LmService at the door. Texts are streams that outlive their replica: the tokens that were sent are the
// state that another one goes on from, so the door keeps them itself.
type lmDoor struct {
	client   lmv1.LmServiceClient
	generate *resumable[*lmv1.GenerateRequest, lmv1.GenerateResponse]
}

func mountLm(g *Gateway, b *backend, opts ...connect.HandlerOption) (string, http.Handler) {
	c := lmv1.NewLmServiceClient(b.conn)
	d := &lmDoor{client: c, generate: &resumable[*lmv1.GenerateRequest, lmv1.GenerateResponse]{
		open: c.Generate, fleetKey: g.fleetKey, metrics: g.metrics,
		request: func(r *lmv1.GenerateRequest) resumableRequest {
			return resumableRequest{seed: &r.Seed, id: &r.RequestId, states: &r.ResumeStates, resumes: r.Resume != nil,
				clear: func() { r.Resume = nil }}
		},
		state: func(r *lmv1.GenerateRequest, e *lmv1.GenerateResponse) bool {
			keepTokens(r, e)
			return false
		},
		event: func(e *lmv1.GenerateResponse) resumableEvent {
			return resumableEvent{sequence: e.GetSequence(), id: &e.EventId, step: e.GetToken() != nil,
				last: e.GetCompleted() != nil}
		},
	}}
	g.lm = d
	return lmv1connect.NewLmServiceHandler(d, opts...)
}

// keepTokens makes r go on after the event e. Sums are those of the replica, bit by bit: the same numbers, added in the
// same order.
func keepTokens(r *lmv1.GenerateRequest, e *lmv1.GenerateResponse) {
	if s := e.GetStarted(); s != nil && r.Resume == nil {
		r.Resume = &lmv1.ResumeState{
			ModelDigest: s.GetModelDigest(), NumericsVersion: s.GetNumericsVersion(), Seed: s.GetSeed(),
		}
		for range s.GetN() {
			r.Resume.Continuations = append(r.Resume.Continuations, &lmv1.Written{})
		}
	}
	t, l := e.GetToken(), r.GetResume().GetContinuations()
	if t == nil || t.GetIndex() < 0 || int(t.GetIndex()) >= len(l) {
		return
	}
	if w := l[t.GetIndex()]; int(t.GetPosition()) == len(w.Ids)+1 { // others are there already
		w.Ids = append(w.Ids, t.GetId())
		w.Logprob += t.GetLogprob()
	}
}

// Generate streams the continuation of a text; the header last-event-id takes a broken one up again.
func (d *lmDoor) Generate(
	ctx context.Context, r *connect.Request[lmv1.GenerateRequest], out *connect.ServerStream[lmv1.GenerateResponse],
) error {
	return rpcError(d.generate.run(ctx, r.Msg, lastEventID(r), out.Send))
}

// Describe says what a model can do.
func (d *lmDoor) Describe(
	ctx context.Context, r *connect.Request[lmv1.DescribeRequest],
) (*connect.Response[lmv1.DescribeResponse], error) {
	return unary(ctx, r, d.client.Describe)
}

// Score says how probable texts are.
func (d *lmDoor) Score(
	ctx context.Context, r *connect.Request[lmv1.ScoreRequest],
) (*connect.Response[lmv1.ScoreResponse], error) {
	return unary(ctx, r, d.client.Score)
}

// Tag labels words.
func (d *lmDoor) Tag(
	ctx context.Context, r *connect.Request[lmv1.TagRequest],
) (*connect.Response[lmv1.TagResponse], error) {
	return unary(ctx, r, d.client.Tag)
}

// Chain answers about a Markov chain.
func (d *lmDoor) Chain(
	ctx context.Context, r *connect.Request[lmv1.ChainRequest],
) (*connect.Response[lmv1.ChainResponse], error) {
	return unary(ctx, r, d.client.Chain)
}

// Forget publishes a model without some documents.
func (d *lmDoor) Forget(
	ctx context.Context, r *connect.Request[lmv1.ForgetRequest],
) (*connect.Response[lmv1.ForgetResponse], error) {
	return unary(ctx, r, d.client.Forget)
}
