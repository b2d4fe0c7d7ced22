// Package conformer holds a small VAE of 28x28 pictures in which convolutions and attention take turns, in the form of
// the checkpoints of https://github.com/sofia-dominguezc/MNIST-diffusion. A code is a map of 6x6 numbers; the
// likelihood is Gaussian with variance 1.
//
// Letters in shape comments: N pictures, h w size of a map, C its channels.
//
// Invariant: what a row gives does not depend on the other rows.
package conformer

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// Sizes of pictures, and of the maps on the way to the codes.
const (
	side     = 28
	halfSide = 12
	codeSide = 6
)

// Config describes a model.
type Config struct {
	Channels []int `json:"channels"` // of the two convolutions
	Multiple int   `json:"multiple"` // by which blocks widen their maps
	Layers   int   `json:"layers"`   // blocks of each network
	Heads    int   `json:"heads"`
	HeadDim  int   `json:"head_dim"`
}

// Validate names the first thing that is wrong.
func (c *Config) Validate() error {
	if len(c.Channels) != 2 {
		return fmt.Errorf("conformer: %d convolutions, want 2", len(c.Channels))
	}
	for _, v := range []struct {
		name      string
		value, hi int
	}{
		{"channels", c.Channels[0], 512}, {"channels", c.Channels[1], 512}, {"multiple", c.Multiple, 16},
		{"layers", c.Layers, 32}, {"heads", c.Heads, 64}, {"head_dim", c.HeadDim, 256},
	} {
		if v.value < 1 || v.value > v.hi {
			return fmt.Errorf("conformer: %s is %d, want 1 to %d", v.name, v.value, v.hi)
		}
	}
	return nil
}

// Parameters is the number of weights.
func (c *Config) Parameters() int64 {
	d1, d2, a := int64(c.Channels[0]), int64(c.Channels[1]), int64(c.Heads*c.HeadDim)
	wide := d2 * int64(c.Multiple)
	block := 3*(d2*a+a) + a*d2 + d2 + 2*d2*wide + wide + d2 + 10*wide
	return 26*d1 + 9*d1*d2 + d2 + 2*d2 + 2 + 2*d2 + 9*d1*d2 + d1 + 25*d1 + 1 + 2*int64(c.Layers)*block
}

// Block is attention between the pixels of a map, then a widening, a convolution of every channel alone, a narrowing.
type Block struct {
	Q    *nn.Linear          `weights:"q"`
	K    *nn.Linear          `weights:"k"`
	V    *nn.Linear          `weights:"v"`
	Out  *nn.Linear          `weights:"out"`
	Wide *nn.Linear          `weights:"wide"`
	Each *nn.DepthwiseConv2D `weights:"each"`
	Slim *nn.Linear          `weights:"slim"`

	heads, headDim int
}

func newBlock(c *Config) *Block {
	d, a := c.Channels[1], c.Heads*c.HeadDim
	b := &Block{
		Q: nn.NewLinear(d, a, true), K: nn.NewLinear(d, a, true), V: nn.NewLinear(d, a, true),
		Out: nn.NewLinear(a, d, true), Wide: nn.NewLinear(d, d*c.Multiple, true),
		Each: nn.NewDepthwiseConv2D(d*c.Multiple, 1, 3, 1), Slim: nn.NewLinear(d*c.Multiple, d, true),
		heads: c.Heads, headDim: c.HeadDim,
	}
	b.Each.Spec = tensor.ConvSpec{} // the map is padded by reflection before
	return b
}

// forward maps x [N, h, w, C] to the same shape.
func (b *Block) forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	n, h, w, c := x.Dims4()
	rows := autograd.Reshape(x, n, h*w, c)
	spec := tensor.AttentionSpec{Heads: b.heads, Scale: 1 / math.Sqrt(float64(b.headDim))}
	y := autograd.AttentionEx(b.Q.Forward(t, rows), b.K.Forward(t, rows), b.V.Forward(t, rows), spec)
	x = autograd.Reshape(b.Out.ForwardThen(t, y, nn.Then{Residual: rows}), n, h, w, c)
	gelu := nn.Then{Act: tensor.ActGELU}
	wide := b.Wide.ForwardThen(t, x, gelu)
	return b.Slim.ForwardThen(t, b.Each.ForwardThen(t, reflect(t, wide), gelu), nn.Then{Residual: x})
}

