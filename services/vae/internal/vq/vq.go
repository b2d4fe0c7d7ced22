package vq

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// VQ is one model.
type VQ struct {
	Encoder    *trunk.Encoder         `weights:"encoder"`
	In         *nn.Linear             `weights:"in"`       // from features to E, at every position
	Book       *nn.Param              `weights:"codebook"` // [V, E]
	Out        *nn.Linear             `weights:"out"`      // back to features
	Decoder    *trunk.Decoder         `weights:"decoder"`
	Likelihood *likelihood.Likelihood `weights:"likelihood"`

	cfg Config
}

// New returns a model; nn.Init draws its weights.
func New(cfg Config) (*VQ, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	_, _, f := cfg.Map()
	return &VQ{
		Encoder:    trunk.NewEncoder(cfg.Config),
		In:         nn.NewLinear(f, cfg.Size, true),
		Book:       nn.NewParam(cfg.Vectors, cfg.Size).Uniform(1 / float64(cfg.Vectors)),
		Out:        nn.NewLinear(cfg.Size, f, true),
		Decoder:    trunk.NewDecoder(cfg.Config, 0),
		Likelihood: likelihood.New(cfg.Likelihood, cfg.Channels),
		cfg:        cfg,
	}, nil
}

// Config is what the model was made of.
func (m *VQ) Config() Config { return m.cfg }

// Encode maps x [N, D] to the encoder's vectors z_e [R, E].
func (m *VQ) Encode(t *autograd.Tape, x *autograd.Value, class []int32) *autograd.Value {
	h := m.In.Forward(t, m.Encoder.Map(t, x, class)) // [N, h, w, E]
	return autograd.Reshape(h, -1, m.cfg.Size)
}

// Decode maps vectors [R, E] to what the likelihood makes pictures of [N, D].
func (m *VQ) Decode(t *autograd.Tape, z *autograd.Value) *autograd.Value {
	h, w, _ := m.cfg.Map()
	z = autograd.Reshape(z, -1, h, w, m.cfg.Size)
	return m.Decoder.FromMap(t, m.Out.Forward(t, z))
}

// Nearest writes the index of the codebook's vector that is nearest to every row of z [R, E]: the smallest
// |e|^2 - 2 z.e, the lowest index among equals. scratch is memory of z's type.
func (m *VQ) Nearest(index []int32, z *tensor.Tensor, scratch *tensor.Arena) {
	v := m.cfg.Vectors
	dots, square, lengths := scratch.New(z.DType(), z.Dim(0), v), scratch.New(z.DType(), v, m.cfg.Size),
		scratch.New(z.DType(), v)
	tensor.Square(square, m.Book.Tensor)
	tensor.Sum(lengths, square, 1)
	tensor.MatMul(dots, z, m.Book.Tensor, false, true)
	tensor.Scale(dots, dots, -2)
	tensor.Add(dots, dots, lengths)
	for i := range index {
		if z.DType() == tensor.Float64 {
			index[i] = smallest(dots.F64()[i*v : (i+1)*v])
		} else {
			index[i] = smallest(dots.F32()[i*v : (i+1)*v])
		}
	}
}

// smallest is the index of the smallest element, the first of equals.
func smallest[T float32 | float64](x []T) int32 {
	best := 0
	for i, v := range x {
		if v < x[best] {
			best = i
		}
	}
	return int32(best)
}

// StraightThrough is the quantised vectors e with the gradient of the encoder's z: e + (z - z), where the difference is
// exactly zero and hands gradients to z alone (2017, section 3.2).
func StraightThrough(t *autograd.Tape, z *autograd.Value, e *tensor.Tensor) *autograd.Value {
	return autograd.Add(t.Const(e), autograd.Sub(z, t.Const(z.Tensor)))
}

// Parts are the terms of a loss, means over pictures.
type Parts struct {
	Loss           *autograd.Value // []
	Reconstruction *autograd.Value // [], -log p(x | quantised) in nats
	Distance       *autograd.Value // [], of the encoder's vectors from the nearest ones, squared
	Output         *autograd.Value // [N, D]
	Vectors        *autograd.Value // [R, E], the encoder's
	Index          []int32         // [R], the nearest ones
}

// Loss is equation 3 of the paper,
//
//	-log p(x|e) + |sg(z) - e|^2 + beta |z - sg(e)|^2
//
// where sg stops gradients; the middle term is left out if the codebook is made of moving averages. index has room for
// R numbers.
func (m *VQ) Loss(t *autograd.Tape, x *tensor.Tensor, class, index []int32, l Learning) Parts {
	n := float64(x.Dim(0))
	p := Parts{Index: index}
	p.Vectors = m.Encode(t, t.Const(x), class)
	m.Nearest(index, p.Vectors.Tensor, t.Arena())
	e := t.Arena().New(p.Vectors.DType(), p.Vectors.Shape()...)
	tensor.Gather(e, m.Book.Tensor, index)
	p.Output = m.Decode(t, StraightThrough(t, p.Vectors, e))
	p.Reconstruction = autograd.Scale(m.Likelihood.Sum(t, p.Output, t.Const(x)), -1/n)
	away := autograd.Sum(autograd.Square(autograd.Sub(p.Vectors, t.Const(e))))
	p.Distance = autograd.Scale(away, 1/n)
	p.Loss = autograd.Add(p.Reconstruction, autograd.Scale(p.Distance, l.Commitment))
	if l.Decay == 0 {
		near := autograd.Embedding(m.Book.On(t), index)
		pull := autograd.Sum(autograd.Square(autograd.Sub(t.Const(p.Vectors.Tensor), near)))
		p.Loss = autograd.Add(p.Loss, autograd.Scale(pull, 1/n))
	}
	return p
}

// Perplexity is e^H of the shares of the codebook's vectors in counts: how many are in use, V at most.
func Perplexity(counts []float64) float64 {
	var total, h float64
	for _, c := range counts {
		total += c
	}
	for _, c := range counts {
		if c > 0 {
			p := c / total
			h -= float64(p * tensor.LogF64(p))
		}
	}
	return tensor.ExpF64(h)
}
