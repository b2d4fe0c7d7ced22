// Package taesd holds TAESD, tiny autoencoders that stand in for the first stages of latent diffusion models
// (https://github.com/madebyollin/taesd): plain convolutions of 64 channels, with codes an eighth of the picture's
// size.
//
// Letters in shape comments: N pictures, H W height and width of a picture, h w those of a code, L channels of a code.
//
// Invariant: what a row gives does not depend on the other rows.
package taesd

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

const (
	channels = 64
	factor   = 8
	stages   = 3 // halvings
	blocks   = 3 // of a stage
	maxSide  = 512
)

// Config describes a model.
type Config struct {
	Height int  `json:"height"`
	Width  int  `json:"width"`
	Latent int  `json:"latent"` // channels of a code
	Pool   bool `json:"pool"`   // norms over the whole picture in the blocks of the smallest maps
}

// Validate names the first thing that is wrong.
func (c *Config) Validate() error {
	if c.Height < factor || c.Width < factor || c.Height%factor != 0 || c.Width%factor != 0 ||
		c.Height > maxSide || c.Width > maxSide {
		return fmt.Errorf("taesd: pictures of %dx%d, want multiples of %d up to %d", c.Height, c.Width, factor, maxSide)
	}
	if c.Latent < 1 || c.Latent > 256 {
		return fmt.Errorf("taesd: codes of %d channels, want 1 to 256", c.Latent)
	}
	return nil
}

// Parameters is a bound of the number of weights.
func (c *Config) Parameters() int64 { return 2_700_000 + int64(c.Latent)*2*9*channels }

// Block is a residual block of three convolutions.
type Block struct {
	Conv1 *nn.Conv2D `weights:"conv1"`
	Conv2 *nn.Conv2D `weights:"conv2"`
	Conv3 *nn.Conv2D `weights:"conv3"`
	Pool  *Pool      `weights:"pool"` // or nil
}

// Pool tells every pixel something of the whole picture, through a group norm.
type Pool struct {
	In   *nn.Linear    `weights:"in"`
	Norm *nn.GroupNorm `weights:"norm"`
	Out  *nn.Linear    `weights:"out"`
}

func newBlock(pool bool) *Block {
	conv := func() *nn.Conv2D { return nn.NewConv2D(channels, channels, 3, 1) }
	b := &Block{Conv1: conv(), Conv2: conv(), Conv3: conv()}
	if pool {
		b.Pool = &Pool{
			In: nn.NewLinear(channels, 4*channels, false), Norm: nn.NewGroupNorm(4, 4*channels, 1e-5),
			Out: nn.NewLinear(4*channels, channels, false),
		}
	}
	return b
}

// forward is ReLU(x + conv(ReLU(conv(ReLU(conv(x)))))) with x + pool(x) in place of x where there is a pool; x is read
// for the last time.
func (b *Block) forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	if p := b.Pool; p != nil {
		a := p.In.Forward(t, x)
		n := p.Norm.Forward(t, a)
		r := autograd.ReLU(n)
		y := p.Out.ForwardThen(t, r, nn.Then{Residual: x})
		t.Done(a, n, r, x)
		x = y
	}
	relu := nn.Then{Act: tensor.ActReLU}
	h1 := b.Conv1.ForwardThen(t, x, relu)
	h2 := b.Conv2.ForwardThen(t, h1, relu)
	t.Done(h1)
	h3 := b.Conv3.ForwardThen(t, h2, nn.Then{Residual: x})
	t.Done(h2, x)
	y := autograd.ReLU(h3)
	t.Done(h3)
	return y
}

// Stage is a change of size and the blocks behind it.
type Stage struct {
	Resample *nn.Conv2D `weights:"resample"` // nil in the decoder's first stage
	Blocks   []*Block   `weights:"blocks"`
}

// Encoder maps pictures to codes.
type Encoder struct {
	In     *nn.Conv2D `weights:"in"`
	First  *Block     `weights:"first"`
	Stages []*Stage   `weights:"stages"`
	Out    *nn.Conv2D `weights:"out"`
}

// Decoder maps codes to pictures.
type Decoder struct {
	In     *nn.Conv2D `weights:"in"`
	Stages []*Stage   `weights:"stages"`
	Rise   *nn.Conv2D `weights:"rise"` // to the picture's size
	Last   *Block     `weights:"last"`
	Out    *nn.Conv2D `weights:"out"`
}

// Model is both networks as the engine runs them.
type Model struct {
	Encoder *Encoder `weights:"encoder"`
	Decoder *Decoder `weights:"decoder"`

	cfg  Config
	tape *autograd.Tape
}

