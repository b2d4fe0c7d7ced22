package dbn

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Classifier is a network of sigmoid layers with a softmax on top, as a DBN becomes for supervised fine-tuning by
// backpropagation (Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006).
type Classifier struct {
	Layers []*nn.Linear `weights:"layers"`
	Out    *nn.Linear   `weights:"out"`
}

// NewClassifier returns a network of a DBN's shape whose weights nn.Init draws; the output begins at zero.
func NewClassifier(c Config, classes int) *Classifier {
	n := &Classifier{Out: nn.NewLinear(c.Hidden[len(c.Hidden)-1], classes, true).Zero()}
	for l, h := range c.Hidden {
		n.Layers = append(n.Layers, nn.NewLinear(c.Below(l), h, true))
	}
	return n
}

// Pretrained copies the recognition weights of d and those of its top machine, without labels, into the layers.
func (n *Classifier) Pretrained(d *DBN) {
	for l, r := range d.Recognise {
		nn.Copy(n.Layers[l], r)
	}
	last := n.Layers[d.Layers()]
	copy(last.Weight.F32(), d.Top.Weight.F32())
	last.Bias.CopyFrom(d.Top.HiddenBias.Tensor)
	for _, p := range nn.Params(n) {
		p.Changed()
	}
}

// Dropout says how units are left out (Srivastava et al. 2014): each with its probability, the others divided by the
// rest. The zero value leaves out none.
type Dropout struct {
	Input, Hidden float64
	Rows          []rng.Row // of draws, one a picture
}

// Forward gives the logits [B, classes] of pictures x [B, P].
func (n *Classifier) Forward(t *autograd.Tape, x *autograd.Value, drop Dropout) *autograd.Value {
	x = drop.apply(t, x, drop.Input, 0)
	for l, layer := range n.Layers {
		x = layer.ForwardThen(t, x, nn.Then{Act: tensor.ActSigmoid})
		x = drop.apply(t, x, drop.Hidden, l+1)
	}
	return n.Out.Forward(t, x)
}

func (d Dropout) apply(t *autograd.Tape, x *autograd.Value, p float64, layer int) *autograd.Value {
	if p == 0 || d.Rows == nil {
		return x
	}
	for i := range d.Rows {
		d.Rows[i].Step = uint32(layer)
	}
	mask := t.Arena().New(tensor.Float32, x.Shape()...)
	mask.Fill(1 - p)
	rng.BernoulliRows(mask.F32(), mask.F32(), d.Rows, rng.Drop)
	tensor.Scale(mask, mask, 1/(1-p))
	return autograd.Mul(x, t.Const(mask))
}
