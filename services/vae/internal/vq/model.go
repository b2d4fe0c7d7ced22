package vq

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// Model is a quantised autoencoder, and its prior where it has one, as the engine runs it.
type Model struct {
	*VQ   `weights:"vq"`
	Prior *Prior `weights:"prior"` // nil without

	tape  *autograd.Tape
	index []int32
}

// NewModel returns a model; nn.Init or a file gives its weights. A model with a prior is a Sampler as well.
func NewModel(cfg Config) (*Model, error) {
	v, err := New(cfg)
	if err != nil {
		return nil, err
	}
	m := &Model{VQ: v, tape: autograd.NewInference(nil)}
	if cfg.Prior != nil {
		m.Prior = NewPrior(cfg)
	}
	return m, nil
}

// Size implements model.Model.
func (m *Model) Size() model.Size {
	c := &m.cfg
	h, w, _ := c.Map()
	return model.Size{
		Height: c.Height, Width: c.Width, Channels: c.Channels, Code: []int{h, w, c.Size}, Classes: c.Classes,
	}
}

// positions is the indices of one picture.
func (m *Model) positions() int {
	h, w, _ := m.cfg.Map()
	return h * w
}

// rows is how many pictures one pass holds: the activations of more would leave the cache.
const rows = 64

// Encode implements model.Encoder: the codebook's vectors that the picture becomes.
func (m *Model) Encode(mean, _, x []float32, n int, class []int32) {
	d, k := m.cfg.Pixels(), m.positions()*m.cfg.Size
	for from := 0; from < n; from += rows {
		to := min(from+rows, n)
		m.tape.Reset()
		in := m.tape.Const(tensor.FromFloat32(x[from*d:to*d], to-from, d))
		z := m.VQ.Encode(m.tape, in, part(class, from, to))
		m.snap(mean[from*k:to*k], z.Tensor)
	}
}

// snap writes the nearest vectors of z [R, E].
func (m *Model) snap(dst []float32, z *tensor.Tensor) {
	r := z.Dim(0)
	m.index = append(m.index[:0], make([]int32, r)...)
	m.Nearest(m.index, z, m.tape.Arena())
	tensor.Gather(tensor.FromFloat32(dst, r, m.cfg.Size), m.Book.Tensor, m.index)
}

// Deterministic implements model.Encoder.
func (m *Model) Deterministic() bool { return true }

// Decode implements model.Decoder. What is no vector of the codebook is taken for the nearest one: the decoder has
// never seen anything else.
func (m *Model) Decode(dst, z []float32, n int, _ []int32) {
	d, p := m.cfg.Pixels(), m.positions()
	k := p * m.cfg.Size
	for from := 0; from < n; from += rows {
		to := min(from+rows, n)
		m.tape.Reset()
		r := (to - from) * p
		e := m.tape.Arena().New(tensor.Float32, r, m.cfg.Size)
		m.snap(e.F32(), tensor.FromFloat32(z[from*k:to*k], r, m.cfg.Size))
		out := m.VQ.Decode(m.tape, m.tape.Const(e))
		m.Likelihood.Mean(tensor.FromFloat32(dst[from*d:to*d], to-from, d), out.Tensor)
	}
}

// Indices implements model.Indexer.
func (m *Model) Indices(dst []int32, codes []float32, n int) {
	z := tensor.FromFloat32(codes, n*m.positions(), m.cfg.Size)
	m.Nearest(dst, z, tensor.NewArena()) // memory of its own: this may run beside the others
}

// Codebook implements model.Indexer.
func (m *Model) Codebook() (vectors, each int) { return m.cfg.Vectors, m.positions() }

// Hidden implements model.Hidden.
func (m *Model) Hidden() []int { return m.cfg.Hidden }

// Bernoulli implements model.Bernoulli.
func (m *Model) Bernoulli() bool { return m.Likelihood.Kind() == likelihood.Bernoulli }

// Sampler is a Model with a prior.
type Sampler struct{ *Model }

// Draw implements model.Prior: index by index from the prior, whose logits are divided by the temperature.
func (m Sampler) Draw(z []float32, s rng.Stream, sample uint64, temperature float32, class int32) {
	p, v := m.positions(), m.cfg.Vectors
	index, u := make([]int32, p), make([]float64, p)
	s.Uniform64(u, sample, 0, rng.Choice)
	for i := range index {
		m.tape.Reset()
		logits := m.Prior.Forward(m.tape, index, []int32{class})
		index[i] = pick(logits.F32()[i*v:(i+1)*v], u[i], temperature)
	}
	tensor.Gather(tensor.FromFloat32(z, p, m.cfg.Size), m.Book.Tensor, index)
}

// pick is the category that u in [0, 1) falls into under softmax(logits/temperature).
func pick(logits []float32, u float64, temperature float32) int32 {
	top := logits[0]
	for _, l := range logits {
		top = max(top, l)
	}
	var total float64
	for _, l := range logits {
		total += tensor.ExpF64(float64(l-top) / float64(temperature))
	}
	var sum float64
	for i, l := range logits {
		if sum += tensor.ExpF64(float64(l-top) / float64(temperature)); sum > float64(u*total) {
			return int32(i)
		}
	}
	return int32(len(logits) - 1)
}

// Kind implements model.Scorer.
func (m Sampler) Kind() model.ScoreKind { return model.LowerBound }

// Score implements model.Scorer: log p(z) + log p(x|z) at the one code z of the picture, which is a term of the sum
// over all codes that p(x) is, and so a lower bound.
func (m Sampler) Score(x []float32, n int, class []int32, _ int, _ rng.Stream, _ uint64) (model.Score, error) {
	score := model.Score{Kind: model.LowerBound, Values: make([]float64, n), Samples: 1}
	d := m.cfg.Pixels()
	for i := range n {
		picture, code := m.Terms(x[i*d:(i+1)*d], part(class, i, i+1))
		score.Values[i] = picture + code
	}
	return score, nil
}

// Terms is log p(x|z) and log p(z) of one picture at its code z.
func (m Sampler) Terms(x []float32, class []int32) (picture, code float64) {
	d, p := m.cfg.Pixels(), m.positions()
	index := make([]int32, p)
	m.tape.Reset()
	in := m.tape.Const(tensor.FromFloat32(x, 1, d))
	z := m.VQ.Encode(m.tape, in, class)
	m.Nearest(index, z.Tensor, m.tape.Arena())
	e := m.tape.Arena().New(tensor.Float32, p, m.cfg.Size)
	tensor.Gather(e, m.Book.Tensor, index)
	out := m.VQ.Decode(m.tape, m.tape.Const(e))
	picture = float64(m.Likelihood.Rows(m.tape, out, in).F32()[0])
	return picture, -float64(autograd.CrossEntropy(m.Prior.Forward(m.tape, index, class), index).F32()[0])
}

// part is the classes of some rows, nil for none.
func part(class []int32, from, to int) []int32 {
	if class == nil {
		return nil
	}
	return class[from:to]
}
