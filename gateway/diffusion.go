package gateway

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1/diffusionv1connect"
)

// diffusionDoor is DiffusionService at the door.
type diffusionDoor struct {
	client diffusionv1.DiffusionServiceClient
	images *resumable[*diffusionv1.GenerateRequest, diffusionv1.GenerateResponse]
}

func mountDiffusion(g *Gateway, b *backend, opts ...connect.HandlerOption) (string, http.Handler) {
	c := diffusionv1.NewDiffusionServiceClient(b.conn)
	d := &diffusionDoor{client: c, images: &resumable[*diffusionv1.GenerateRequest, diffusionv1.GenerateResponse]{
		open: c.Generate, fleetKey: g.fleetKey, metrics: g.metrics,
		request: func(r *diffusionv1.GenerateRequest) resumableRequest {
			return resumableRequest{seed: &r.Seed, id: &r.RequestId, states: &r.ResumeStates, resumes: r.Resume != nil,
				clear: func() { r.Resume = nil }}
		},
		state: func(r *diffusionv1.GenerateRequest, e *diffusionv1.GenerateResponse) bool {
			s := e.GetResumeState()
			if s != nil {
				r.Resume = s
			}
			return s != nil
		},
		event: func(e *diffusionv1.GenerateResponse) resumableEvent {
			return resumableEvent{sequence: e.GetSequence(), id: &e.EventId, step: e.GetStep() != nil,
				last: e.GetCompleted() != nil}
		},
	}}
	g.images = d.images
	return diffusionv1connect.NewDiffusionServiceHandler(d, opts...)
}

// Generate streams a generation; the header last-event-id takes a broken one up again.
func (d *diffusionDoor) Generate(
	ctx context.Context, r *connect.Request[diffusionv1.GenerateRequest],
	out *connect.ServerStream[diffusionv1.GenerateResponse],
) error {
	return rpcError(d.images.run(ctx, r.Msg, lastEventID(r), out.Send))
}

// AddNoise streams the forward process.
func (d *diffusionDoor) AddNoise(
	ctx context.Context, r *connect.Request[diffusionv1.AddNoiseRequest],
	out *connect.ServerStream[diffusionv1.AddNoiseResponse],
) error {
	in, err := d.client.AddNoise(ctx, r.Msg)
	if err != nil {
		return rpcError(err)
	}
	_, err = forward(in, out)
	return rpcError(err)
}
