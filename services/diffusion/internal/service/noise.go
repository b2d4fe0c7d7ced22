package service

import (
	"math"
	"time"

	"google.golang.org/grpc"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/wire"
)

const defaultEvents = 50

// AddNoise streams the forward process of a picture.
func (s *Service) AddNoise(req *diffusionv1.AddNoiseRequest,
	out grpc.ServerStreamingServer[diffusionv1.AddNoiseResponse]) error {
	const op = "diffusion.AddNoise"
	ctx := out.Context()
	var bad wire.Violations
	encoding := bad.Encoding(req.GetEncoding())
	seed := bad.Seed(req.Seed)
	bad.RequestID(req.GetRequestId())
	if err := bad.Err(op); err != nil {
		return err
	}
	select {
	case s.chains <- struct{}{}:
		defer func() { <-s.chains }()
	default:
		return fault.E(fault.Overloaded, "TOO_MANY_CHAINS", op, "%d forward processes are running", maxChains).
			After(time.Second)
	}
	handle, err := s.models.Acquire(ctx, op, req.GetModel())
	if err != nil {
		return err
	}
	defer handle.Release()
	m := handle.Model().Model
	T := m.Schedule.T()
	events := min(defaultEvents, T)
	if req.Events != nil {
		events = int(req.GetEvents())
	}
	if events < 1 || events > T {
		return fault.InvalidField(op, "events", "%d, want 1 to %d", events, T)
	}
	p, err := wire.Picture(op, "image", req.GetImage(), m.Channels)
	if err != nil {
		return err
	}
	x := make([]float32, m.Height*m.Width*m.Channels)
	picture.Dequantise(x, picture.Fit(p, m.Width, m.Height).Pix)
	err = engine.AddNoise(ctx, m.Schedule, x, seed, events, func(n engine.Noised) error {
		p := &picture.Picture{Width: m.Width, Height: m.Height, Channels: m.Channels, Pix: n.Pix}
		img, err := wire.Image(p, encoding)
		if err != nil {
			return err
		}
		return out.Send(&diffusionv1.AddNoiseResponse{
			Timestep: int32(n.Timestep),
			Signal:   math.Sqrt(n.AlphaBar),
			Noise:    math.Sqrt(1 - n.AlphaBar),
			Image:    img,
			Seed:     seed,
		})
	})
	return fault.Wrap(op, err)
}
