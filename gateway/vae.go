package gateway

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1/vaev1connect"
)

// vaeDoor is VaeService at the door. Chains are streams that outlive their replica.
type vaeDoor struct {
	client  vaev1.VaeServiceClient
	sample  *resumable[*vaev1.SampleRequest, vaev1.SampleResponse]
	fantasy *resumable[*vaev1.FantasyRequest, vaev1.FantasyResponse]
}

func mountVae(g *Gateway, b *backend, opts ...connect.HandlerOption) (string, http.Handler) {
	c := vaev1.NewVaeServiceClient(b.conn)
	d := &vaeDoor{
		client: c,
		sample: &resumable[*vaev1.SampleRequest, vaev1.SampleResponse]{
			open: c.Sample, fleetKey: g.fleetKey, metrics: g.metrics,
			request: func(r *vaev1.SampleRequest) resumableRequest {
				return resumableRequest{seed: &r.Seed, id: &r.RequestId, states: &r.ResumeStates, resumes: r.Resume != nil,
					clear: func() { r.Resume = nil }}
			},
			state: func(r *vaev1.SampleRequest, e *vaev1.SampleResponse) bool {
				s := e.GetState()
				if s != nil {
					r.Resume = s
				}
				return s != nil
			},
			event: chainEvent,
		},
		fantasy: &resumable[*vaev1.FantasyRequest, vaev1.FantasyResponse]{
			open: c.Fantasy, fleetKey: g.fleetKey, metrics: g.metrics,
			request: func(r *vaev1.FantasyRequest) resumableRequest {
				return resumableRequest{seed: &r.Seed, id: &r.RequestId, states: &r.ResumeStates, resumes: r.Resume != nil,
					clear: func() { r.Resume = nil }}
			},
			state: func(r *vaev1.FantasyRequest, e *vaev1.FantasyResponse) bool {
				s := e.GetSample().GetState()
				if s != nil {
					r.Resume = s
				}
				return s != nil
			},
			event: func(e *vaev1.FantasyResponse) resumableEvent {
				if e.Sample == nil {
					e.Sample = &vaev1.SampleResponse{}
				}
				return chainEvent(e.Sample)
			},
		},
	}
	return vaev1connect.NewVaeServiceHandler(d, opts...)
}

func chainEvent(e *vaev1.SampleResponse) resumableEvent {
	return resumableEvent{sequence: e.GetSequence(), id: &e.EventId, step: e.GetSweep() != nil,
		last: e.GetCompleted() != nil}
}

// Sample streams a chain; the header last-event-id takes a broken one up again.
func (d *vaeDoor) Sample(
	ctx context.Context, r *connect.Request[vaev1.SampleRequest], out *connect.ServerStream[vaev1.SampleResponse],
) error {
	return rpcError(d.sample.run(ctx, r.Msg, lastEventID(r), out.Send))
}

// Fantasy streams a chain with a class clamped; the header last-event-id takes a broken one up again.
func (d *vaeDoor) Fantasy(
	ctx context.Context, r *connect.Request[vaev1.FantasyRequest], out *connect.ServerStream[vaev1.FantasyResponse],
) error {
	return rpcError(d.fantasy.run(ctx, r.Msg, lastEventID(r), out.Send))
}

// Describe says what a model can do.
func (d *vaeDoor) Describe(
	ctx context.Context, r *connect.Request[vaev1.DescribeRequest],
) (*connect.Response[vaev1.DescribeResponse], error) {
	return unary(ctx, r, d.client.Describe)
}

// Encode gives the codes of pictures.
func (d *vaeDoor) Encode(
	ctx context.Context, r *connect.Request[vaev1.EncodeRequest],
) (*connect.Response[vaev1.EncodeResponse], error) {
	return unary(ctx, r, d.client.Encode)
}

// Decode turns codes into pictures.
func (d *vaeDoor) Decode(
	ctx context.Context, r *connect.Request[vaev1.DecodeRequest],
) (*connect.Response[vaev1.DecodeResponse], error) {
	return unary(ctx, r, d.client.Decode)
}

// Reconstruct encodes and decodes pictures.
func (d *vaeDoor) Reconstruct(
	ctx context.Context, r *connect.Request[vaev1.ReconstructRequest],
) (*connect.Response[vaev1.ReconstructResponse], error) {
	return unary(ctx, r, d.client.Reconstruct)
}

// Interpolate walks between two codes.
func (d *vaeDoor) Interpolate(
	ctx context.Context, r *connect.Request[vaev1.InterpolateRequest],
) (*connect.Response[vaev1.InterpolateResponse], error) {
	return unary(ctx, r, d.client.Interpolate)
}

// LatentGrid decodes a plane of codes.
func (d *vaeDoor) LatentGrid(
	ctx context.Context, r *connect.Request[vaev1.LatentGridRequest],
) (*connect.Response[vaev1.LatentGridResponse], error) {
	return unary(ctx, r, d.client.LatentGrid)
}

// Arithmetic decodes a sum of codes.
func (d *vaeDoor) Arithmetic(
	ctx context.Context, r *connect.Request[vaev1.ArithmeticRequest],
) (*connect.Response[vaev1.ArithmeticResponse], error) {
	return unary(ctx, r, d.client.Arithmetic)
}

// Score says how likely pictures are.
func (d *vaeDoor) Score(
	ctx context.Context, r *connect.Request[vaev1.ScoreRequest],
) (*connect.Response[vaev1.ScoreResponse], error) {
	return unary(ctx, r, d.client.Score)
}
