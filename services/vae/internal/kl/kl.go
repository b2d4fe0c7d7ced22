package kl

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// eps is that of all norms.
const eps = 1e-6

// Net is both networks.
type Net struct {
	Encoder   *Encoder   `weights:"encoder"`
	Quant     *nn.Linear `weights:"quant"`      // or nil
	PostQuant *nn.Linear `weights:"post_quant"` // or nil
	Decoder   *Decoder   `weights:"decoder"`
}

// Encoder maps pictures to the moments of codes.
type Encoder struct {
	In   *nn.Conv2D    `weights:"in"`
	Down []*Level      `weights:"down"`
	Mid  *Middle       `weights:"mid"`
	Norm *nn.GroupNorm `weights:"norm"`
	Out  *nn.Conv2D    `weights:"out"`
}

// Decoder maps codes to pictures.
type Decoder struct {
	In   *nn.Conv2D    `weights:"in"`
	Mid  *Middle       `weights:"mid"`
	Up   []*Level      `weights:"up"` // from the smallest maps on
	Norm *nn.GroupNorm `weights:"norm"`
	Out  *nn.Conv2D    `weights:"out"`
}

// Level is a size of maps.
type Level struct {
	Blocks   []*Block   `weights:"blocks"`
	Resample *nn.Conv2D `weights:"resample"` // to the next size, or nil
}

// Middle is what lies at the smallest maps.
type Middle struct {
	Block1    *Block              `weights:"block1"`
	Attention *nn.SelfAttention2D `weights:"attention"` // or nil
	Block2    *Block              `weights:"block2"`
}

// Block is a residual block.
type Block struct {
	Norm1 *nn.GroupNorm `weights:"norm1"`
	Conv1 *nn.Conv2D    `weights:"conv1"`
	Norm2 *nn.GroupNorm `weights:"norm2"`
	Conv2 *nn.Conv2D    `weights:"conv2"`
	Skip  *nn.Linear    `weights:"skip"` // nil where the number of channels stays
}

func newBlock(in, out, groups int) *Block {
	b := &Block{
		Norm1: nn.NewGroupNorm(groups, in, eps), Conv1: nn.NewConv2D(in, out, 3, 1),
		Norm2: nn.NewGroupNorm(groups, out, eps), Conv2: nn.NewConv2D(out, out, 3, 1),
	}
	if in != out {
		b.Skip = nn.NewLinear(in, out, true)
	}
	return b
}

func newMiddle(ch int, cfg *Config) *Middle {
	m := &Middle{Block1: newBlock(ch, ch, cfg.Groups), Block2: newBlock(ch, ch, cfg.Groups)}
	if cfg.Attention {
		m.Attention = nn.NewSelfAttention2D(ch, 1, cfg.Groups, eps)
	}
	return m
}

// New returns the networks of a configuration; a file gives their weights.
func New(cfg Config) (*Net, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	chs := cfg.BlockChannels
	first, last := chs[0], chs[len(chs)-1]
	e := &Encoder{
		In: nn.NewConv2D(cfg.Channels, first, 3, 1), Mid: newMiddle(last, &cfg),
		Norm: nn.NewGroupNorm(cfg.Groups, last, eps), Out: nn.NewConv2D(last, 2*cfg.Latent, 3, 1),
	}
	d := &Decoder{
		In: nn.NewConv2D(cfg.Latent, last, 3, 1), Mid: newMiddle(last, &cfg),
		Norm: nn.NewGroupNorm(cfg.Groups, first, eps), Out: nn.NewConv2D(first, cfg.Channels, 3, 1),
	}
	in, up := first, last
	for i, ch := range chs {
		out := chs[len(chs)-1-i]
		down, rise := &Level{}, &Level{}
		for j := range cfg.Layers + 1 {
			if j < cfg.Layers {
				down.Blocks = append(down.Blocks, newBlock(in, ch, cfg.Groups))
			}
			rise.Blocks = append(rise.Blocks, newBlock(up, out, cfg.Groups))
			in, up = ch, out
		}
		if i+1 < len(chs) {
			down.Resample = nn.NewConv2D(ch, ch, 3, 2)
			// One row below and one column to the right of the picture, none on the other sides.
			down.Resample.Spec.PadTop, down.Resample.Spec.PadLeft = 0, 0
			rise.Resample = nn.NewConv2D(out, out, 3, 1)
		}
		e.Down, d.Up = append(e.Down, down), append(d.Up, rise)
	}
	n := &Net{Encoder: e, Decoder: d}
	if cfg.Quant {
		n.Quant = nn.NewLinear(2*cfg.Latent, 2*cfg.Latent, true)
	}
	if cfg.PostQuant {
		n.PostQuant = nn.NewLinear(cfg.Latent, cfg.Latent, true)
	}
	return n, nil
}

