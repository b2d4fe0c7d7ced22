package gateway

import (
	"context"
	"errors"
	"io"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/serve"
)

func newDiffusionClient(b *backend) diffusionv1.DiffusionServiceClient {
	return diffusionv1.NewDiffusionServiceClient(b.conn)
}

// ping asks for one model: the cheapest call that proves a ready replica.
func (b *backend) ping(ctx context.Context) error {
	_, err := b.models.ListModels(ctx, &modelv1.ListModelsRequest{PageSize: 1})
	return err
}

// rpcError turns a gRPC status or a *fault.Error into the error that Connect sends, details included.
func rpcError(err error) error {
	if err == nil {
		return nil
	}
	s := public(err)
	e := connect.NewError(connect.Code(s.Code()), errors.New(s.Message()))
	for _, d := range s.Details() {
		if m, ok := d.(proto.Message); ok {
			if detail, err := connect.NewErrorDetail(m); err == nil {
				e.AddDetail(detail)
			}
		}
	}
	return e
}

// public is the status that a client gets. What gRPC itself says has no reason, and of a replica that does not answer
// it holds addresses of the fleet: both are mended.
func public(err error) *status.Status {
	s := serve.Status(err)
	if len(s.Details()) > 0 {
		return s
	}
	switch s.Code() {
	case codes.Unavailable:
		return serve.Status(fault.E(fault.Unavailable, "NO_REPLICA", "gateway",
			"no replica of the service answers just now").After(time.Second))
	case codes.DeadlineExceeded:
		return serve.Status(fault.E(fault.Deadline, "DEADLINE_EXCEEDED", "gateway",
			"the call's deadline passed before its end; allow more time, or ask for fewer steps or pictures"))
	}
	return s
}

// deadline gives every call without a deadline one, unary and streaming alike.
func deadline(d time.Duration) connect.Interceptor { return &deadlines{d} }

type deadlines struct{ d time.Duration }

func (i *deadlines) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, i.d)
}

// WrapUnary bounds a unary call.
func (i *deadlines) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := i.bound(ctx)
		defer cancel()
		return next(ctx, r)
	}
}

// WrapStreamingClient is not used: the gateway is a server.
func (i *deadlines) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler bounds a streaming call.
func (i *deadlines) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, c connect.StreamingHandlerConn) error {
		ctx, cancel := i.bound(ctx)
		defer cancel()
		return next(ctx, c)
	}
}

// diffusionDoor is DiffusionService at the door.
type diffusionDoor struct{ g *Gateway }

// Generate streams a generation; the header last-event-id takes a broken one up again.
func (d *diffusionDoor) Generate(
	ctx context.Context, r *connect.Request[diffusionv1.GenerateRequest],
	out *connect.ServerStream[diffusionv1.GenerateResponse],
) error {
	return rpcError(d.g.gen.run(ctx, r.Msg, r.Header().Get("Last-Event-Id"), out.Send))
}

// AddNoise streams the forward process.
func (d *diffusionDoor) AddNoise(
	ctx context.Context, r *connect.Request[diffusionv1.AddNoiseRequest],
	out *connect.ServerStream[diffusionv1.AddNoiseResponse],
) error {
	in, err := d.g.gen.client.AddNoise(ctx, r.Msg)
	if err != nil {
		return rpcError(err)
	}
	return forward(in, out)
}

// forward copies a server stream to the client until it ends.
func forward[T any](in grpc.ServerStreamingClient[T], out *connect.ServerStream[T]) error {
	for {
		m, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return rpcError(err)
		}
		if err := out.Send(m); err != nil {
			return err
		}
	}
}

// unary passes one call on.
func unary[Req, Res any](
	ctx context.Context, r *connect.Request[Req], call func(context.Context, *Req, ...grpc.CallOption) (*Res, error),
) (*connect.Response[Res], error) {
	m, err := call(ctx, r.Msg)
	if err != nil {
		return nil, rpcError(err)
	}
	return connect.NewResponse(m), nil
}

// first tries the families in turn until one knows what is asked for; NOT_FOUND of the last one is returned.
func first[Res any](
	bs []*backend, call func(*backend) (*connect.Response[Res], error),
) (*connect.Response[Res], error) {
	var err error
	for _, b := range bs {
		var res *connect.Response[Res]
		if res, err = call(b); err == nil || connect.CodeOf(err) != connect.CodeNotFound {
			return res, err
		}
	}
	return nil, err
}

// modelDoor is ModelService over all families.
type modelDoor struct{ backends []*backend }

// ListModels returns a page of all families' models; page tokens belong to one family each.
func (d *modelDoor) ListModels(
	ctx context.Context, r *connect.Request[modelv1.ListModelsRequest],
) (*connect.Response[modelv1.ListModelsResponse], error) {
	if len(d.backends) == 1 {
		return unary(ctx, r, d.backends[0].models.ListModels)
	}
	all := &modelv1.ListModelsResponse{}
	for _, b := range d.backends {
		m, err := listAll(ctx, b)
		if err != nil {
			return nil, rpcError(err)
		}
		all.Models = append(all.Models, m...)
	}
	return connect.NewResponse(all), nil
}

