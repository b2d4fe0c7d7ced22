package smiles

import (
	"github.com/manifold-gen/manifold/services/vae/internal/vae"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// VAE is one model: q(z|x) = N(mean, e^logvar) by the encoder, p(x|z) token by token by the decoder, p(z) = N(0, 1).
type VAE struct {
	Embed      *nn.Embedding `weights:"embed"`       // [V, D], of both sides
	ReadPlace  *nn.Param     `weights:"read_place"`  // [Longest+1, D]
	WritePlace *nn.Param     `weights:"write_place"` // [Longest+1, D]
	Encoder    []*block      `weights:"encoder"`
	ReadNorm   *nn.LayerNorm `weights:"read_norm"`
	Mean       *nn.Linear    `weights:"mean"`
	LogVar     *nn.Linear    `weights:"log_var"`
	Decoder    []*block      `weights:"decoder"`
	WriteNorm  *nn.LayerNorm `weights:"write_norm"`
	Logits     *nn.Linear    `weights:"logits"` // [D, V]

	cfg Config
}

// block is a block of a transformer with its norms before the layers. The decoder's adds what it makes of the code.
type block struct {
	Code   *nn.Linear             `weights:"code"` // [K, D], or nil
	Norm1  *nn.LayerNorm          `weights:"norm1"`
	Attend *nn.MultiHeadAttention `weights:"attend"`
	Norm2  *nn.LayerNorm          `weights:"norm2"`
	Up     *nn.Linear             `weights:"up"`
	Down   *nn.Linear             `weights:"down"`
}

const epsilon = 1e-5

func newBlock(c *Config, decoder bool) *block {
	d := c.Width
	b := &block{
		Norm1: nn.NewLayerNorm(d, epsilon), Attend: nn.NewMultiHeadAttention(d, c.Heads, c.Heads, decoder),
		Norm2: nn.NewLayerNorm(d, epsilon), Up: nn.NewLinear(d, 4*d, true), Down: nn.NewLinear(4*d, d, true),
	}
	if decoder {
		b.Code = nn.NewLinear(c.Latent, d, false)
	}
	return b
}

// forward maps x [N, T, D]; z [N, 1, K] is nil in the encoder.
func (b *block) forward(t *autograd.Tape, x, z *autograd.Value, lengths []int) *autograd.Value {
	if b.Code != nil {
		x = autograd.Add(x, b.Code.Forward(t, z))
	}
	x = b.Attend.ForwardThen(t, b.Norm1.Forward(t, x), lengths, nn.Then{Residual: x})
	y := b.Up.ForwardThen(t, b.Norm2.Forward(t, x), nn.Then{Act: tensor.ActGELU})
	return b.Down.ForwardThen(t, y, nn.Then{Residual: x})
}

// New returns a model; nn.Init or a file gives its weights.
func New(cfg Config) (*VAE, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := cfg.Width
	m := &VAE{
		Embed: &nn.Embedding{Weight: nn.NewParam(cfg.Size(), d).Normal(0.3)}, ReadNorm: nn.NewLayerNorm(d, epsilon),
		ReadPlace: nn.NewParam(cfg.Longest+1, d).Normal(0.1), WritePlace: nn.NewParam(cfg.Longest+1, d).Normal(0.1),
		Mean: nn.NewLinear(d, cfg.Latent, true), LogVar: nn.NewLinear(d, cfg.Latent, true),
		WriteNorm: nn.NewLayerNorm(d, epsilon), Logits: nn.NewLinear(d, cfg.Size(), true), cfg: cfg,
	}
	for range cfg.Encoder {
		m.Encoder = append(m.Encoder, newBlock(&cfg, false))
	}
	for range cfg.Decoder {
		m.Decoder = append(m.Decoder, newBlock(&cfg, true))
	}
	return m, nil
}

// Config is what the model was made of.
func (m *VAE) Config() Config { return m.cfg }

// Posterior is q(z|x): the mean and the logarithm of the variance [N, K], of the mean over the string of what the
// encoder makes of its tokens.
func (m *VAE) Posterior(t *autograd.Tape, b *Batch) (mean, logvar *autograd.Value) {
	x := m.embed(t, b.Read, m.ReadPlace, b.N, b.T)
	for _, l := range m.Encoder {
		x = l.forward(t, x, nil, b.Lengths)
	}
	x = m.ReadNorm.Forward(t, x)
	share := tensor.New(tensor.Float32, b.N, b.T, 1) // 1/length at the tokens, 0 behind them
	for i, n := range b.Lengths {
		for j := range n {
			share.F32()[i*b.T+j] = 1 / float32(n)
		}
	}
	x = autograd.Sum(autograd.Mul(x, t.Const(share.To(x.DType()))), 1)
	x = autograd.Reshape(x, b.N, -1)
	return m.Mean.Forward(t, x), m.LogVar.Forward(t, x)
}

// embed is the rows of tokens and places [N, T, D].
func (m *VAE) embed(t *autograd.Tape, ids []int32, place *nn.Param, n, length int) *autograd.Value {
	x := autograd.Reshape(m.Embed.Forward(t, ids), n, length, -1)
	p := autograd.Slice(place.On(t), 0, 0, length)
	return autograd.Add(x, autograd.Reshape(p, 1, length, -1))
}

// write is the decoder's last layer [N, T, D] for what it is shown and codes z [N, K]. Position t has seen ids up to t.
func (m *VAE) write(t *autograd.Tape, z *autograd.Value, ids []int32, n, length int) *autograd.Value {
	x := m.embed(t, ids, m.WritePlace, n, length)
	z = autograd.Reshape(z, n, 1, -1)
	for _, l := range m.Decoder {
		x = l.forward(t, x, z, nil)
	}
	return m.WriteNorm.Forward(t, x)
}

// Bound is the evidence lower bound with its parts, means over strings in nats.
type Bound struct {
	Loss   *autograd.Value // [], what training minimises: the negative bound with beta and free bits
	Lost   *autograd.Value // [], -E_q log p(x|z)
	KL     *autograd.Value // [N, K]
	Mean   *autograd.Value // [N, K]
	LogVar *autograd.Value // [N, K]
}

// ELBO is the bound of the strings of b with one sample of noise eps [N, K] each, as vae.VAE.ELBO is that of pictures:
// -E_q log p(x|z) + beta sum_k max(freeBits, mean over N of KL_k), with log p(x|z) the sum over tokens and the end.
func (m *VAE) ELBO(t *autograd.Tape, b *Batch, eps *autograd.Value, beta, freeBits float64) Bound {
	var r Bound
	r.Mean, r.LogVar = m.Posterior(t, b)
	z := vae.Reparameterise(r.Mean, r.LogVar, eps)
	x := m.write(t, z, b.In, b.N, b.T)
	logits := m.Logits.Forward(t, autograd.Reshape(x, b.N*b.T, -1))
	each := 1 / float64(b.N)
	r.Lost = autograd.Scale(autograd.CrossEntropy(logits, b.Out), each)
	r.KL = vae.KL(r.Mean, r.LogVar)
	kl := autograd.Scale(autograd.Sum(r.KL), each)
	if freeBits > 0 {
		means := autograd.Scale(autograd.Sum(r.KL, 0), each)
		kl = autograd.Sum(autograd.Maximum(means, t.Scalar(means.DType(), freeBits)))
	}
	r.Loss = autograd.Add(r.Lost, autograd.Scale(kl, beta))
	return r
}
