package gateway

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1/tabularv1connect"
)

// tabularDoor is TabularService at the door. Rows are a stream that outlives its replica.
type tabularDoor struct {
	client tabularv1.TabularServiceClient
	sample *resumable[*tabularv1.SampleRequest, tabularv1.SampleResponse]
}

func mountTabular(g *Gateway, b *backend, opts ...connect.HandlerOption) (string, http.Handler) {
	c := tabularv1.NewTabularServiceClient(b.conn)
	d := &tabularDoor{
		client: c,
		sample: &resumable[*tabularv1.SampleRequest, tabularv1.SampleResponse]{
			open: c.Sample, fleetKey: g.fleetKey, metrics: g.metrics,
			request: func(r *tabularv1.SampleRequest) resumableRequest {
				return resumableRequest{seed: &r.Seed, id: &r.RequestId, states: &r.ResumeStates, resumes: r.Resume != nil,
					clear: func() { r.Resume = nil }}
			},
			state: func(r *tabularv1.SampleRequest, e *tabularv1.SampleResponse) bool {
				s := e.GetState()
				if s != nil {
					r.Resume = s
				}
				return s != nil
			},
			event: func(e *tabularv1.SampleResponse) resumableEvent {
				return resumableEvent{sequence: e.GetSequence(), id: &e.EventId, step: e.GetRows() != nil,
					last: e.GetCompleted() != nil}
			},
		},
	}
	return tabularv1connect.NewTabularServiceHandler(d, opts...)
}

// Sample streams rows; the header last-event-id takes a broken stream up again.
func (d *tabularDoor) Sample(ctx context.Context, r *connect.Request[tabularv1.SampleRequest],
	out *connect.ServerStream[tabularv1.SampleResponse],
) error {
	return rpcError(d.sample.run(ctx, r.Msg, lastEventID(r), out.Send))
}

// Describe says which fields a model knows and what it can do.
func (d *tabularDoor) Describe(
	ctx context.Context, r *connect.Request[tabularv1.DescribeRequest],
) (*connect.Response[tabularv1.DescribeResponse], error) {
	return unary(ctx, r, d.client.Describe)
}

// Profile summarises a table.
func (d *tabularDoor) Profile(
	ctx context.Context, r *connect.Request[tabularv1.ProfileRequest],
) (*connect.Response[tabularv1.ProfileResponse], error) {
	return unary(ctx, r, d.client.Profile)
}

// Query gives a distribution or a probability.
func (d *tabularDoor) Query(
	ctx context.Context, r *connect.Request[tabularv1.QueryRequest],
) (*connect.Response[tabularv1.QueryResponse], error) {
	return unary(ctx, r, d.client.Query)
}

// Explain predicts rows and says why.
func (d *tabularDoor) Explain(
	ctx context.Context, r *connect.Request[tabularv1.ExplainRequest],
) (*connect.Response[tabularv1.ExplainResponse], error) {
	return unary(ctx, r, d.client.Explain)
}

// Fit makes a model of rows.
func (d *tabularDoor) Fit(
	ctx context.Context, r *connect.Request[tabularv1.FitRequest],
) (*connect.Response[tabularv1.FitResponse], error) {
	return unary(ctx, r, d.client.Fit)
}

// Structure says how fields depend on one another.
func (d *tabularDoor) Structure(
	ctx context.Context, r *connect.Request[tabularv1.StructureRequest],
) (*connect.Response[tabularv1.StructureResponse], error) {
	return unary(ctx, r, d.client.Structure)
}

// Score says how likely rows are.
func (d *tabularDoor) Score(
	ctx context.Context, r *connect.Request[tabularv1.ScoreRequest],
) (*connect.Response[tabularv1.ScoreResponse], error) {
	return unary(ctx, r, d.client.Score)
}

// Report holds synthetic rows against real ones.
func (d *tabularDoor) Report(
	ctx context.Context, r *connect.Request[tabularv1.ReportRequest],
) (*connect.Response[tabularv1.ReportResponse], error) {
	return unary(ctx, r, d.client.Report)
}
