package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae/internal/engine"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/wire"
)

// The kinds of events in sequence numbers: the field numbers of SampleResponse.event.
const (
	kindStarted   = 2
	kindSweep     = 3
	kindPreview   = 4
	kindState     = 5
	kindCompleted = 6
	kinds         = 8
)

// sampling is a Sample or Fantasy request with all defaults filled in.
type sampling struct {
	n           int
	sweeps      int // 0: the model's own number
	temperature float64
	every       int // 0: a hundredth of the sweeps
	encoding    tensorv1.ImageEncoding
	label       string
	start       *tensorv1.Image
	states      bool
	resume      *vaev1.ChainState
	fantasy     bool
}

// Sample draws pictures.
func (s *Service) Sample(req *vaev1.SampleRequest, out grpc.ServerStreamingServer[vaev1.SampleResponse]) error {
	return s.sample(out.Context(), "vae.Sample", req, false, out.Send)
}

// Fantasy runs a chain with a clamped class.
func (s *Service) Fantasy(req *vaev1.FantasyRequest, out grpc.ServerStreamingServer[vaev1.FantasyResponse]) error {
	const op = "vae.Fantasy"
	if req.GetLabel() == "" {
		return fault.InvalidField(op, "label", "missing: which class shall the model dream of?")
	}
	same := &vaev1.SampleRequest{
		Model: req.GetModel(), N: req.N, Seed: req.Seed, Sweeps: req.Sweeps, Temperature: req.Temperature,
		Label: req.GetLabel(), PreviewEvery: req.GetPreviewEvery(), Encoding: req.GetEncoding(),
		RequestId: req.GetRequestId(), Resume: req.GetResume(), ResumeStates: req.GetResumeStates(),
	}
	return s.sample(out.Context(), op, same, true, func(r *vaev1.SampleResponse) error {
		return out.Send(&vaev1.FantasyResponse{Sample: r})
	})
}

func (s *Service) sample(ctx context.Context, op string, req *vaev1.SampleRequest, fantasy bool,
	send func(*vaev1.SampleResponse) error) error {
	var bad wire.Violations
	if r := req.GetResume(); r != nil && req.Seed == nil {
		seed := r.GetSeed() // the digest of the request says whether it is the right one
		req.Seed = &seed
	}
	seed := bad.Seed(req.Seed)
	bad.RequestID(req.GetRequestId())
	p := &sampling{
		n: whole(&bad, "n", req.N, 1, chainsAndPictures, 1), sweeps: whole(&bad, "sweeps", req.Sweeps, 1, maxSweeps, 0),
		temperature: between(&bad, "temperature", req.Temperature, minTemp, maxTemp, 1), every: int(req.GetPreviewEvery()),
		encoding: bad.Encoding(req.GetEncoding()), label: req.GetLabel(), start: req.GetStart(),
		states: req.GetResumeStates(), resume: req.GetResume(), fantasy: fantasy,
	}
	if p.every < 0 {
		bad.Addf("preview_every", "%d, want at least 0", p.every)
	}
	bad.Labels([]string{p.label})
	if err := bad.Err(op); err != nil {
		return err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return err
	}
	defer c.free()
	c.seed = seed
	if m, ok := c.m.Model.(model.Chain); ok {
		return c.sweep(ctx, m, p, send)
	}
	return c.sampleOnce(ctx, p, send)
}

// sampleOnce draws from a model without chains.
func (c *call) sampleOnce(ctx context.Context, p *sampling, send func(*vaev1.SampleResponse) error) error {
	switch {
	case p.fantasy || !engine.CanDraw(c.m.Model):
		what := "draw pictures: its codes have no prior"
		if p.fantasy {
			what = "dream of a class"
		}
		return c.unsupported(what)
	case p.sweeps != 0:
		return fault.InvalidField(c.op, "sweeps", "%d, but model %s samples in one step", p.sweeps, c.ref)
	case p.start != nil:
		return fault.InvalidField(c.op, "start", "given, but model %s has no chain to start", c.ref)
	case p.resume != nil:
		return fault.E(fault.Precondition, "RESUME_STATE_MISMATCH", c.op,
			"the resume state is of a chain, model %s has none", c.ref)
	}
	class, err := c.label(p.label, p.n)
	if err != nil {
		return err
	}
	random := rng.New(c.seed)
	if class != nil && p.label == "" { // every class is as likely
		random.Ints(class, int32(c.m.Model.Size().Classes), 0, 0, rng.General)
	}
	if err := send(c.started(p, 0)); err != nil {
		return err
	}
	z, x, t, err := c.m.Draw(ctx, random, p.n, float32(p.temperature), class)
	if err != nil {
		return c.fail(err)
	}
	images, err := c.images(c.split(x, p.n), p.encoding)
	if err != nil {
		return err
	}
	return send(event(0, kindCompleted, &vaev1.SampleResponse{Event: &vaev1.SampleResponse_Completed{
		Completed: &vaev1.SampleCompleted{Answered: c.answered(t), Images: images, Codes: codesOf(z, p.n)},
	}}))
}

func event(sweep, kind int, r *vaev1.SampleResponse) *vaev1.SampleResponse {
	r.Sequence = uint64(sweep)*kinds + uint64(kind)
	return r
}

