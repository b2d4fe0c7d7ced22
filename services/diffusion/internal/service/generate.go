package service

import (
	"errors"
	"io"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/wire"
)

// The kinds of events in sequence numbers: the field numbers of GenerateResponse.event.
const (
	kindStarted   = 2
	kindStep      = 3
	kindPreview   = 4
	kindState     = 5
	kindCompleted = 6
	kinds         = 8
)

// Software is what pictures say that they were made with. It has no version, so that equal pictures are equal files.
const Software = "Manifold"

// Generate draws pictures and streams every step.
func (s *Service) Generate(req *diffusionv1.GenerateRequest,
	out grpc.ServerStreamingServer[diffusionv1.GenerateResponse]) error {
	const op = "diffusion.Generate"
	ctx := out.Context()
	g, err := parse(op, req)
	if err != nil {
		return err
	}
	handle, err := s.models.Acquire(ctx, op, g.model)
	if err != nil {
		return err
	}
	defer handle.Release()
	m := handle.Model()
	r, err := g.request(op, m)
	if err != nil {
		return err
	}
	stream, err := m.Submit(ctx, r)
	if err != nil {
		return fault.Wrap(op, err)
	}
	defer stream.Leave()
	w := &writer{out: out, stream: stream, g: g, r: r, m: m, digest: g.digest(m.Entry.Ref())}
	if err := w.started(); err != nil {
		return err
	}
	for {
		e, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault.Wrap(op, err)
		}
		if err := w.write(e); err != nil {
			return err
		}
	}
}

// writer turns one request's events into messages.
type writer struct {
	out    grpc.ServerStreamingServer[diffusionv1.GenerateResponse]
	stream *engine.Stream
	g      *generation
	r      engine.Request
	m      *engine.Loaded
	digest []byte
}

func (w *writer) send(step, kind int, e *diffusionv1.GenerateResponse) error {
	e.Sequence = uint64(step)*kinds + uint64(kind)
	if err := w.out.Send(e); err != nil {
		return err
	}
	w.stream.Sent(proto.Size(e)+5, kind == kindState) // 5: gRPC's own header of a message
	return nil
}

func (w *writer) started() error {
	model := w.m.Model
	return w.send(0, kindStarted, &diffusionv1.GenerateResponse{Event: &diffusionv1.GenerateResponse_Started{
		Started: &diffusionv1.Started{
			Seed:            w.g.seed,
			ModelDigest:     w.m.Entry.Manifest.Digest,
			NumericsVersion: tensor.NumericsVersion,
			Steps:           int32(w.r.Sampler.Steps()),
			Evaluations:     int32(w.r.Sampler.Evaluations()),
			Sampler:         w.r.Sampler.Name(),
			NoiseLevels:     engine.NoiseLevels(w.r.Sampler),
			Width:           uint32(model.Width),
			Height:          uint32(model.Height),
			Channels:        uint32(model.Channels),
			Model:           w.m.Entry.Ref(),
		},
	}})
}

func (w *writer) write(e engine.Event) error {
	switch {
	case e.Step != nil:
		return w.send(e.Step.Step, kindStep, &diffusionv1.GenerateResponse{Event: &diffusionv1.GenerateResponse_Step{
			Step: &diffusionv1.Step{
				Step:       int32(e.Step.Step),
				Steps:      int32(w.g.steps),
				Timestep:   e.Step.Timestep,
				NoiseLevel: e.Step.Noise,
				Duration:   durationpb.New(e.Step.Took),
			},
		}})
	case e.Preview != nil:
		images, err := w.images(e.Preview.Pix, false)
		if err != nil {
			return err
		}
		p := &diffusionv1.Preview{Step: int32(e.Preview.Step), Content: w.g.content, Images: images}
		return w.send(e.Preview.Step, kindPreview,
			&diffusionv1.GenerateResponse{Event: &diffusionv1.GenerateResponse_Preview{Preview: p}})
	case e.State != nil:
		return w.send(e.State.Step, kindState, &diffusionv1.GenerateResponse{
			Event: &diffusionv1.GenerateResponse_ResumeState{ResumeState: w.g.resumeState(w.m, w.digest, e.State)},
		})
	}
	return w.completed(e.Result)
}

func (w *writer) completed(r *engine.Result) error {
	images, err := w.images(r.Pix, true)
	if err != nil {
		return err
	}
	return w.send(w.g.steps, kindCompleted, &diffusionv1.GenerateResponse{
		Event: &diffusionv1.GenerateResponse_Completed{Completed: &diffusionv1.Completed{
			Images:          images,
			Seed:            w.g.seed,
			ModelDigest:     w.m.Entry.Manifest.Digest,
			NumericsVersion: tensor.NumericsVersion,
			Timings: &diffusionv1.Timings{
				Queue:       durationpb.New(r.Queue),
				Compute:     durationpb.New(r.Compute),
				Total:       durationpb.New(r.Total),
				Steps:       int32(r.Steps),
				Evaluations: int32(r.Evaluations),
			},
		}},
	})
}

// images encodes the pictures. Finished ones say how they were made; previews only by what.
func (w *writer) images(pix [][]byte, finished bool) ([]*tensorv1.Image, error) {
	model := w.m.Model
	all := make([]*tensorv1.Image, 0, len(pix))
	for i, p := range pix {
		text := []picture.Text{
			{Keyword: picture.KeySoftware, Value: Software},
			{Keyword: picture.KeyDigest, Value: w.m.Entry.Manifest.Digest},
			{Keyword: picture.KeySeed, Value: strconv.FormatUint(w.g.seed, 10)},
		}
		if finished {
			text = append(text, w.text(i)...)
		}
		m, err := wire.Image(&picture.Picture{Width: model.Width, Height: model.Height, Channels: model.Channels, Pix: p},
			w.g.encoding, text...)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// text says how picture i was made: enough to make it again.
func (w *writer) text(i int) []picture.Text {
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	return []picture.Text{
		{Keyword: picture.KeyModel, Value: w.m.Entry.Ref()},
		{Keyword: picture.KeyIndex, Value: strconv.Itoa(i)},
		{Keyword: picture.KeyLabel, Value: w.g.labels[i]},
		{Keyword: picture.KeySampler, Value: w.g.sampler},
		{Keyword: picture.KeySteps, Value: strconv.Itoa(w.g.steps)},
		{Keyword: picture.KeyEta, Value: float(w.g.eta)},
		{Keyword: picture.KeyGuidance, Value: float(w.g.guidance)},
		{Keyword: picture.KeyNumerics, Value: strconv.Itoa(tensor.NumericsVersion)},
	}
}
