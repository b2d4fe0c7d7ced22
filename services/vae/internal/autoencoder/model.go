package autoencoder

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// Model is an autoencoder as the engine runs it.
type Model struct {
	*Autoencoder `weights:""`

	tape *autograd.Tape
}

// NewModel returns a model; nn.Init or a file gives its weights.
func NewModel(cfg Config) (*Model, error) {
	a, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return &Model{Autoencoder: a, tape: autograd.NewInference(nil)}, nil
}

// Size implements model.Model.
func (m *Model) Size() model.Size {
	c := &m.cfg
	return model.Size{Height: c.Height, Width: c.Width, Channels: c.Channels, Code: []int{c.Code}, Classes: c.Classes}
}

// rows is how many rows one pass holds: the activations of more would leave the cache.
const rows = 128

// Encode implements model.Encoder.
func (m *Model) Encode(mean, _, x []float32, n int, class []int32) {
	d, k := m.cfg.Pixels(), m.cfg.Code
	for from := 0; from < n; from += rows {
		to := min(from+rows, n)
		m.tape.Reset()
		in := m.tape.Const(tensor.FromFloat32(x[from*d:to*d], to-from, d))
		copy(mean[from*k:to*k], m.Autoencoder.Encode(m.tape, in, part(class, from, to)).F32())
	}
}

// Deterministic implements model.Encoder.
func (m *Model) Deterministic() bool { return true }

// Decode implements model.Decoder.
func (m *Model) Decode(dst, z []float32, n int, class []int32) {
	d, k := m.cfg.Pixels(), m.cfg.Code
	for from := 0; from < n; from += rows {
		to := min(from+rows, n)
		m.tape.Reset()
		in := m.tape.Const(tensor.FromFloat32(z[from*k:to*k], to-from, k))
		out := m.Autoencoder.Decode(m.tape, in, part(class, from, to))
		m.Likelihood.Mean(tensor.FromFloat32(dst[from*d:to*d], to-from, d), out.Tensor)
	}
}

// Hidden implements model.Hidden.
func (m *Model) Hidden() []int { return m.cfg.Hidden }

// Bernoulli implements model.Bernoulli.
func (m *Model) Bernoulli() bool { return m.Likelihood.Kind() == likelihood.Bernoulli }

// part is the classes of some rows, nil for none.
func part(class []int32, from, to int) []int32 {
	if class == nil {
		return nil
	}
	return class[from:to]
}