func (c *call) started(p *sampling, sweeps int) *vaev1.SampleResponse {
	size := c.m.Model.Size()
	return event(0, kindStarted, &vaev1.SampleResponse{Event: &vaev1.SampleResponse_Started{Started: &vaev1.SampleStarted{
		Model: c.ref, ModelDigest: c.m.Entry.Manifest.Digest, NumericsVersion: tensor.NumericsVersion, Seed: c.seed,
		Sweeps: int32(sweeps), Width: uint32(size.Width), Height: uint32(size.Height), Channels: uint32(size.Channels),
		Temperature: p.temperature,
	}}})
}

// sweep runs Gibbs chains and streams them.
func (c *call) sweep(ctx context.Context, m model.Chain, p *sampling, send func(*vaev1.SampleResponse) error) error {
	if p.sweeps == 0 {
		p.sweeps = m.Sweeps()
	}
	if p.every == 0 {
		p.every = max(1, p.sweeps/reportsOfAChain)
	}
	r := engine.ChainRequest{
		Seed: c.seed, N: p.n, Sweeps: p.sweeps, Temperature: float32(p.temperature), Class: model.Unconditional,
		Every: p.every, States: p.states,
	}
	if p.label != "" {
		if !m.Clamps() {
			return c.unsupported("clamp a class")
		}
		var bad wire.Violations
		r.Class = bad.Classes([]string{p.label}, c.m.Entry.Manifest.Labels, c.ref)[0]
		if err := bad.Err(c.op); err != nil {
			return err
		}
	} else if p.fantasy {
		return c.unsupported("dream of no class")
	}
	if p.start != nil {
		x, err := c.pictures("start", []*tensorv1.Image{p.start}, 1)
		if err != nil {
			return err
		}
		r.Start = x
	}
	digest := c.digest(p)
	if p.resume != nil {
		if err := c.checkResume(p.resume, digest); err != nil {
			return err
		}
		r.Resume = &engine.State{Sweep: int(p.resume.GetSweep()), Chains: p.resume.GetChains()}
	}
	stream, err := c.m.Chains(ctx, r)
	if err != nil {
		return c.fail(err)
	}
	defer stream.Leave()
	if err := send(c.started(p, p.sweeps)); err != nil {
		return err
	}
	for {
		e, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault.Wrap(c.op, err)
		}
		msg, err := c.message(e, p, digest)
		if err != nil {
			return err
		}
		if err := send(msg); err != nil {
			return err
		}
		stream.Sent(proto.Size(msg)+5, e.IsState()) // 5: gRPC's own header of a message
	}
}

// message turns an event of a chain into one for clients.
func (c *call) message(e engine.Event, p *sampling, digest []byte) (*vaev1.SampleResponse, error) {
	switch {
	case e.Sweep != nil:
		return event(e.Sweep.Sweep, kindSweep, &vaev1.SampleResponse{Event: &vaev1.SampleResponse_Sweep{
			Sweep: &vaev1.Sweep{Sweep: int32(e.Sweep.Sweep), Energies: e.Sweep.Energies},
		}}), nil
	case e.Preview != nil:
		images, err := c.images(e.Preview.Pix, p.encoding)
		return event(e.Preview.Sweep, kindPreview, &vaev1.SampleResponse{Event: &vaev1.SampleResponse_Preview{
			Preview: &vaev1.ChainPreview{Sweep: int32(e.Preview.Sweep), Images: images},
		}}), err
	case e.State != nil:
		return event(e.State.Sweep, kindState, &vaev1.SampleResponse{Event: &vaev1.SampleResponse_State{
			State: &vaev1.ChainState{
				RequestDigest: digest, ModelDigest: c.m.Entry.Manifest.Digest, NumericsVersion: tensor.NumericsVersion,
				Seed: c.seed, Sweep: int32(e.State.Sweep), Chains: e.State.Chains,
			},
		}}), nil
	}
	images, err := c.images(e.Result.Pix, p.encoding)
	return event(p.sweeps, kindCompleted, &vaev1.SampleResponse{Event: &vaev1.SampleResponse_Completed{
		Completed: &vaev1.SampleCompleted{
			Answered: c.answered(e.Result.Timing), Images: images, Energies: e.Result.Energies,
		},
	}}), err
}

// digest is a SHA-256 over everything that decides the events of a chain, seed and defaults filled in.
func (c *call) digest(p *sampling) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s 1\nmodel %q\nseed %d\nn %d\nsweeps %d\ntemperature %x\nevery %d\nencoding %d\nlabel %q\n", c.op,
		c.ref, c.seed, p.n, p.sweeps, math.Float64bits(p.temperature), p.every, p.encoding, p.label)
	if p.start != nil {
		fmt.Fprintf(h, "start %d %d %d %d\n", p.start.GetWidth(), p.start.GetHeight(), p.start.GetChannels(),
			p.start.GetEncoding())
		h.Write(p.start.GetData())
	}
	return h.Sum(nil)
}

// checkResume checks that a state belongs to this request, model and version.
func (c *call) checkResume(r *vaev1.ChainState, digest []byte) error {
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
	case r.GetSeed() != c.seed || !bytes.Equal(r.GetRequestDigest(), digest):
		return refuse("REQUEST_MISMATCH", "the resume state is of another request")
	}
	return nil
}
