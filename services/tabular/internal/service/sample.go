package service

import (
	"bytes"
	"context"
	"crypto/sha256"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/engine"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/wire"
)

// The kinds of events in sequence numbers: the field numbers of SampleResponse.event.
const (
	kindStarted   = 2
	kindRows      = 3
	kindState     = 4
	kindCompleted = 5
	kindsOfEvents = 8
)

// pieceRows is how many rows a piece of work makes where chunks are smaller.
const pieceRows = 4096

// sampling is a Sample request with all defaults filled in.
type sampling struct {
	n, at  int64
	chunk  int
	given  []model.Term
	model  model.Sampler
	states bool
	digest []byte
}

// Sample streams rows.
func (s *Service) Sample(req *tabularv1.SampleRequest, out grpc.ServerStreamingServer[tabularv1.SampleResponse]) error {
	const op = "tabular.Sample"
	ctx := out.Context()
	var bad wire.Violations
	seed := bad.Seed(req.Seed)
	bad.RequestID(req.GetRequestId())
	p := &sampling{
		n: whole(&bad, "n", req.N, 1, maxSampled, defaultSampled), states: req.GetResumeStates(),
		chunk: int(whole(&bad, "chunk", req.Chunk, 1, maxChunk, defaultChunk)),
	}
	if err := bad.Err(op); err != nil {
		return err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return err
	}
	defer c.free()
	c.seed = seed
	m, err := c.under(req.GetDo())
	if err != nil {
		return err
	}
	var ok bool
	if p.model, ok = m.(model.Sampler); !ok {
		return c.unsupported("make rows")
	}
	if p.given, err = c.terms("given", req.GetGiven()); err != nil {
		return err
	}
	if p.digest, err = digest(c, req, p); err != nil {
		return err
	}
	if r := req.GetResume(); r != nil {
		if err := c.checkResume(r, p); err != nil {
			return err
		}
		p.at = r.GetRows()
	}
	return c.stream(ctx, p, out.Send)
}

func event(rows int64, kind uint64, r *tabularv1.SampleResponse) *tabularv1.SampleResponse {
	r.Sequence = uint64(rows)*kindsOfEvents + kind
	return r
}

// stream draws and sends chunk after chunk. Chunks begin at multiples of their size, also after a resumption.
func (c *call) stream(ctx context.Context, p *sampling, send func(*tabularv1.SampleResponse) error) error {
	err := send(event(0, kindStarted, &tabularv1.SampleResponse{Event: &tabularv1.SampleResponse_Started{
		Started: &tabularv1.SampleStarted{Model: c.ref, ModelDigest: c.m.Entry.Manifest.Digest,
			NumericsVersion: tensor.NumericsVersion, Seed: c.seed, N: p.n, Fields: fields(c.schema())},
	}}))
	var total engine.Timing
	for err == nil && p.at < p.n {
		if p.states && c.m.Draining() {
			if p.at > 0 {
				err = send(c.state(p))
			}
			if err == nil {
				err = fault.E(fault.Unavailable, "HANDED_OVER", c.op, "this replica is shutting down; another one goes on")
			}
			break
		}
		// One piece of work is many chunks where these are small: what a condition costs, it costs once a piece.
		rows := min(int64(p.chunk)*max(1, pieceRows/int64(p.chunk)), p.n-p.at)
		t := table.New(c.schema(), int(rows))
		took, failed := c.m.Do(ctx, engine.Sampling, int(rows), func(context.Context) error {
			return p.model.Sample(t, rng.New(c.seed), uint64(p.at), p.given)
		})
		if failed != nil {
			return fault.Wrap(c.op, failed)
		}
		total.Add(took)
		for from := 0; err == nil && from < t.Rows; {
			to := min(t.Rows, from+p.chunk)
			first := p.at
			p.at += int64(to - from)
			err = send(event(p.at, kindRows, &tabularv1.SampleResponse{Event: &tabularv1.SampleResponse_Rows{
				Rows: &tabularv1.SampleRows{First: first, Rows: rowsOf(t, from, to)},
			}}))
			if err == nil && p.states && p.at < p.n {
				err = send(c.state(p))
			}
			from = to
		}
	}
	if err != nil {
		return err
	}
	return send(event(p.n, kindCompleted, &tabularv1.SampleResponse{Event: &tabularv1.SampleResponse_Completed{
		Completed: &tabularv1.SampleCompleted{Answered: c.answered(total), Rows: p.n},
	}}))
}

func (c *call) state(p *sampling) *tabularv1.SampleResponse {
	return event(p.at, kindState, &tabularv1.SampleResponse{Event: &tabularv1.SampleResponse_State{
		State: &tabularv1.SampleState{RequestDigest: p.digest, ModelDigest: c.m.Entry.Manifest.Digest,
			NumericsVersion: tensor.NumericsVersion, Rows: p.at},
	}})
}

// digest is a SHA-256 over everything that decides the rows and their chunks, seed and defaults filled in.
func digest(c *call, req *tabularv1.SampleRequest, p *sampling) ([]byte, error) {
	chunk := int32(p.chunk)
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(&tabularv1.SampleRequest{
		Model: c.ref, N: &p.n, Seed: &c.seed, Given: req.GetGiven(), Do: req.GetDo(), Chunk: &chunk,
	})
	if err != nil {
		return nil, fault.E(fault.Invalid, "INVALID_ARGUMENT", c.op, "the request cannot be encoded: %w", err)
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

// checkResume checks that a state belongs to this request, model and version.
func (c *call) checkResume(r *tabularv1.SampleState, p *sampling) error {
	refuse := func(reason, format string, args ...any) error {
		return fault.E(fault.Precondition, reason, c.op, format, args...)
	}
	switch {
	case r.GetNumericsVersion() != tensor.NumericsVersion:
		return refuse("NUMERICS_MISMATCH", "the resume state has numerics version %d, this server %d",
			r.GetNumericsVersion(), tensor.NumericsVersion)
	case r.GetModelDigest() != c.m.Entry.Manifest.Digest:
		return refuse("MODEL_MISMATCH", "the resume state is of the model with digest %.12q, %s has %.12s",
			r.GetModelDigest(), c.ref, c.m.Entry.Manifest.Digest)
	case !bytes.Equal(r.GetRequestDigest(), p.digest):
		return refuse("REQUEST_MISMATCH", "the resume state is of another request")
	case r.GetRows() < 1 || r.GetRows() >= p.n || r.GetRows()%int64(p.chunk) != 0:
		return refuse("RESUME_STATE_MISMATCH", "the resume state is after row %d of %d, in chunks of %d", r.GetRows(), p.n,
			p.chunk)
	}
	return nil
}