// Encoder maps pictures to the moments of codes.
type Encoder struct {
	In     *nn.Conv2D `weights:"in"`
	Second *nn.Conv2D `weights:"second"`
	Blocks []*Block   `weights:"blocks"`
	Out    *nn.Linear `weights:"out"`
}

// Decoder maps codes to pictures.
type Decoder struct {
	In     *nn.Linear `weights:"in"`
	Blocks []*Block   `weights:"blocks"`
	Second *nn.Conv2D `weights:"second"`
	Out    *nn.Conv2D `weights:"out"`
}

// Model is both networks as the engine runs them.
type Model struct {
	Encoder *Encoder `weights:"encoder"`
	Decoder *Decoder `weights:"decoder"`

	tape *autograd.Tape
}

// New returns a model; a file gives its weights.
func New(cfg Config) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d1, d2 := cfg.Channels[0], cfg.Channels[1]
	e := &Encoder{In: nn.NewConv2D(1, d1, 5, 2), Second: nn.NewConv2D(d1, d2, 3, 1), Out: nn.NewLinear(d2, 2, true)}
	d := &Decoder{In: nn.NewLinear(1, d2, true), Second: nn.NewConv2D(d2, d1, 3, 1), Out: nn.NewConv2D(d1, 1, 5, 1)}
	e.In.Spec = tensor.ConvSpec{StrideH: 2, StrideW: 2}
	e.Second.Spec, d.Second.Spec = tensor.ConvSpec{}, tensor.ConvSpec{} // padded by reflection before
	for range cfg.Layers {
		e.Blocks, d.Blocks = append(e.Blocks, newBlock(&cfg)), append(d.Blocks, newBlock(&cfg))
	}
	return &Model{Encoder: e, Decoder: d, tape: autograd.NewInference(nil)}, nil
}

// Forward maps x [N, 28, 28, 1] in [0, 1] to [N, 6, 6, 2], the mean and the logarithm of the variance of codes.
func (e *Encoder) Forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	gelu := nn.Then{Act: tensor.ActGELU}
	h := e.In.ForwardThen(t, x, gelu) // [N, 12, 12, C]
	h = autograd.MaxPool2(e.Second.ForwardThen(t, reflect(t, h), gelu))
	for _, b := range e.Blocks {
		h = b.forward(t, h)
	}
	return e.Out.Forward(t, h)
}

// Forward maps codes z [N, 6, 6, 1] to pictures [N, 28, 28, 1] around [0, 1].
func (d *Decoder) Forward(t *autograd.Tape, z *autograd.Value) *autograd.Value {
	h := d.In.Forward(t, z)
	for _, b := range d.Blocks {
		h = b.forward(t, h)
	}
	h = d.Second.Forward(t, reflect(t, autograd.UpsampleNearest2(h))) // [N, 12, 12, C]
	return d.Out.Forward(t, nearest(t, h, side, side))
}

// Size implements model.Model: a code is a map [6, 6, 1].
func (m *Model) Size() model.Size {
	return model.Size{Height: side, Width: side, Channels: 1, Code: []int{codeSide, codeSide, 1}}
}

// rows is how many pictures one pass holds.
const rows = 32

// Encode implements model.Encoder.
func (m *Model) Encode(mean, variance, x []float32, n int, _ []int32) {
	const d, k = side * side, codeSide * codeSide
	for from := 0; from < n; from += rows {
		to := min(from+rows, n)
		m.tape.Reset()
		in := m.tape.Const(tensor.FromFloat32(x[from*d:to*d], to-from, side, side, 1))
		out := m.Encoder.Forward(m.tape, in)
		copy(mean[from*k:to*k], autograd.Slice(out, 3, 0, 1).F32())
		if variance != nil {
			copy(variance[from*k:to*k], autograd.Exp(autograd.Slice(out, 3, 1, 1)).F32())
		}
	}
}

// Deterministic implements model.Encoder.
func (m *Model) Deterministic() bool { return false }

// Decode implements model.Decoder.
func (m *Model) Decode(dst, z []float32, n int, _ []int32) {
	const d, k = side * side, codeSide * codeSide
	for from := 0; from < n; from += rows {
		to := min(from+rows, n)
		m.tape.Reset()
		in := m.tape.Const(tensor.FromFloat32(z[from*k:to*k], to-from, codeSide, codeSide, 1))
		out := m.Decoder.Forward(m.tape, in)
		tensor.Clamp(tensor.FromFloat32(dst[from*d:to*d], out.Shape()...), out.Tensor, 0, 1)
	}
}
