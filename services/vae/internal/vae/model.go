package vae

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// Model is a VAE, and its second stage where it has one, as the engine runs it.
type Model struct {
	First  *VAE `weights:"first"`
	Second *VAE `weights:"second"` // nil without a second stage

	tape *autograd.Tape
	eps  []float32
}

// NewModel returns a model with both stages; nn.Init or a file gives its weights.
func NewModel(cfg Config) (*Model, error) {
	m := &Model{tape: autograd.NewInference(nil)}
	var err error
	if m.First, err = New(cfg); err != nil {
		return nil, err
	}
	if cfg.Second != nil {
		if m.Second, err = New(cfg.Stage2()); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Size implements model.Model.
func (m *Model) Size() model.Size {
	c := &m.First.cfg
	return model.Size{Height: c.Height, Width: c.Width, Channels: c.Channels, Code: []int{c.Latent}, Classes: c.Classes}
}

// rows is how many rows one pass holds: the activations of more would leave the cache.
const rows = 128

// Encode implements model.Encoder: mean and variance of q(z|x).
func (m *Model) Encode(mean, variance, x []float32, n int, class []int32) {
	d, k := m.First.cfg.Pixels(), m.First.cfg.Latent
	for from := 0; from < n; from += rows {
		to := min(from+rows, n)
		m.tape.Reset()
		in := m.tape.Const(tensor.FromFloat32(x[from*d:to*d], to-from, d))
		mu, logvar := m.First.Posterior(m.tape, in, part(class, from, to))
		copy(mean[from*k:to*k], mu.F32())
		if variance != nil {
			copy(variance[from*k:to*k], autograd.Exp(logvar).F32())
		}
	}
}

// Deterministic implements model.Encoder.
func (m *Model) Deterministic() bool { return false }

// Decode implements model.Decoder: the mean of p(x|z).
func (m *Model) Decode(dst, z []float32, n int, class []int32) {
	d, k := m.First.cfg.Pixels(), m.First.cfg.Latent
	for from := 0; from < n; from += rows {
		to := min(from+rows, n)
		m.tape.Reset()
		out := m.First.Decode(m.tape, m.tape.Const(tensor.FromFloat32(z[from*k:to*k], to-from, k)), part(class, from, to))
		m.First.Likelihood.Mean(tensor.FromFloat32(dst[from*d:to*d], to-from, d), out.Tensor)
	}
}

// StandardNormal implements model.StandardNormal: with a second stage the codes are spread as that one says.
func (m *Model) StandardNormal() bool { return m.Second == nil }

// Draw implements model.Prior: z ~ N(0, T^2), or with a second stage u ~ N(0, T^2) and z ~ p(z|u) with T times its
// deviation (Dai and Wipf 2019, section 4).
func (m *Model) Draw(z []float32, s rng.Stream, sample uint64, temperature float32, class int32) {
	s.Normal(z, sample, 0, rng.Latent)
	for i := range z {
		z[i] *= temperature
	}
	if m.Second == nil {
		return
	}
	m.tape.Reset()
	k := len(z)
	u := m.tape.Arena().New(tensor.Float32, 1, k)
	copy(u.F32(), z)
	out := m.Second.Decode(m.tape, m.tape.Const(u), []int32{class})
	s.Normal(z, sample, 1, rng.Latent)
	deviation := temperature * float32(tensor.ExpF64(float64(m.Second.Likelihood.LogScale.F32()[0])))
	for i, v := range out.F32() {
		z[i] = v + float32(deviation*z[i])
	}
}

// Kind implements model.Scorer.
func (m *Model) Kind() model.ScoreKind { return model.LowerBound }

// Score implements model.Scorer: the importance weighted bound with the given number of samples (Burda et al. 2016,
// equation 8). The second stage has no part in it.
func (m *Model) Score(x []float32, n int, class []int32, samples int, s rng.Stream, first uint64) (model.Score, error) {
	score := model.Score{Kind: model.LowerBound, Values: make([]float64, n), Samples: samples}
	d, k := m.First.cfg.Pixels(), m.First.cfg.Latent
	if len(m.eps) < samples*k {
		m.eps = make([]float32, samples*k)
	}
	logs := make([]float64, samples)
	for i := range n {
		s.Normal(m.eps[:samples*k], first+uint64(i), 0, rng.Noise)
		for from := 0; from < samples; from += rows {
			to := min(from+rows, samples)
			m.tape.Reset()
			in := m.tape.Const(tensor.FromFloat32(x[i*d:(i+1)*d], 1, d))
			eps := m.tape.Const(tensor.FromFloat32(m.eps[from*k:to*k], 1, to-from, k))
			b := m.First.LogWeights(m.tape, in, eps, part(class, i, i+1), 1)
			for j, v := range b.Importances.F32() {
				logs[from+j] = float64(v)
			}
		}
		score.Values[i] = LogMeanExp64(logs)
	}
	return score, nil
}

// Hidden implements model.Hidden.
func (m *Model) Hidden() []int { return m.First.cfg.Hidden }

// Bernoulli implements model.Bernoulli.
func (m *Model) Bernoulli() bool { return m.First.Likelihood.Kind() == likelihood.Bernoulli }

// LogMeanExp64 is log(1/n sum e^x) in ascending order.
func LogMeanExp64(x []float64) float64 {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	var sum float64
	for _, v := range x {
		sum += tensor.ExpF64(v - top)
	}
	return top + tensor.LogF64(sum/float64(len(x)))
}

// part is the classes of some rows, nil for none.
func part(class []int32, from, to int) []int32 {
	if class == nil {
		return nil
	}
	return class[from:to]
}

// LogLik is log p(x|z) of one picture and a code.
func (m *Model) LogLik(x, z []float32, class []int32) float64 {
	m.tape.Reset()
	out := m.First.Decode(m.tape, m.tape.Const(tensor.FromFloat32(z, 1, len(z))), class)
	in := m.tape.Const(tensor.FromFloat32(x, 1, len(x)))
	return float64(m.First.Likelihood.Rows(m.tape, out, in).F32()[0])
}
