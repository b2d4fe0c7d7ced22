package unet

import (
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// UNet is the network of Ho et al., "Denoising Diffusion Probabilistic Models" (2020, appendix B), with
// classes as in Dhariwal and Nichol, "Diffusion Models Beat GANs" (2021), made small:
//
//	e = SiLU(MLP(sinusoid(t)) + class)                                    // D, once a picture
//	x -> fold -> conv -> levels down -> block, attention, block -> levels up -> norm, SiLU, conv -> unfold
//
// A level down is Blocks residual blocks, each of whose results is kept, then a convolution of stride 2; a
// level up is a doubling and a convolution, then Blocks blocks, each of which sees a kept result beside
// its input.
type UNet struct {
	Config Config

	TimeIn  *nn.Linear    `weights:"time_in"`
	TimeOut *nn.Linear    `weights:"time_out"`
	Class   *nn.Embedding `weights:"class"` // Classes+1 rows, or nil
	ConvIn  *nn.Conv2D    `weights:"conv_in"`
	Down    []*Level      `weights:"down"`
	Mid     *Middle       `weights:"mid"`
	Up      []*Level      `weights:"up"` // Up[i] is at the size of Down[i] and runs from the last to the first
	NormOut *nn.GroupNorm `weights:"norm_out"`
	ConvOut *nn.Conv2D    `weights:"conv_out"`
	time    *nn.TimeEmbedding

	// Recompute drops the activations within residual blocks in training and computes them again in the backward pass:
	// the same gradients for less memory and about a third more time.
	Recompute bool
}

// Level is the blocks at one size.
type Level struct {
	Blocks    []*ResBlock           `weights:"blocks"`
	Attention []*nn.SelfAttention2D `weights:"attention"` // one a block, or none
	Resample  *nn.Conv2D            `weights:"resample"`  // to or from the next smaller size; nil at the last level
}

// Middle is the bottom of the U.
type Middle struct {
	Block1    *ResBlock           `weights:"block1"`
	Attention *nn.SelfAttention2D `weights:"attention"`
	Block2    *ResBlock           `weights:"block2"`
}

// ResBlock is x + Conv2(SiLU(Norm2(Conv1(SiLU(Norm1(x))) + Time(e)))).
type ResBlock struct {
	Norm1 *nn.GroupNorm `weights:"norm1"`
	Conv1 *nn.Conv2D    `weights:"conv1"`
	Time  *nn.Linear    `weights:"time"`
	Norm2 *nn.GroupNorm `weights:"norm2"`
	Conv2 *nn.Conv2D    `weights:"conv2"`
	Skip  *nn.Linear    `weights:"skip"` // a 1x1 convolution where channels change, else nil
}

const normEps = 1e-5

// New returns a network whose weights nn.Init or nn.Bind has still to fill. The error says what is wrong
// with the configuration.
func New(cfg Config) (*UNet, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Channels = slices.Clone(cfg.Channels)
	cfg.AttentionLevels = slices.Clone(cfg.AttentionLevels)
	patch := cfg.InChannels * cfg.PatchSize * cfg.PatchSize
	first, last := cfg.Channels[0], cfg.Channels[len(cfg.Channels)-1]
	u := &UNet{
		Config:  cfg,
		TimeIn:  nn.NewLinear(cfg.TimeDim, cfg.TimeDim, true),
		TimeOut: nn.NewLinear(cfg.TimeDim, cfg.TimeDim, true),
		ConvIn:  nn.NewConv2D(patch, first, 3, 1),
		Mid: &Middle{
			Block1:    newResBlock(cfg, last, last),
			Attention: newAttention(cfg, last),
			Block2:    newResBlock(cfg, last, last),
		},
		NormOut: nn.NewGroupNorm(cfg.Groups, first, normEps),
		ConvOut: nn.NewConv2D(first, patch, 3, 1).Zero(),
		time:    nn.NewTimeEmbedding(cfg.TimeDim, nn.TimeOptions{FlipSinToCos: true}),
	}
	if cfg.Classes > 0 {
		u.Class = nn.NewEmbedding(cfg.Classes+1, cfg.TimeDim)
	}
	for i, ch := range cfg.Channels {
		down, up := newLevel(cfg, i, ch), newLevel(cfg, i, 2*ch)
		if i+1 < len(cfg.Channels) {
			down.Resample = nn.NewConv2D(ch, cfg.Channels[i+1], 3, 2)
			up.Resample = nn.NewConv2D(cfg.Channels[i+1], ch, 3, 1)
		}
		u.Down, u.Up = append(u.Down, down), append(u.Up, up)
	}
	return u, nil
}

func newLevel(cfg Config, level, in int) *Level {
	l := &Level{}
	for range cfg.Blocks {
		l.Blocks = append(l.Blocks, newResBlock(cfg, in, cfg.Channels[level]))
		if cfg.attends(level) {
			l.Attention = append(l.Attention, newAttention(cfg, cfg.Channels[level]))
		}
	}
	return l
}

func newAttention(cfg Config, ch int) *nn.SelfAttention2D {
	a := nn.NewSelfAttention2D(ch, cfg.Heads, cfg.Groups, normEps)
	a.Out.Zero()
	return a
}

func newResBlock(cfg Config, in, out int) *ResBlock {
	b := &ResBlock{
		Norm1: nn.NewGroupNorm(cfg.Groups, in, normEps),
		Conv1: nn.NewConv2D(in, out, 3, 1),
		Time:  nn.NewLinear(cfg.TimeDim, out, true),
		Norm2: nn.NewGroupNorm(cfg.Groups, out, normEps),
		Conv2: nn.NewConv2D(out, out, 3, 1).Zero(),
	}
	if in != out {
		b.Skip = nn.NewLinear(in, out, true)
	}
	return b
}

// Forward maps pictures x [N, H, W, C] at N timesteps in [0, Steps) to predictions of the same shape. class
// holds N indices in [0, Classes], of which Classes, and -1 too at the price of a small allocation, means
// no class; a network without classes ignores it. It panics with *tensor.Error on other lengths, shapes
// and indices.
func (u *UNet) Forward(t *autograd.Tape, x *autograd.Value, timestep []float32, class []int32) *autograd.Value {
	u.check(x, timestep, class)
	e := u.embed(t, x.DType(), timestep, class) // [N, D]
	if u.Config.PatchSize == 2 {
		x = autograd.SpaceToDepth2(x) // [N, H/2, W/2, 4C]
	}
	h := u.ConvIn.Forward(t, x)
	kept := t.List(len(u.Down) * u.Config.Blocks)[:0]
	for _, l := range u.Down {
		for i := range l.Blocks {
			h = l.run(t, i, h, e, u.Recompute)
			kept = append(kept, h)
		}
		if l.Resample != nil {
			h = l.Resample.Forward(t, h) // half the size
		}
	}
	h = u.Mid.forward(t, h, e, u.Recompute)
	for level := len(u.Up) - 1; level >= 0; level-- {
		l := u.Up[level]
		if l.Resample != nil {
			small, big := h, autograd.UpsampleNearest2(h)
			h = l.Resample.Forward(t, big) // twice the size
			t.Done(small, big)
		}
		for i := range l.Blocks {
			last := kept[len(kept)-1]
			kept = kept[:len(kept)-1]
			both := autograd.Concat(3, h, last) // channels of h, then of the kept result
			t.Done(h, last)
			h = l.run(t, i, both, e, u.Recompute)
			t.Done(both)
		}
	}
	h = u.ConvOut.Forward(t, u.NormOut.ForwardSiLU(t, h))
	if u.Config.PatchSize == 2 {
		h = autograd.DepthToSpace2(h) // [N, H, W, C]
	}
	return h
}

// embed is SiLU(MLP(sinusoid(t)) + class), [N, D].
func (u *UNet) embed(t *autograd.Tape, d tensor.DType, timestep []float32, class []int32) *autograd.Value {
	e := u.TimeIn.ForwardThen(t, u.time.Forward(t, d, timestep), nn.Then{Act: tensor.ActSiLU})
	if u.Class == nil {
		return u.TimeOut.ForwardThen(t, e, nn.Then{Act: tensor.ActSiLU})
	}
	if slices.Contains(class, -1) {
		class = slices.Clone(class)
		for i, c := range class {
			if c == -1 {
				class[i] = int32(u.Config.Classes)
			}
		}
	}
	e = u.TimeOut.ForwardThen(t, e, nn.Then{Residual: u.Class.Forward(t, class)})
	return autograd.SiLU(e)
}

// run is block i and the attention after it.
func (l *Level) run(t *autograd.Tape, i int, x, e *autograd.Value, again bool) *autograd.Value {
	h := l.Blocks[i].run(t, x, e, again)
	if l.Attention != nil {
		h = l.Attention[i].Forward(t, h)
	}
	return h
}

func (m *Middle) forward(t *autograd.Tape, x, e *autograd.Value, again bool) *autograd.Value {
	return m.Block2.run(t, m.Attention.Forward(t, m.Block1.run(t, x, e, again)), e, again)
}

// run is the block, as a checkpoint if its activations are to be computed again.
func (b *ResBlock) run(t *autograd.Tape, x, e *autograd.Value, again bool) *autograd.Value {
	if again {
		return autograd.Checkpoint(t, b, x, e)
	}
	return b.forward(t, x, e)
}

// Forward implements autograd.Segment: the input and the embedding.
func (b *ResBlock) Forward(t *autograd.Tape, in []*autograd.Value) *autograd.Value {
	return b.forward(t, in[0], in[1])
}

// forward maps x [N, h, w, In] to [N, h, w, Out]. Buffers made here are given back as soon as they are
// read; x is the caller's.
func (b *ResBlock) forward(t *autograd.Tape, x, e *autograd.Value) *autograd.Value {
	n, c := e.Dim(0), b.Time.Weight.Dim(1)
	a := b.Norm1.ForwardSiLU(t, x)
	h := b.Conv1.Forward(t, a)
	shift := autograd.Reshape(b.Time.Forward(t, e), n, 1, 1, c)
	g := autograd.Add(h, shift)
	t.Done(a, h)
	a = b.Norm2.ForwardSiLU(t, g)
	t.Done(g)
	skip := x
	if b.Skip != nil {
		skip = b.Skip.Forward(t, x)
	}
	y := b.Conv2.ForwardThen(t, a, nn.Then{Residual: skip})
	t.Done(a)
	if b.Skip != nil {
		t.Done(skip)
	}
	return y
}

// check panics unless the arguments of Forward belong together and to u.
func (u *UNet) check(x *autograd.Value, timestep []float32, class []int32) {
	c := u.Config
	n, h, w, ch := x.Dims4()
	bad := func(msg string) { panic(&tensor.Error{Op: "UNet", Shapes: [][]int{{n, h, w, ch}}, Msg: msg}) }
	switch {
	case h != c.ImageSize || w != c.ImageSize || ch != c.InChannels:
		bad("the pictures are not of the configured size")
	case len(timestep) != n:
		bad("want one timestep a picture")
	case c.Classes > 0 && len(class) != n:
		bad("want one class a picture")
	}
	for _, k := range class {
		if c.Classes > 0 && (k < -1 || int(k) > c.Classes) {
			bad("class out of range")
		}
	}
}