// Encode maps x [N, H, W, C] in [-1, 1] to the moments of codes [N, h, w, 2*L], means before logarithms of variances.
func (m *Net) Encode(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	e := m.Encoder
	h := e.In.Forward(t, x)
	for _, l := range e.Down {
		h = l.blocks(t, h)
		if l.Resample != nil {
			h = done(t, l.Resample.Forward(t, h), h)
		}
	}
	h = e.Mid.forward(t, h)
	h = ending(t, h, e.Norm, e.Out)
	if m.Quant != nil {
		h = done(t, m.Quant.Forward(t, h), h)
	}
	return h
}

// Decode maps codes z [N, h, w, L] to pictures [N, H, W, C] around [-1, 1].
func (m *Net) Decode(t *autograd.Tape, z *autograd.Value) *autograd.Value {
	d := m.Decoder
	h := z
	if m.PostQuant != nil {
		h = m.PostQuant.Forward(t, z)
	}
	h = d.In.Forward(t, h)
	h = d.Mid.forward(t, h)
	for _, l := range d.Up {
		h = l.blocks(t, h)
		if l.Resample != nil {
			big := done(t, autograd.UpsampleNearest2(h), h)
			h = done(t, l.Resample.Forward(t, big), big)
		}
	}
	return ending(t, h, d.Norm, d.Out)
}

// done gives back the buffers of values that were read for the last time.
func done(t *autograd.Tape, y *autograd.Value, read ...*autograd.Value) *autograd.Value {
	t.Done(read...)
	return y
}

// ending is conv(SiLU(norm(h))).
func ending(t *autograd.Tape, h *autograd.Value, norm *nn.GroupNorm, conv *nn.Conv2D) *autograd.Value {
	a := done(t, norm.ForwardSiLU(t, h), h)
	return done(t, conv.Forward(t, a), a)
}

func (l *Level) blocks(t *autograd.Tape, h *autograd.Value) *autograd.Value {
	for _, b := range l.Blocks {
		h = done(t, b.forward(t, h), h)
	}
	return h
}

func (m *Middle) forward(t *autograd.Tape, h *autograd.Value) *autograd.Value {
	h = done(t, m.Block1.forward(t, h), h)
	if m.Attention != nil {
		h = done(t, m.Attention.Forward(t, h), h)
	}
	return done(t, m.Block2.forward(t, h), h)
}

// forward is skip(x) + conv(SiLU(norm(conv(SiLU(norm(x)))))); x is the caller's.
func (b *Block) forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	a := b.Norm1.ForwardSiLU(t, x)
	h := done(t, b.Conv1.Forward(t, a), a)
	a = done(t, b.Norm2.ForwardSiLU(t, h), h)
	skip := x
	if b.Skip != nil {
		skip = b.Skip.Forward(t, x)
	}
	y := done(t, b.Conv2.ForwardThen(t, a, nn.Then{Act: tensor.ActNone, Residual: skip}), a)
	if b.Skip != nil {
		t.Done(skip)
	}
	return y
}
