package unet

import (
	"fmt"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// DDPM is the network of Ho et al., "Denoising Diffusion Probabilistic Models" (2020, appendix B), as diffusers'
// UNet2DModel builds it for google/ddpm-cifar10-32. It is for inference; parameters have the names of the published
// checkpoints.
//
//	e = SiLU(MLP(sinusoid(t)))                                                  // 4C, once a picture
//	x -> conv -> levels down -> block, attention, block -> levels up -> norm, SiLU, conv
//
// Every level has Layers blocks on the way down and Layers+1 on the way up; each of the latter sees, beside its input,
// the last result of the way down that has not been taken yet: of the first convolution, the blocks and the
// convolutions of stride 2.
type DDPM struct {
	Config DDPMConfig

	ConvIn  *nn.Conv2D    `weights:"conv_in"`
	TimeIn  *nn.Linear    `weights:"time_embedding.linear_1"`
	TimeOut *nn.Linear    `weights:"time_embedding.linear_2"`
	Down    []*ddpmDown   `weights:"down_blocks"`
	Mid     *ddpmMid      `weights:"mid_block"`
	Up      []*ddpmUp     `weights:"up_blocks"`
	NormOut *nn.GroupNorm `weights:"conv_norm_out"`
	ConvOut *nn.Conv2D    `weights:"conv_out"`

	time   *nn.TimeEmbedding
	shift  *tensor.Packed // the time projections of all blocks, side by side
	bias   *tensor.Tensor // theirs and those of the first convolutions, added
	spaces map[int]*ddpmSpace
}

// DDPMConfig is the shape of a DDPM.
type DDPMConfig struct {
	Size, Channels int   // of the pictures
	Levels         []int // channels of each level; every level has half the size of the one before
	Attention      []int // levels whose blocks are each followed by attention of one head
	Layers         int
	Groups         int
	Eps            float64
}

// What CIFAR10 has: weights, and arithmetic of one picture.
const (
	CIFAR10Parameters = 35_746_307
	CIFAR10FLOPs      = 12_443_713_536
)

// CIFAR10 is the shape of google/ddpm-cifar10-32: 35.7 million parameters, 12.4 GF a picture.
func CIFAR10() DDPMConfig {
	return DDPMConfig{
		Size: 32, Channels: 3, Levels: []int{128, 256, 256, 256}, Attention: []int{1}, Layers: 2, Groups: 32, Eps: 1e-6,
	}
}

type ddpmBlock struct {
	Norm1 *nn.GroupNorm `weights:"norm1"`
	Conv1 *nn.Conv2D    `weights:"conv1"`
	Time  *nn.Linear    `weights:"time_emb_proj"`
	Norm2 *nn.GroupNorm `weights:"norm2"`
	Conv2 *nn.Conv2D    `weights:"conv2"`
	Skip  *nn.Conv2D    `weights:"conv_shortcut"` // 1x1 where channels change, else nil
	at    int           // column of the block's shift
}

type ddpmAttention struct {
	Norm *nn.GroupNorm `weights:"group_norm"`
	Q    *nn.Linear    `weights:"to_q"`
	K    *nn.Linear    `weights:"to_k"`
	V    *nn.Linear    `weights:"to_v"`
	Out  *nn.Linear    `weights:"to_out.0"`

	qkv, out *tensor.Packed
	bias     *tensor.Tensor // of q, k and v
}

type ddpmResample struct {
	Conv *nn.Conv2D `weights:"conv"`
}

type ddpmDown struct {
	Blocks    []*ddpmBlock     `weights:"resnets"`
	Attention []*ddpmAttention `weights:"attentions"`
	Resample  []*ddpmResample  `weights:"downsamplers"` // one, or none at the last level
}

type ddpmMid struct {
	Blocks    []*ddpmBlock     `weights:"resnets"`
	Attention []*ddpmAttention `weights:"attentions"`
}

type ddpmUp struct {
	Blocks    []*ddpmBlock     `weights:"resnets"`
	Attention []*ddpmAttention `weights:"attentions"`
	Resample  []*ddpmResample  `weights:"upsamplers"` // one, or none at the first level
}

// NewDDPM returns a network whose weights nn.Init or nn.Bind has still to fill; then Pack must be called.
func NewDDPM(cfg DDPMConfig) *DDPM {
	first, last := cfg.Levels[0], len(cfg.Levels)-1
	d := &DDPM{
		Config: cfg, ConvIn: nn.NewConv2D(cfg.Channels, first, 3, 1),
		TimeIn: nn.NewLinear(first, 4*first, true), TimeOut: nn.NewLinear(4*first, 4*first, true),
		NormOut: nn.NewGroupNorm(cfg.Groups, first, cfg.Eps), ConvOut: nn.NewConv2D(first, cfg.Channels, 3, 1),
		time:   nn.NewTimeEmbedding(first, nn.TimeOptions{Shift: 1}),
		spaces: map[int]*ddpmSpace{},
	}
	kept, in := []int{first}, first // channels of the results kept for the way up
	for i, c := range cfg.Levels {
		l := &ddpmDown{}
		for range cfg.Layers {
			l.Blocks = append(l.Blocks, cfg.block(in, c))
			l.Attention = append(l.Attention, cfg.attention(i)...)
			kept, in = append(kept, c), c
		}
		if i < last {
			conv := nn.NewConv2D(c, c, 3, 2)
			conv.Spec.PadTop, conv.Spec.PadLeft = 0, 0 // padding (0, 1, 0, 1)
			l.Resample = []*ddpmResample{{conv}}
			kept = append(kept, c)
		}
		d.Down = append(d.Down, l)
	}
	d.Mid = &ddpmMid{
		Blocks:    []*ddpmBlock{cfg.block(in, in), cfg.block(in, in)},
		Attention: []*ddpmAttention{newDDPMAttention(cfg, in)},
	}
	for i, c := range slices.Backward(cfg.Levels) {
		l := &ddpmUp{}
		for range cfg.Layers + 1 {
			l.Blocks = append(l.Blocks, cfg.block(in+kept[len(kept)-1], c))
			l.Attention = append(l.Attention, cfg.attention(i)...)
			kept, in = kept[:len(kept)-1], c
		}
		if i > 0 {
			l.Resample = []*ddpmResample{{nn.NewConv2D(c, c, 3, 1)}}
		}
		d.Up = append(d.Up, l)
	}
	return d
}

func (c DDPMConfig) block(in, out int) *ddpmBlock {
	b := &ddpmBlock{
		Norm1: nn.NewGroupNorm(c.Groups, in, c.Eps), Conv1: nn.NewConv2D(in, out, 3, 1),
		Time:  nn.NewLinear(4*c.Levels[0], out, true),
		Norm2: nn.NewGroupNorm(c.Groups, out, c.Eps), Conv2: nn.NewConv2D(out, out, 3, 1),
	}
	if in != out {
		b.Skip = nn.NewConv2D(in, out, 1, 1)
	}
	return b
}

// attention is that of one block of a level, or none.
func (c DDPMConfig) attention(level int) []*ddpmAttention {
	if !slices.Contains(c.Attention, level) {
		return nil
	}
	return []*ddpmAttention{newDDPMAttention(c, c.Levels[level])}
}

func newDDPMAttention(c DDPMConfig, ch int) *ddpmAttention {
	return &ddpmAttention{
		Norm: nn.NewGroupNorm(c.Groups, ch, c.Eps), Q: nn.NewLinear(ch, ch, true), K: nn.NewLinear(ch, ch, true),
		V: nn.NewLinear(ch, ch, true), Out: nn.NewLinear(ch, ch, true),
	}
}

// blocks lists all residual blocks in the order of the forward pass.
func (d *DDPM) blocks() []*ddpmBlock {
	var all []*ddpmBlock
	for _, l := range d.Down {
		all = append(all, l.Blocks...)
	}
	all = append(all, d.Mid.Blocks...)
	for _, l := range d.Up {
		all = append(all, l.Blocks...)
	}
	return all
}

// Pack lays the weights out for Forward, which reads these copies alone.
func (d *DDPM) Pack() {
	var weights, biases []*tensor.Tensor
	at := 0
	for _, b := range d.blocks() {
		b.at = at
		at += b.Time.Weight.Dim(1)
		bias := tensor.New(tensor.Float32, b.Time.Weight.Dim(1))
		tensor.Add(bias, b.Time.Bias.Tensor, b.Conv1.Bias.Tensor)
		weights, biases = append(weights, b.Time.Weight.Tensor), append(biases, bias)
	}
	d.shift, d.bias = sideBySide(weights, biases)
	attention := slices.Clone(d.Mid.Attention)
	for i := range d.Down {
		attention = append(append(attention, d.Down[i].Attention...), d.Up[i].Attention...)
	}
	for _, a := range attention {
		a.qkv, a.bias = sideBySide([]*tensor.Tensor{a.Q.Weight.Tensor, a.K.Weight.Tensor, a.V.Weight.Tensor},
			[]*tensor.Tensor{a.Q.Bias.Tensor, a.K.Bias.Tensor, a.V.Bias.Tensor})
		a.out = tensor.PackB(a.Out.Weight.Tensor, false)
	}
}

// sideBySide packs matrices of equal height as one, and joins their biases.
func sideBySide(weights, biases []*tensor.Tensor) (*tensor.Packed, *tensor.Tensor) {
	n := 0
	for _, b := range biases {
		n += b.Len()
	}
	w, bias := tensor.New(tensor.Float32, weights[0].Dim(0), n), tensor.New(tensor.Float32, n)
	tensor.Concat(w, 1, weights...)
	tensor.Concat(bias, 0, biases...)
	return tensor.PackB(w, false), bias
}

// FLOPs counts the multiplications and additions, as two, of all products and convolutions of one picture.
func (d *DDPM) FLOPs() int64 {
	c, first := d.Config, d.Config.Levels[0]
	block := func(px int, b *ddpmBlock) int {
		in, out := b.Conv1.Weight.Dim(2), b.Conv1.Weight.Dim(3)
		n := px*9*(in*out+out*out) + 4*first*out
		if b.Skip != nil {
			n += px * in * out
		}
		return n
	}
	level := func(px int, blocks []*ddpmBlock, attention []*ddpmAttention) (n int) {
		for _, b := range blocks {
			n += block(px, b)
		}
		for _, a := range attention {
			ch := a.Q.Weight.Dim(0)
			n += 4*px*ch*ch + 2*px*px*ch
		}
		return n
	}
	px := c.Size * c.Size
	macs := px*9*2*c.Channels*first + 4*first*first + 16*first*first
	for i, l := range d.Down {
		at := px >> (2 * i)
		up := d.Up[len(d.Up)-1-i]
		macs += level(at, l.Blocks, l.Attention) + level(at, up.Blocks, up.Attention)
		if len(l.Resample) > 0 {
			macs += at / 4 * 9 * c.Levels[i] * c.Levels[i]
			macs += at * 9 * c.Levels[i+1] * c.Levels[i+1] // the doubling of the level below
		}
	}
	return 2 * int64(macs+level(px>>(2*len(d.Down)-2), d.Mid.Blocks, d.Mid.Attention))
}

// ddpmSpace is the memory of forward passes of one batch size: tensors by shape, those that are free.
type ddpmSpace struct {
	free       map[[4]int][]*ddpmValue
	mean, rstd *tensor.Tensor
	shifts     *tensor.Tensor // of all blocks, [N, sum of channels]
	shift      map[int]*tensor.Tensor
	time       [3]*tensor.Tensor
	kept       []*ddpmValue
}

// ddpmValue is a result [N, H, W, C], also as rows [N, H*W, C].
type ddpmValue struct {
	*tensor.Tensor
	rows *tensor.Tensor
}

func (s *ddpmSpace) take(n, h, w, c int) *ddpmValue {
	key := [4]int{n, h, w, c}
	if l := s.free[key]; len(l) > 0 {
		s.free[key] = l[:len(l)-1]
		return l[len(l)-1]
	}
	t := tensor.New(tensor.Float32, n, h, w, c)
	return &ddpmValue{t, t.Reshape(n, h*w, c)}
}

func (s *ddpmSpace) give(vs ...*ddpmValue) {
	for _, v := range vs {
		n, h, w, c := v.Dims4()
		key := [4]int{n, h, w, c}
		s.free[key] = append(s.free[key], v)
	}
}

// space is the memory for n pictures.
func (d *DDPM) space(n int) *ddpmSpace {
	if s, ok := d.spaces[n]; ok {
		return s
	}
	first := d.Config.Levels[0]
	s := &ddpmSpace{
		free: map[[4]int][]*ddpmValue{}, shift: map[int]*tensor.Tensor{},
		mean: tensor.New(tensor.Float32, n, d.Config.Groups), rstd: tensor.New(tensor.Float32, n, d.Config.Groups),
		shifts: tensor.New(tensor.Float32, n, d.bias.Len()),
		time: [3]*tensor.Tensor{tensor.New(tensor.Float32, n, first), tensor.New(tensor.Float32, n, 4*first),
			tensor.New(tensor.Float32, n, 4*first)},
	}
	for _, c := range d.Config.Levels {
		s.shift[c] = tensor.New(tensor.Float32, n, c)
	}
	d.spaces[n] = s
	return s
}

// Forward writes the predicted noise of pictures x [N, H, W, C] at N timesteps to dst. It must not run twice at the
// same time; after the first pass of a batch size it allocates nothing.
func (d *DDPM) Forward(dst, x *tensor.Tensor, timestep []float32) {
	n, size, _, ch := x.Dims4()
	if size != d.Config.Size || ch != d.Config.Channels || len(timestep) != n || d.shift == nil {
		panic(&tensor.Error{Op: "DDPM", Shapes: [][]int{slices.Clone(x.Shape())},
			Msg: fmt.Sprintf("want pictures of %d and a timestep for each, and Pack before", d.Config.Size)})
	}
	s := d.space(n)
	d.embed(s, timestep)
	h := s.take(n, size, size, d.Config.Levels[0])
	d.ConvIn.Apply(h.Tensor, x, nil)
	s.kept = append(s.kept[:0], h)
	for _, l := range d.Down {
		for i, b := range l.Blocks {
			h = b.forward(s, h, nil)
			if l.Attention != nil {
				h = l.Attention[i].forward(s, h)
			}
			s.kept = append(s.kept, h)
		}
		if l.Resample != nil {
			_, side, _, c := h.Dims4()
			small := s.take(n, side/2, side/2, c)
			l.Resample[0].Conv.Apply(small.Tensor, h.Tensor, nil)
			h = small
			s.kept = append(s.kept, h)
		}
	}
	bottom := d.Mid.Blocks[0].forward(s, h, nil)
	bottom = d.Mid.Attention[0].forward(s, bottom)
	h = d.Mid.Blocks[1].forward(s, bottom, nil)
	s.give(bottom)
	for _, l := range d.Up {
		for i, b := range l.Blocks {
			side := s.kept[len(s.kept)-1]
			s.kept = s.kept[:len(s.kept)-1]
			y := b.forward(s, h, side)
			s.give(h, side)
			h = y
			if l.Attention != nil {
				h = l.Attention[i].forward(s, h)
			}
		}
		if l.Resample != nil {
			_, side, _, c := h.Dims4()
			big, y := s.take(n, 2*side, 2*side, c), s.take(n, 2*side, 2*side, c)
			tensor.UpsampleNearest2(big.Tensor, h.Tensor)
			l.Resample[0].Conv.Apply(y.Tensor, big.Tensor, nil)
			s.give(h, big)
			h = y
		}
	}
	a := s.take(n, size, size, d.Config.Levels[0])
	s.norm(d.NormOut, a.Tensor, h.Tensor)
	d.ConvOut.Apply(dst, a.Tensor, nil)
	s.give(a, h)
}

// embed computes what the timesteps add in every block.
func (d *DDPM) embed(s *ddpmSpace, timestep []float32) {
	d.time.Write(s.time[0], timestep)
	d.TimeIn.Apply(s.time[1], s.time[0], tensor.ActSiLU)
	d.TimeOut.Apply(s.time[2], s.time[1], tensor.ActSiLU)
	tensor.MatMulPacked(s.shifts, s.time[2], d.shift, &tensor.Epilogue{Bias: d.bias})
}

// norm is SiLU of a group norm.
func (s *ddpmSpace) norm(l *nn.GroupNorm, dst, x *tensor.Tensor) {
	tensor.GroupNormSiLU(dst, s.mean, s.rstd, x, l.Weight.Tensor, l.Bias.Tensor, l.Groups, l.Eps)
}

// forward is skip(x) + Conv2(SiLU(Norm2(Conv1(SiLU(Norm1(x))) + Time(e)))), where x is h, or h and side by their
// channels. Both stay the caller's.
func (b *ddpmBlock) forward(s *ddpmSpace, h, side *ddpmValue) *ddpmValue {
	n, y, x, in := h.Dims4()
	out := b.Conv1.Weight.Dim(3)
	if side != nil {
		in += side.Dim(3)
	}
	a := s.take(n, y, x, in)
	if side == nil {
		s.norm(b.Norm1, a.Tensor, h.Tensor)
	} else {
		tensor.GroupNormSiLUConcat(a.Tensor, s.mean, s.rstd, h.Tensor, side.Tensor, b.Norm1.Weight.Tensor,
			b.Norm1.Bias.Tensor, b.Norm1.Groups, b.Norm1.Eps)
	}
	shift, g := s.shift[out], s.take(n, y, x, out)
	tensor.Slice(shift, s.shifts, 1, b.at)
	tensor.Conv2DPacked(g.Tensor, a.Tensor, b.Conv1.Packed(), b.Conv1.Spec, &tensor.Epilogue{Bias: shift})
	s.give(a)
	a = s.take(n, y, x, out)
	s.norm(b.Norm2, a.Tensor, g.Tensor)
	residual := h
	if b.Skip != nil {
		residual = g // its elements are read no more
		if side != nil {
			tensor.Conv2DConcatPacked(g.Tensor, h.Tensor, side.Tensor, b.Skip.Packed(), b.Skip.Spec,
				&tensor.Epilogue{Bias: b.Skip.Bias.Tensor})
		} else {
			b.Skip.Apply(g.Tensor, h.Tensor, nil)
		}
	}
	r := s.take(n, y, x, out)
	b.Conv2.Apply(r.Tensor, a.Tensor, residual.Tensor)
	s.give(a, g)
	return r
}

// forward is x + Out(attention(Norm(x))) over the pixels, with one head. It takes x back.
func (a *ddpmAttention) forward(s *ddpmSpace, x *ddpmValue) *ddpmValue {
	n, h, w, c := x.Dims4()
	y, qkv := s.take(n, h, w, c), s.take(n, h, w, 3*c)
	tensor.GroupNorm(y.Tensor, s.mean, s.rstd, x.Tensor, a.Norm.Weight.Tensor, a.Norm.Bias.Tensor, a.Norm.Groups,
		a.Norm.Eps)
	tensor.MatMulPacked(qkv.rows, y.rows, a.qkv, &tensor.Epilogue{Bias: a.bias})
	tensor.AttentionEx(y.rows, nil, qkv.rows, qkv.rows, qkv.rows,
		tensor.AttentionSpec{Heads: 1, Scale: 1 / math.Sqrt(float64(c)), KAt: c, VAt: 2 * c})
	r := s.take(n, h, w, c)
	tensor.MatMulPacked(r.rows, y.rows, a.out, &tensor.Epilogue{Bias: a.Out.Bias.Tensor, Residual: x.rows})
	s.give(y, qkv, x)
	return r
}
