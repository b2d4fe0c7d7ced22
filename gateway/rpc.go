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

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/serve"
)

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

// forward copies a server stream to the client until it ends, and says whether anything was sent.
func forward[T any](in grpc.ServerStreamingClient[T], out *connect.ServerStream[T]) (sent bool, err error) {
	for {
		m, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
		if err := out.Send(m); err != nil {
			return true, err
		}
		sent = true
	}
}

// unary passes one call on.
func unary[Req, Res any](
	ctx context.Context, r *connect.Request[Req], call func(context.Context, *Req, ...grpc.CallOption) (*Res, error),
) (*connect.Response[Res], error) {
	return respond(call(ctx, r.Msg))
}

// respond is the answer of a call that was passed on.
func respond[Res any](m *Res, err error) (*connect.Response[Res], error) {
	if err != nil {
		return nil, rpcError(err)
	}
	return connect.NewResponse(m), nil
}
