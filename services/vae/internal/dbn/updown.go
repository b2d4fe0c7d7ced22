package dbn

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// UpDown is the contrastive wake-sleep algorithm (Hinton et al. 2006, section 5 and appendix B): gradients
// in the order of nn.Params for pictures v [B, P] of the given classes.
//
// Wake: units are drawn upwards by recognition; the generative weights of each layer learn to make the layer below from
// them. The top machine runs k Gibbs sweeps from there and learns by contrastive divergence. Sleep: units are drawn
// downwards by generation; the recognition weights learn to find the layer above from them.
func (d *DBN) UpDown(v *tensor.Tensor, class []int32, k int, rows []rng.Row, a *tensor.Arena) []*tensor.Tensor {
	B := v.Dim(0)
	// Wake.
	_, up := d.Recognition(v, rows, a)
	below := append([]*tensor.Tensor{v}, up...)
	wake := make([]pair, d.Layers())
	for l, g := range d.Generate {
		p := a.New(tensor.Float32, B, d.Below(l))
		g.Apply(p, up[l], tensor.ActSigmoid)
		wake[l] = delta(up[l], below[l], p, a)
	}
	// The associative memory.
	v0, h0 := a.New(tensor.Float32, B, d.Top.Visible()), a.New(tensor.Float32, B, d.Top.Hidden)
	d.Join(v0, up[d.Layers()-1], class, a)
	d.Top.HiddenMean(h0, v0, nil, a)
	v1, h1 := a.New(tensor.Float32, B, d.Top.Visible()), a.New(tensor.Float32, B, d.Top.Hidden)
	d.Top.DrawHidden(h1, h0, rows)
	v1.CopyFrom(v0)
	for i := range k {
		for j := range rows {
			rows[j].Step = uint32(i + 1)
		}
		d.Top.Sweep(v1, h1, rows, nil, nil, a)
	}
	d.Top.HiddenMean(h1, v1, nil, a)
	top := d.Top.Contrast(v0, h0, v1, h1, a)
	// Sleep.
	x := d.Penultimate(v1, a)
	_, down := d.Generation(x, rows, a)
	above := append(append([]*tensor.Tensor(nil), down[1:]...), x)
	sleep := make([]pair, d.Layers())
	for l, r := range d.Recognise {
		p := a.New(tensor.Float32, B, d.Hidden[l])
		r.Apply(p, down[l], tensor.ActSigmoid)
		sleep[l] = delta(down[l], above[l], p, a)
	}
	var grads []*tensor.Tensor
	for _, side := range [][]pair{sleep, wake} {
		for _, g := range side {
			grads = append(grads, g.weight, g.bias)
		}
	}
	return append(grads, top.Weight, top.VisibleBias, top.HiddenBias)
}

// pair is the gradient of one layer.
type pair struct{ weight, bias *tensor.Tensor }

// delta is the rule -x'(target - p)/B of a layer with the input x: the gradient of the mean cross-entropy between
// target and p = sigmoid(x W + b).
func delta(x, target, p *tensor.Tensor, a *tensor.Arena) pair {
	B, in := x.Dims2()
	out := p.Dim(1)
	g := pair{a.New(tensor.Float32, in, out), a.New(tensor.Float32, out)}
	tensor.ScaleAdd(p, 1/float64(B), p, -1/float64(B), target)
	tensor.MatMul(g.weight, x, p, true, false)
	tensor.Sum(g.bias, p, 0)
	return g
}

// Params are the parameters in the order of UpDown's gradients.
func (d *DBN) Params() []*nn.Param { return nn.Params(d) }
