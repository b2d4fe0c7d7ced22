package trunk

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// Encoder maps pictures to features.
type Encoder struct {
	Dense []*nn.Linear `weights:"dense"` // of an mlp
	Convs []*nn.Conv2D `weights:"convs"` // 3x3 with stride 2
	Class *nn.Param    `weights:"class"` // [Classes, width of the first layer], or nil

	cfg Config
	act tensor.Activation
}

// NewEncoder returns the encoder of a valid configuration.
func NewEncoder(cfg Config) *Encoder {
	e := &Encoder{cfg: cfg, act: activations[cfg.Activation]}
	in := cfg.Pixels()
	if cfg.Kind == Conv {
		in = cfg.Channels
	}
	for _, n := range cfg.Hidden {
		if cfg.Kind == Conv {
			e.Convs = append(e.Convs, nn.NewConv2D(in, n, 3, 2))
		} else {
			e.Dense = append(e.Dense, nn.NewLinear(in, n, true))
		}
		in = n
	}
	if cfg.Classes > 0 && len(cfg.Hidden) > 0 {
		e.Class = nn.NewParam(cfg.Classes, cfg.Hidden[0]).Normal(0.1)
	}
	return e
}

// Forward maps x [N, D] to features [N, F]; class is nil without classes.
func (e *Encoder) Forward(t *autograd.Tape, x *autograd.Value, class []int32) *autograd.Value {
	n := x.Dim(0)
	if e.cfg.Kind == Conv {
		return autograd.Reshape(e.Map(t, x, class), n, -1) // [N, h*w*F]
	}
	for i, l := range e.Dense {
		if i == 0 && e.Class != nil {
			x = activate(autograd.Add(l.Forward(t, x), classRows(t, e.Class, class, n)), e.act)
			continue
		}
		x = l.ForwardThen(t, x, nn.Then{Act: e.act})
	}
	return x
}

// Map maps x [N, D] to the smallest map of a conv network [N, h, w, F].
func (e *Encoder) Map(t *autograd.Tape, x *autograd.Value, class []int32) *autograd.Value {
	n := x.Dim(0)
	x = autograd.Reshape(x, n, e.cfg.Height, e.cfg.Width, e.cfg.Channels)
	for i, l := range e.Convs {
		if i == 0 && e.Class != nil {
			c := autograd.Reshape(classRows(t, e.Class, class, n), n, 1, 1, -1)
			x = activate(autograd.Add(l.Forward(t, x), c), e.act)
			continue
		}
		x = l.ForwardThen(t, x, nn.Then{Act: e.act})
	}
	return x
}

// Decoder maps codes to what a likelihood makes of every number of a picture: the encoder mirrored.
type Decoder struct {
	Dense []*nn.Linear          `weights:"dense"` // of a conv network: one, to the smallest map
	Ups   []*nn.ConvTranspose2D `weights:"ups"`   // 4x4 with stride 2
	Class *nn.Param             `weights:"class"` // [Classes, width of the first layer], or nil

	cfg Config
	act tensor.Activation
}

// NewDecoder returns the decoder of codes of k numbers. With k = 0 a conv network begins at its smallest map, which
// then has the channels of the last hidden layer.
func NewDecoder(cfg Config, k int) *Decoder {
	d := &Decoder{cfg: cfg, act: activations[cfg.Activation]}
	first := cfg.Pixels()
	if cfg.Kind == Conv {
		d.convs(k)
		first = cfg.Features()
	} else {
		in := k
		for i := len(cfg.Hidden) - 1; i >= 0; i-- {
			d.Dense = append(d.Dense, nn.NewLinear(in, cfg.Hidden[i], true))
			in = cfg.Hidden[i]
		}
		d.Dense = append(d.Dense, nn.NewLinear(in, cfg.Pixels(), true))
		if len(cfg.Hidden) > 0 {
			first = cfg.Hidden[len(cfg.Hidden)-1]
		}
	}
	if cfg.Classes > 0 && len(d.Dense) > 0 {
		d.Class = nn.NewParam(cfg.Classes, first).Normal(0.1)
	}
	return d
}

// convs makes the layers of a conv network: every map gets the size that its mirror image has in the encoder.
func (d *Decoder) convs(k int) {
	c := &d.cfg
	if k > 0 {
		d.Dense = []*nn.Linear{nn.NewLinear(k, c.Features(), true)}
	}
	sizes := [][2]int{{c.Height, c.Width}}
	for range c.Hidden {
		s := sizes[len(sizes)-1]
		sizes = append(sizes, [2]int{(s[0] + 1) / 2, (s[1] + 1) / 2})
	}
	for i := len(c.Hidden) - 1; i >= 0; i-- {
		out := c.Channels
		if i > 0 {
			out = c.Hidden[i-1]
		}
		up := nn.NewConvTranspose2D(c.Hidden[i], out, 4, 2, 1)
		up.Spec.PadBottom += sizes[i][0] % 2
		up.Spec.PadRight += sizes[i][1] % 2
		d.Ups = append(d.Ups, up)
	}
}

// Forward maps z [N, K] to [N, D].
func (d *Decoder) Forward(t *autograd.Tape, z *autograd.Value, class []int32) *autograd.Value {
	n := z.Dim(0)
	for i, l := range d.Dense {
		last := d.cfg.Kind == MLP && i == len(d.Dense)-1
		act := d.act
		if last {
			act = tensor.ActNone
		}
		if i == 0 && d.Class != nil {
			z = activate(autograd.Add(l.Forward(t, z), classRows(t, d.Class, class, n)), act)
			continue
		}
		z = l.ForwardThen(t, z, nn.Then{Act: act})
	}
	if d.cfg.Kind == MLP {
		return z
	}
	h, w, c := d.cfg.Map()
	return d.FromMap(t, autograd.Reshape(z, n, h, w, c))
}

// FromMap maps the smallest map [N, h, w, F] of a conv network to [N, D].
func (d *Decoder) FromMap(t *autograd.Tape, z *autograd.Value) *autograd.Value {
	for i, l := range d.Ups {
		act := d.act
		if i == len(d.Ups)-1 {
			act = tensor.ActNone
		}
		z = l.ForwardThen(t, z, nn.Then{Act: act})
	}
	return autograd.Reshape(z, z.Dim(0), -1)
}

// classRows is the rows of a table at the classes, zeros for a class below 0: [N, W].
func classRows(t *autograd.Tape, table *nn.Param, class []int32, n int) *autograd.Value {
	k := table.Dim(0)
	oneHot := t.Arena().New(table.DType(), n, k)
	oneHot.Zero()
	for i := range n {
		if i >= len(class) || class[i] < 0 {
			continue
		}
		if oneHot.DType() == tensor.Float64 {
			oneHot.F64()[i*k+int(class[i])] = 1
		} else {
			oneHot.F32()[i*k+int(class[i])] = 1
		}
	}
	return autograd.MatMul(t.Const(oneHot), table.On(t), false, false)
}

// activate applies an activation to x.
func activate(x *autograd.Value, act tensor.Activation) *autograd.Value {
	switch act {
	case tensor.ActReLU:
		return autograd.ReLU(x)
	case tensor.ActTanh:
		return autograd.Tanh(x)
	case tensor.ActSigmoid:
		return autograd.Sigmoid(x)
	case tensor.ActSiLU:
		return autograd.SiLU(x)
	case tensor.ActGELU:
		return autograd.GELU(x)
	}
	return x
}