// New returns a model; a file gives its weights.
func New(cfg Config) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	plain := func(stride int) *nn.Conv2D {
		c := nn.NewConv2D(channels, channels, 3, stride)
		c.Bias = nil
		return c
	}
	e := &Encoder{
		In: nn.NewConv2D(3, channels, 3, 1), First: newBlock(false), Out: nn.NewConv2D(channels, cfg.Latent, 3, 1),
	}
	d := &Decoder{
		In: nn.NewConv2D(cfg.Latent, channels, 3, 1), Rise: plain(1), Last: newBlock(false),
		Out: nn.NewConv2D(channels, 3, 3, 1),
	}
	for i := range stages {
		down, up := &Stage{Resample: plain(2)}, &Stage{}
		if i > 0 {
			up.Resample = plain(1)
		}
		for range blocks {
			down.Blocks = append(down.Blocks, newBlock(cfg.Pool && i == stages-1))
			up.Blocks = append(up.Blocks, newBlock(cfg.Pool && i == 0))
		}
		e.Stages, d.Stages = append(e.Stages, down), append(d.Stages, up)
	}
	return &Model{Encoder: e, Decoder: d, cfg: cfg, tape: autograd.NewInference(nil)}, nil
}

// Forward maps x [N, H, W, 3] in [0, 1] to codes [N, h, w, L].
func (e *Encoder) Forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	h := e.First.forward(t, e.In.Forward(t, x))
	for _, s := range e.Stages {
		small := s.Resample.Forward(t, h)
		t.Done(h)
		h = small
		for _, b := range s.Blocks {
			h = b.forward(t, h)
		}
	}
	return e.Out.Forward(t, h)
}

// Forward maps codes z [N, h, w, L] to pictures [N, H, W, 3] around [0, 1]. Codes are first limited to (-3, 3) by
// 3 tanh(z/3).
func (d *Decoder) Forward(t *autograd.Tape, z *autograd.Value) *autograd.Value {
	z = autograd.Scale(autograd.Tanh(autograd.Scale(z, 1.0/3)), 3)
	h := d.In.ForwardThen(t, z, nn.Then{Act: tensor.ActReLU})
	for _, s := range d.Stages {
		if s.Resample != nil {
			h = double(t, h, s.Resample)
		}
		for _, b := range s.Blocks {
			h = b.forward(t, h)
		}
	}
	return d.Out.Forward(t, d.Last.forward(t, double(t, h, d.Rise)))
}

// double is a convolution of the map at twice its size.
func double(t *autograd.Tape, h *autograd.Value, conv *nn.Conv2D) *autograd.Value {
	big := autograd.UpsampleNearest2(h)
	t.Done(h)
	y := conv.Forward(t, big)
	t.Done(big)
	return y
}

// Size implements model.Model: a code is a map [h, w, L].
func (m *Model) Size() model.Size {
	c := &m.cfg
	return model.Size{
		Height: c.Height, Width: c.Width, Channels: 3, Code: []int{c.Height / factor, c.Width / factor, c.Latent},
	}
}

// chunk is how many pictures one pass holds: about as many as the caches.
func (m *Model) chunk() int { return max(1, min(64, 1<<20/(m.cfg.Height*m.cfg.Width*channels))) }

// Encode implements model.Encoder.
func (m *Model) Encode(mean, _, x []float32, n int, _ []int32) {
	size := m.Size()
	d, k := size.PictureLen(), size.CodeLen()
	for from := 0; from < n; from += m.chunk() {
		to := min(from+m.chunk(), n)
		m.tape.Reset()
		in := m.tape.Const(tensor.FromFloat32(x[from*d:to*d], to-from, size.Height, size.Width, size.Channels))
		copy(mean[from*k:to*k], m.Encoder.Forward(m.tape, in).F32())
	}
}

// Deterministic implements model.Encoder.
func (m *Model) Deterministic() bool { return true }

// Decode implements model.Decoder.
func (m *Model) Decode(dst, z []float32, n int, _ []int32) {
	size := m.Size()
	d, k := size.PictureLen(), size.CodeLen()
	for from := 0; from < n; from += m.chunk() {
		to := min(from+m.chunk(), n)
		m.tape.Reset()
		in := m.tape.Const(tensor.FromFloat32(z[from*k:to*k], to-from, size.Code[0], size.Code[1], size.Code[2]))
		out := m.Decoder.Forward(m.tape, in)
		tensor.Clamp(tensor.FromFloat32(dst[from*d:to*d], out.Shape()...), out.Tensor, 0, 1)
	}
}