// listAll walks the pages of one family.
func listAll(ctx context.Context, b *backend) ([]*modelv1.Model, error) {
	var l []*modelv1.Model
	for token := ""; ; {
		m, err := b.models.ListModels(ctx, &modelv1.ListModelsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, err
		}
		l = append(l, m.GetModels()...)
		if token = m.GetNextPageToken(); token == "" {
			return l, nil
		}
	}
}

// GetModel returns one model.
func (d *modelDoor) GetModel(
	ctx context.Context, r *connect.Request[modelv1.GetModelRequest],
) (*connect.Response[modelv1.GetModelResponse], error) {
	return first(d.backends, func(b *backend) (*connect.Response[modelv1.GetModelResponse], error) {
		return unary(ctx, r, b.models.GetModel)
	})
}

// LoadModel loads a model in the replica that answers.
func (d *modelDoor) LoadModel(
	ctx context.Context, r *connect.Request[modelv1.LoadModelRequest],
) (*connect.Response[modelv1.LoadModelResponse], error) {
	return first(d.backends, func(b *backend) (*connect.Response[modelv1.LoadModelResponse], error) {
		return unary(ctx, r, b.models.LoadModel)
	})
}

// UnloadModel releases a model in the replica that answers.
func (d *modelDoor) UnloadModel(
	ctx context.Context, r *connect.Request[modelv1.UnloadModelRequest],
) (*connect.Response[modelv1.UnloadModelResponse], error) {
	return first(d.backends, func(b *backend) (*connect.Response[modelv1.UnloadModelResponse], error) {
		return unary(ctx, r, b.models.UnloadModel)
	})
}

// trainingDoor is TrainingService over all families.
type trainingDoor struct{ backends []*backend }

// CreateTrainingJob starts a job with the first family that knows the recipe.
func (d *trainingDoor) CreateTrainingJob(
	ctx context.Context, r *connect.Request[trainingv1.CreateTrainingJobRequest],
) (*connect.Response[trainingv1.CreateTrainingJobResponse], error) {
	return first(d.backends, func(b *backend) (*connect.Response[trainingv1.CreateTrainingJobResponse], error) {
		return unary(ctx, r, b.training.CreateTrainingJob)
	})
}

// GetTrainingJob returns one job.
func (d *trainingDoor) GetTrainingJob(
	ctx context.Context, r *connect.Request[trainingv1.GetTrainingJobRequest],
) (*connect.Response[trainingv1.GetTrainingJobResponse], error) {
	return first(d.backends, func(b *backend) (*connect.Response[trainingv1.GetTrainingJobResponse], error) {
		return unary(ctx, r, b.training.GetTrainingJob)
	})
}

// ListTrainingJobs returns the jobs of the first family.
func (d *trainingDoor) ListTrainingJobs(
	ctx context.Context, r *connect.Request[trainingv1.ListTrainingJobsRequest],
) (*connect.Response[trainingv1.ListTrainingJobsResponse], error) {
	return unary(ctx, r, d.backends[0].training.ListTrainingJobs)
}

// CancelTrainingJob stops a job.
func (d *trainingDoor) CancelTrainingJob(
	ctx context.Context, r *connect.Request[trainingv1.CancelTrainingJobRequest],
) (*connect.Response[trainingv1.CancelTrainingJobResponse], error) {
	return first(d.backends, func(b *backend) (*connect.Response[trainingv1.CancelTrainingJobResponse], error) {
		return unary(ctx, r, b.training.CancelTrainingJob)
	})
}

// UploadDataset passes an upload on, message by message.
func (d *trainingDoor) UploadDataset(
	ctx context.Context, in *connect.ClientStream[trainingv1.UploadDatasetRequest],
) (*connect.Response[trainingv1.UploadDatasetResponse], error) {
	out, err := d.backends[0].training.UploadDataset(ctx)
	if err != nil {
		return nil, rpcError(err)
	}
	for in.Receive() {
		if err := out.Send(in.Msg()); err != nil {
			break // the reason comes with CloseAndRecv
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	m, err := out.CloseAndRecv()
	if err != nil {
		return nil, rpcError(err)
	}
	return connect.NewResponse(m), nil
}

// WatchTrainingJob streams a job's events.
func (d *trainingDoor) WatchTrainingJob(
	ctx context.Context, r *connect.Request[trainingv1.WatchTrainingJobRequest],
	out *connect.ServerStream[trainingv1.WatchTrainingJobResponse],
) error {
	var err error // what forward returns is an error for clients already
	for _, b := range d.backends {
		in, failed := b.training.WatchTrainingJob(ctx, r.Msg)
		if failed != nil {
			return rpcError(failed)
		}
		if err = forward(in, out); err == nil || connect.CodeOf(err) != connect.CodeNotFound {
			return err
		}
	}
	return err
}
