package serve

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/manifold-gen/manifold/shared/fault"
)

const (
	healthPrefix     = "/grpc.health."
	healthWatch      = "/grpc.health.v1.Health/Watch"
	reflectionPrefix = "/grpc.reflection."
)

// housekeeping calls are answered during a drain and neither counted nor logged.
func housekeeping(method string) bool {
	return strings.HasPrefix(method, healthPrefix) || strings.HasPrefix(method, reflectionPrefix)
}

func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if housekeeping(info.FullMethod) {
		return next(ctx, req)
	}
	ctx, c, done, err := s.begin(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	defer done()
	_ = grpc.SetHeader(ctx, metadata.Pairs(RequestIDKey, c.id)) // fails only when headers are out already
	var resp any
	err = protect(c, func() (err error) {
		resp, err = next(ctx, req)
		return err
	})
	if err == nil {
		c.sent()
	}
	return resp, s.finish(c, err)
}

func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if info.FullMethod == healthWatch {
		return s.watch(srv, ss, next)
	}
	if housekeeping(info.FullMethod) {
		return next(srv, ss)
	}
	ctx, c, done, err := s.begin(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	defer done()
	_ = ss.SetHeader(metadata.Pairs(RequestIDKey, c.id))
	wrapped := &serverStream{ServerStream: ss, ctx: ctx, call: c}
	err = protect(c, func() error { return next(srv, wrapped) })
	return s.finish(c, err)
}

// watch serves a health watch until the client leaves or shutdown closes the watches.
func (s *Server) watch(srv any, ss grpc.ServerStream, next grpc.StreamHandler) error {
	ctx, cancel := context.WithCancel(ss.Context())
	defer cancel()
	stop := context.AfterFunc(s.watches, cancel)
	defer stop()
	return next(srv, &serverStream{ServerStream: ss, ctx: ctx})
}

// begin admits a call, or refuses it because the server drains.
func (s *Server) begin(ctx context.Context, method string) (context.Context, *call, func(), error) {
	id := ""
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		if v := md.Get(RequestIDKey); len(v) > 0 && validRequestID(v[0]) {
			id = v[0]
		}
	}
	ctx, c, done, err := s.enter(ctx, method, id)
	if err != nil {
		return ctx, nil, nil, Status(err).Err()
	}
	return ctx, c, done, nil
}

// enter is the part of begin that HTTP calls share.
func (s *Server) enter(ctx context.Context, method, id string) (context.Context, *call, func(), error) {
	if !s.gate.enter() {
		err := fault.E(fault.Unavailable, "DRAINING", "serve", "this replica is shutting down; another one may answer")
		return ctx, nil, nil, err.After(time.Second)
	}
	if id == "" {
		id = newRequestID()
	}
	c := &call{id: id, method: method, start: time.Now()}
	c.log = s.log.With(zap.String("request_id", id))
	return withCall(ctx, c), c, s.gate.leave, nil
}

// protect runs a handler and turns a panic into an error; the stack goes to the log alone.
func protect(c *call, f func() error) (err error) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		c.log.Error("panic", zap.String("method", c.method), zap.String("panic", fmt.Sprint(r)),
			zap.ByteString("stack", debug.Stack()))
		err = fault.E(fault.Internal, "PANIC", "serve", "internal error; the server's log has it under request id %s", c.id)
	}()
	return f()
}

// finish counts and logs a call and gives the status that leaves the server.
func (s *Server) finish(c *call, err error) error {
	st := Status(err)
	took := time.Since(c.start)
	s.metrics.request(c, st.Code().String(), took)
	fields := []zap.Field{
		zap.String("method", c.method), zap.String("code", st.Code().String()), zap.Duration("took", took),
	}
	if m := c.modelLabel(); m != "" {
		fields = append(fields, zap.String("model", m))
	}
	if err != nil {
		fields = append(fields, zap.Error(err))
	}
	switch st.Code() {
	case codes.Internal, codes.DataLoss, codes.Unknown:
		c.log.Error("call", fields...)
	default:
		c.log.Info("call", fields...)
	}
	return st.Err()
}

// serverStream carries the call's context and notes the first message out.
type serverStream struct {
	grpc.ServerStream
	ctx  context.Context //nolint:containedctx // the way grpc hands a context to stream handlers
	call *call
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) SendMsg(m any) error {
	err := s.ServerStream.SendMsg(m)
	if err == nil && s.call != nil {
		s.call.sent()
	}
	return err
}
