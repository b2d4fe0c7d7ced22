package kl

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// Model is the networks as the engine runs them.
type Model struct {
	Net *Net `weights:"net"`

	cfg  Config
	tape *autograd.Tape
}

// NewModel returns a model; a file gives its weights.
func NewModel(cfg Config) (*Model, error) {
	net, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return &Model{Net: net, cfg: cfg, tape: autograd.NewInference(nil)}, nil
}

// Size implements model.Model: a code is a map [h, w, L].
func (m *Model) Size() model.Size {
	c, f := &m.cfg, m.cfg.Factor()
	return model.Size{
		Height: c.Height, Width: c.Width, Channels: c.Channels, Code: []int{c.Height / f, c.Width / f, c.Latent},
	}
}

// cached is how many numbers of an activation fit the caches, about.
const cached = 1 << 20

// chunk is how many pictures one pass holds.
func (m *Model) chunk() int {
	return max(1, min(64, cached/(m.cfg.Height*m.cfg.Width*m.cfg.BlockChannels[0])))
}

// Limits of the logarithm of a variance, as diffusers sets them.
const minLogVar, maxLogVar = -30, 20

// Encode implements model.Encoder.
func (m *Model) Encode(mean, variance, x []float32, n int, _ []int32) {
	size := m.Size()
	d, k, l := size.PictureLen(), size.CodeLen(), m.cfg.Latent
	for from := 0; from < n; from += m.chunk() {
		to := min(from+m.chunk(), n)
		m.tape.Reset()
		in := m.tape.Const(tensor.FromFloat32(x[from*d:to*d], to-from, size.Height, size.Width, size.Channels))
		out := m.Net.Encode(m.tape, autograd.AddScalar(autograd.Scale(in, 2), -1)) // [N, h, w, 2*L]
		copy(mean[from*k:to*k], autograd.Slice(out, 3, 0, l).F32())
		if variance != nil {
			logvar := autograd.Clamp(autograd.Slice(out, 3, l, l), minLogVar, maxLogVar)
			copy(variance[from*k:to*k], autograd.Exp(logvar).F32())
		}
	}
}

// Deterministic implements model.Encoder.
func (m *Model) Deterministic() bool { return false }

// Decode implements model.Decoder.
func (m *Model) Decode(dst, z []float32, n int, _ []int32) {
	size := m.Size()
	d, k := size.PictureLen(), size.CodeLen()
	for from := 0; from < n; from += m.chunk() {
		to := min(from+m.chunk(), n)
		m.tape.Reset()
		in := m.tape.Const(tensor.FromFloat32(z[from*k:to*k], to-from, size.Code[0], size.Code[1], size.Code[2]))
		out := m.Net.Decode(m.tape, in)
		unit := autograd.AddScalar(autograd.Scale(out, 0.5), 0.5)
		tensor.Clamp(tensor.FromFloat32(dst[from*d:to*d], unit.Shape()...), unit.Tensor, 0, 1)
	}
}

// Draw implements model.Prior: shift + mean + T * deviation / scaling * eps, eps ~ N(0, 1) for every number.
func (m *Model) Draw(z []float32, s rng.Stream, sample uint64, temperature float32, _ int32) {
	s.Normal(z, sample, 0, rng.Latent)
	c := &m.cfg
	for i := range z {
		shift, deviation := c.Shift, 1/c.Scaling
		if l := i % c.Latent; c.Mean != nil {
			shift += c.Mean[l]
		}
		if c.Deviation != nil {
			deviation *= c.Deviation[i%c.Latent]
		}
		z[i] = float32(shift) + float32(float32(deviation)*temperature*z[i])
	}
}
