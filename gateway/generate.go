package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

const (
	maxReopen   = 8                      // times a stream is reopened without an event in between
	firstDelay  = 20 * time.Millisecond  // before the second reopening; doubles each time
	longestWait = 500 * time.Millisecond // between two reopenings
	maxSeed     = 1<<53 - 1              // browsers and JSON keep integers up to here
)

// generator opens streams of generations that survive their replica.
type generator struct {
	client   diffusionv1.DiffusionServiceClient
	fleetKey []byte
	metrics  *metrics
}

// run generates and calls send for every event, each exactly once and in order, whatever becomes of the replicas.
// lastEventID, when not empty, is where a client broke off. An error is a gRPC status or a *fault.Error.
func (g *generator) run(
	ctx context.Context, in *diffusionv1.GenerateRequest, lastEventID string,
	send func(*diffusionv1.GenerateResponse) error,
) error {
	const op = "gateway.Generate"
	if in.GetResumeStates() || in.GetResume() != nil {
		return fault.InvalidField(op, "resume", "resume states travel between gateway and services; "+
			"to go on with a stream, send the same request with its last event id")
	}
	req := proto.CloneOf(in)
	d, err := digest(in)
	if err != nil {
		return fault.E(fault.Invalid, "INVALID_ARGUMENT", op, "the request cannot be encoded: %w", err)
	}
	var seen uint64 // sequence of the last event that the client has
	if lastEventID != "" {
		id, err := parseEventID(g.fleetKey, lastEventID)
		if err != nil || id.request != d || (req.Seed != nil && req.GetSeed() != id.seed) {
			return fault.E(fault.Precondition, "EVENT_ID_MISMATCH", op, "%w", errEventID)
		}
		seen = id.sequence
		req.Seed = &id.seed
	}
	if req.Seed == nil {
		seed, err := drawSeed()
		if err != nil {
			return err
		}
		req.Seed = &seed
	}
	req.ResumeStates = true

	emit := func(ev *diffusionv1.GenerateResponse) error {
		if ev.GetSequence() <= seen {
			if ev.GetStep() != nil {
				g.metrics.recomputed.Inc()
			}
			return nil
		}
		seen = ev.GetSequence()
		ev.EventId = eventID{seen, req.GetSeed(), d}.sign(g.fleetKey)
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

// clientError marks a failure to send to the client, which no other replica can mend.
type clientError struct{ err error }

func (e *clientError) Error() string { return e.err.Error() }

// once runs one stream on one replica until it ends, and keeps the newest resume state in req.
func (g *generator) once(
	ctx context.Context, req *diffusionv1.GenerateRequest, emit func(*diffusionv1.GenerateResponse) error,
) (progressed bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := g.client.Generate(ctx, req)
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
		if s := ev.GetResumeState(); s != nil {
			req.Resume = s
			continue
		}
		done = ev.GetCompleted() != nil
		if err := emit(ev); err != nil {
			return progressed, &clientError{err}
		}
	}
}

// drawSeed draws a seed that JSON can carry.
func drawSeed() (uint64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fault.E(fault.Internal, "NO_RANDOMNESS", "gateway.Generate", "no random numbers: %w", err)
	}
	return binary.LittleEndian.Uint64(b[:]) & maxSeed, nil
}
