package dbn

import (
	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Config is the shape of a network.
type Config struct {
	Pixels int   // P
	Hidden []int // units of the hidden layers, from the picture up; at least two
	Labels int   // L; 0 for none
}

// Layers is the number of directed layers, all but the top machine.
func (c Config) Layers() int { return len(c.Hidden) - 1 }

// Below is the number of units under hidden layer l.
func (c Config) Below(l int) int {
	if l == 0 {
		return c.Pixels
	}
	return c.Hidden[l-1]
}

// Machine is the shape of the machine that learns hidden layer l.
func (c Config) Machine(l int) rbm.Config {
	m := rbm.Config{Pixels: c.Below(l), Hidden: c.Hidden[l]}
	if l == c.Layers() {
		m.Labels = c.Labels
	}
	return m
}

// DBN is a deep belief network.
type DBN struct {
	Config
	Recognise []*nn.Linear `weights:"recognise"` // of directed layer l: [below, Hidden[l]]
	Generate  []*nn.Linear `weights:"generate"`  // [Hidden[l], below]
	Top       *rbm.RBM     `weights:"top"`
}

// New returns a network with the first weights of its machines.
func New(c Config) *DBN {
	d := &DBN{Config: c, Top: rbm.New(c.Machine(c.Layers()))}
	for l := range c.Layers() {
		d.Recognise = append(d.Recognise, nn.NewLinear(c.Below(l), c.Hidden[l], true))
		d.Generate = append(d.Generate, nn.NewLinear(c.Hidden[l], c.Below(l), true))
	}
	return d
}

// Assemble unties machines that were learned one on top of the other: their weights become those of recognition, and
// transposed those of generation. It fills d, whose shape must be theirs; the machines are copied.
func (d *DBN) Assemble(machines []*rbm.RBM) {
	for l, m := range machines[:d.Layers()] {
		d.Recognise[l].Weight.CopyFrom(m.Weight.Tensor)
		d.Recognise[l].Bias.CopyFrom(m.HiddenBias.Tensor)
		tensor.Permute(d.Generate[l].Weight.Tensor, m.Weight.Tensor, 1, 0)
		d.Generate[l].Bias.CopyFrom(m.VisibleBias.Tensor)
	}
	nn.Copy(d.Top, machines[d.Layers()])
	d.Changed()
}

// Changed tells all layers that weights were written.
func (d *DBN) Changed() {
	for _, p := range nn.Params(d) {
		p.Changed()
	}
	d.Top.Unpack()
}

// layerRows are the draws of rows in a directed layer, told apart from those of the top machine by their sample.
func layerRows(rows []rng.Row, layer int) []rng.Row {
	out := make([]rng.Row, len(rows))
	for i, r := range rows {
		r.Sample += layerSample * uint64(layer+1)
		out[i] = r
	}
	return out
}

const layerSample = 1 << 48

// Recognition is the way up: the means of every directed hidden layer, each [B, Hidden[l]], given v [B, P]. With rows
// of draws a layer sees a sample of the one below, which is returned too; without, its means.
func (d *DBN) Recognition(v *tensor.Tensor, rows []rng.Row, a *tensor.Arena) (means, samples []*tensor.Tensor) {
	x := v
	for l, r := range d.Recognise {
		p := a.New(tensor.Float32, v.Dim(0), d.Hidden[l])
		r.Apply(p, x, tensor.ActSigmoid)
		means, x = append(means, p), p
		if rows != nil {
			s := a.New(tensor.Float32, v.Dim(0), d.Hidden[l])
			rng.BernoulliRows(s.F32(), p.F32(), layerRows(rows, l), rng.Hidden)
			samples, x = append(samples, s), s
		}
	}
	return means, samples
}

// Generation is the way down: the means of the layers below the penultimate one given its units x [B, N], from the
// picture [B, P] up. With rows of draws a layer is made from a sample of the one above, without from its means; samples
// are those drawn, of the hidden layers under the penultimate one.
func (d *DBN) Generation(x *tensor.Tensor, rows []rng.Row, a *tensor.Arena) (means, samples []*tensor.Tensor) {
	n := d.Layers()
	means, samples = make([]*tensor.Tensor, n), make([]*tensor.Tensor, n)
	for l := n - 1; l >= 0; l-- {
		p := a.New(tensor.Float32, x.Dim(0), d.Below(l))
		d.Generate[l].Apply(p, x, tensor.ActSigmoid)
		means[l], samples[l], x = p, p, p
		if rows != nil && l > 0 {
			s := a.New(tensor.Float32, x.Dim(0), d.Below(l))
			rng.BernoulliRows(s.F32(), p.F32(), layerRows(rows, l), rng.Visible)
			samples[l], x = s, s
		}
	}
	return means, samples
}

// Join writes the visible units of the top machine: the penultimate layer x [B, N], and labels: the class where it is 0
// or more, p(label | x) elsewhere.
func (d *DBN) Join(v, x *tensor.Tensor, class []int32, a *tensor.Arena) {
	d.joinPenultimate(v, x)
	d.Top.SetLabels(v, class, a)
}

// Penultimate takes the penultimate layer [B, N] out of the top machine's visible units.
func (d *DBN) Penultimate(v *tensor.Tensor, a *tensor.Arena) *tensor.Tensor {
	if d.Labels == 0 {
		return v
	}
	x := a.New(tensor.Float32, v.Dim(0), d.Top.Pixels)
	tensor.Slice(x, v, 1, 0)
	return x
}
