package vq

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// Prior is a PixelCNN over grids of indices (van den Oord et al. 2016, figure 5 and section 3.4): the distribution of
// every index follows from those above it and to its left. Its kernels have no rows below the position, which are the
// rows that the paper masks away.
type Prior struct {
	Embed  *nn.Param   `weights:"embed"`  // [V, C]
	Place  *nn.Param   `weights:"place"`  // [h*w, C]
	Class  *nn.Param   `weights:"class"`  // [classes, C], or nil
	First  *maskedConv `weights:"first"`  // mask A, 5x5
	Blocks []*block    `weights:"blocks"` // mask B, 3x3
	Hidden *nn.Linear  `weights:"hidden"` // [C, C]
	Logits *nn.Linear  `weights:"logits"` // [C, V]

	h, w int // of the grid
}

// block is a residual block: C to C/2, masked 3x3, back to C.
type block struct {
	Down *nn.Linear  `weights:"down"`
	Conv *maskedConv `weights:"conv"`
	Up   *nn.Linear  `weights:"up"`
}

// NewPrior returns the prior of a model's grids; nn.Init draws its weights.
func NewPrior(cfg Config) *Prior {
	h, w, _ := cfg.Map()
	c := cfg.Prior.Channels
	p := &Prior{
		Embed: nn.NewParam(cfg.Vectors, c).Normal(1), Place: nn.NewParam(h*w, c).Normal(0.1),
		First: newMasked(c, c, 5, false), Hidden: nn.NewLinear(c, c, true), Logits: nn.NewLinear(c, cfg.Vectors, true),
		h: h, w: w,
	}
	if cfg.Classes > 0 {
		p.Class = nn.NewParam(cfg.Classes, c).Normal(1)
	}
	for range cfg.Prior.Blocks {
		p.Blocks = append(p.Blocks, &block{
			Down: nn.NewLinear(c, c/2, true), Conv: newMasked(c/2, c/2, 3, true), Up: nn.NewLinear(c/2, c, true),
		})
	}
	return p
}

// Forward is the logits of every index of the grids [N*h*w]: [N*h*w, V]. A class below 0 is none.
func (p *Prior) Forward(t *autograd.Tape, index, class []int32) *autograd.Value {
	n := len(index) / (p.h * p.w)
	x := autograd.Reshape(autograd.Embedding(p.Embed.On(t), index), n, p.h, p.w, -1)
	x = p.First.forward(t, x)
	x = autograd.Add(x, autograd.Reshape(p.Place.On(t), 1, p.h, p.w, -1))
	if p.Class != nil {
		x = autograd.Add(x, p.classes(t, class, n))
	}
	for _, b := range p.Blocks {
		y := b.Down.ForwardThen(t, autograd.ReLU(x), nn.Then{Act: tensor.ActReLU})
		y = autograd.ReLU(b.Conv.forward(t, y))
		x = autograd.Add(x, b.Up.Forward(t, y))
	}
	x = p.Hidden.ForwardThen(t, autograd.ReLU(x), nn.Then{Act: tensor.ActReLU})
	return autograd.Reshape(p.Logits.Forward(t, x), n*p.h*p.w, -1)
}

// classes is the row of every class [N, 1, 1, C].
func (p *Prior) classes(t *autograd.Tape, class []int32, n int) *autograd.Value {
	k := p.Class.Dim(0)
	pick := tensor.New(tensor.Float32, n, k)
	for i, c := range class[:min(n, len(class))] {
		if c >= 0 {
			pick.F32()[i*k+int(c)] = 1
		}
	}
	rows := autograd.MatMul(t.Const(pick.To(p.Class.DType())), p.Class.On(t), false, false)
	return autograd.Reshape(rows, n, 1, 1, -1)
}

// maskedConv is a convolution that sees the rows above a position and what lies to its left; with mask B the position
// itself, too.
type maskedConv struct {
	Weight *nn.Param `weights:"weight"` // [k/2+1, k, In, Out]
	Bias   *nn.Param `weights:"bias"`   // [Out]

	mask *tensor.Tensor // [k/2+1, k, 1, 1]
	spec tensor.ConvSpec
}

func newMasked(in, out, k int, self bool) *maskedConv {
	half := k / 2
	bound := 1 / math.Sqrt(float64(in*k*(half+1))) // 1/sqrt(fan in), as other layers begin
	m := &maskedConv{
		Weight: nn.NewParam(half+1, k, in, out).Uniform(bound), Bias: nn.NewParam(out).Uniform(bound),
		mask: tensor.New(tensor.Float32, half+1, k, 1, 1),
		spec: tensor.ConvSpec{StrideH: 1, StrideW: 1, PadTop: half, PadLeft: half, PadRight: half},
	}
	m.mask.Fill(1)
	last := m.mask.F32()[half*k:]
	for j := range last {
		if j > half || j == half && !self {
			last[j] = 0
		}
	}
	return m
}

func (m *maskedConv) forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	mask := m.mask
	if x.DType() != mask.DType() {
		mask = mask.To(x.DType())
	}
	w := autograd.Mul(m.Weight.On(t), t.Const(mask))
	return autograd.Conv2D(x, w, m.spec, autograd.Epilogue{Bias: m.Bias.On(t)})
}
