package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/manifold-gen/manifold/shared/fault"
)

const (
	maxReopen   = 8                      // times a stream is reopened without an event in between
	firstDelay  = 20 * time.Millisecond  // before the second reopening; doubles each time
	longestWait = 500 * time.Millisecond // between two reopenings
	maxSeed     = 1<<53 - 1              // browsers and JSON keep integers up to here
)

// resumable opens streams of one method that survive their replica: Req is the request, Ev the event.
type resumable[Req proto.Message, Ev any] struct {
	open     func(ctx context.Context, r Req, opts ...grpc.CallOption) (grpc.ServerStreamingClient[Ev], error)
	request  func(r Req) resumableRequest
	state    func(r Req, e *Ev) bool // makes r go on from the state that e is, if it is one
	event    func(e *Ev) resumableEvent
	fleetKey []byte
	metrics  *metrics
}

// resumableRequest is what such requests have in common.
type resumableRequest struct {
	seed    **uint64
	id      *string
	states  *bool
	resumes bool
	clear   func() // the state that it resumes from
}

// resumableEvent is what the events have in common.
type resumableEvent struct {
	sequence   uint64
	id         *string
	step, last bool
}

// lastEventID is where a client broke off.
func lastEventID[T any](r *connect.Request[T]) string { return r.Header().Get("Last-Event-Id") }

// digest identifies what a request asks for: everything but the seed, the client's own id and the fields that only the
// gateway sets.
func (g *resumable[Req, Ev]) digest(r Req) ([16]byte, error) {
	c := proto.CloneOf(r)
	f := g.request(c)
	*f.seed, *f.id, *f.states = nil, "", false
	f.clear()
	return digest(c)
}

// run calls send for every event, each exactly once and in order, whatever becomes of the replicas. lastEventID, when
// not empty, is where a client broke off. An error is a gRPC status or a *fault.Error.
func (g *resumable[Req, Ev]) run(ctx context.Context, in Req, lastEventID string, send func(*Ev) error) error {
	const op = "gateway.Stream"
	if f := g.request(in); *f.states || f.resumes {
		return fault.InvalidField(op, "resume", "resume states travel between gateway and services; "+
			"to go on with a stream, send the same request with its last event id")
	}
	d, err := g.digest(in)
	if err != nil {
		return fault.E(fault.Invalid, "INVALID_ARGUMENT", op, "the request cannot be encoded: %w", err)
	}
	req := proto.CloneOf(in)
	fields := g.request(req)
	var seen uint64 // sequence of the last event that the client has
	if lastEventID != "" {
		id, err := parseEventID(g.fleetKey, lastEventID)
		if err != nil || id.request != d || (*fields.seed != nil && **fields.seed != id.seed) {
			return foreignID()
		}
		seen = id.sequence
		*fields.seed = &id.seed
	}
	if *fields.seed == nil {
		seed, err := drawSeed()
		if err != nil {
			return err
		}
		*fields.seed = &seed
	}
	*fields.states = true
	seed := **fields.seed

	emit := func(ev *Ev) error {
		e := g.event(ev)
		if e.sequence <= seen {
			if e.step {
				g.metrics.recomputed.Inc()
			}
			return nil
		}
		seen = e.sequence
		*e.id = eventID{seen, seed, d}.sign(g.fleetKey)
		return send(ev)
	}
	for attempt, delay := 0, firstDelay; ; attempt++ {
		progressed, err := g.once(ctx, req, emit)
		if progressed {
			attempt, delay = 0, firstDelay
		}
		var client *clientError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &client):
			return client.err
		case ctx.Err() != nil || status.Code(err) != codes.Unavailable || attempt >= maxReopen:
			return err
		}
		g.metrics.resumed.Inc()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay):
		}
		delay = min(2*delay, longestWait)
	}
}

// foreignID refuses an event id.
func foreignID() error {
	return fault.E(fault.Precondition, "EVENT_ID_MISMATCH", "gateway.Stream", "%w", errEventID)
}

// clientError marks a failure to send to the client, which no other replica can mend.
type clientError struct{ err error }

func (e *clientError) Error() string { return e.err.Error() }

// once runs one stream on one replica until it ends, and keeps the newest resume state in req.
func (g *resumable[Req, Ev]) once(ctx context.Context, req Req, emit func(*Ev) error) (progressed bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := g.open(ctx, req)
	if err != nil {
		return false, err
	}
	for done := false; ; {
		ev, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if !done {
				return progressed, status.Error(codes.Unavailable, "the stream ended before its last event")
			}
			return progressed, nil
		}
		if err != nil {
			return progressed, err
		}
		progressed = true
		if g.state(req, ev) {
			continue
		}
		done = g.event(ev).last
		if err := emit(ev); err != nil {
			return progressed, &clientError{err}
		}
	}
}

// drawSeed draws a seed that JSON can carry.
func drawSeed() (uint64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fault.E(fault.Internal, "NO_RANDOMNESS", "gateway.Stream", "no random numbers: %w", err)
	}
	return binary.LittleEndian.Uint64(b[:]) & maxSeed, nil
}
