package rbm

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// VisibleMean is E(v | h) at every row's temperature, nil: 1. mean [B, V], h [B, H]. Binary units have sigmoid(y/T),
// Softmax units and labels a softmax of y/T, Gaussian units y, where y = b + W h.
func (m *RBM) VisibleMean(mean, h *tensor.Tensor, temperature []float32, a *tensor.Arena) {
	if m.Units == Binary && m.Labels == 0 && temperature == nil {
		m.visible(mean, h, tensor.ActSigmoid)
		return
	}
	m.VisibleInput(mean, h)
	m.link(mean, temperature, a)
}

// link turns inputs y [B, V] into means.
func (m *RBM) link(y *tensor.Tensor, temperature []float32, a *tensor.Arena) {
	mark := a.Mark()
	defer a.Release(mark)
	B, V := y.Dims2()
	n := m.pixelUnits()
	var pixels *tensor.Tensor
	if m.Units == Gaussian { // whose mean has no temperature
		pixels = a.New(tensor.Float32, B, n)
		tensor.Slice(pixels, y, 1, 0)
	}
	divideRows(y, temperature)
	var labels *tensor.Tensor
	if m.Labels > 0 {
		labels = a.New(tensor.Float32, B, m.Labels)
		tensor.Slice(labels, y, 1, n)
		tensor.Softmax(labels, labels)
	}
	switch {
	case m.Units == Binary:
		tensor.Sigmoid(y, y)
	case m.Units == Softmax:
		pixels = a.New(tensor.Float32, B, n)
		tensor.Slice(pixels, y, 1, 0)
		groups := a.View(pixels, B*m.Pixels, m.Levels)
		tensor.Softmax(groups, groups)
	}
	for i := range B {
		row := y.F32()[i*V : (i+1)*V]
		if pixels != nil {
			copy(row[:n], pixels.F32()[i*n:])
		}
		if labels != nil {
			copy(row[n:], labels.F32()[i*m.Labels:])
		}
	}
}

// DrawHidden draws h from its mean: both [B, H], one row of draws each. h may be mean.
func (m *RBM) DrawHidden(h, mean *tensor.Tensor, rows []rng.Row) {
	rng.BernoulliRows(h.F32(), mean.F32(), rows, rng.Hidden)
}

// DrawVisible draws v from its mean: both [B, V], one row of draws each. v may be mean. A Gaussian unit has the
// variance s^2 T.
func (m *RBM) DrawVisible(v, mean *tensor.Tensor, rows []rng.Row, temperature []float32, a *tensor.Arena) {
	mark := a.Mark()
	defer a.Release(mark)
	B, V := v.Dims2()
	var labels []float32
	if m.Labels > 0 {
		u := a.New(tensor.Float32, B, 1)
		labels = a.New(tensor.Float32, B, m.Labels).F32()
		rng.UniformRows(u.F32(), rows, rng.Label)
		for i := range B {
			choose(labels[i*m.Labels:(i+1)*m.Labels], mean.F32()[(i+1)*V-m.Labels:(i+1)*V], u.F32()[i])
		}
	}
	switch m.Units {
	case Binary:
		rng.BernoulliRows(v.F32(), mean.F32(), rows, rng.Visible)
	case Gaussian:
		m.drawGaussian(v, mean, rows, temperature, a)
	case Softmax:
		u := a.New(tensor.Float32, B, m.Pixels)
		rng.UniformRows(u.F32(), rows, rng.Visible)
		for i := range B {
			for p := range m.Pixels {
				at := i*V + p*m.Levels
				choose(v.F32()[at:at+m.Levels], mean.F32()[at:at+m.Levels], u.F32()[i*m.Pixels+p])
			}
		}
	}
	for i := range B {
		copy(v.F32()[(i+1)*V-m.Labels:(i+1)*V], labels[i*m.Labels:])
	}
}

func (m *RBM) drawGaussian(v, mean *tensor.Tensor, rows []rng.Row, temperature []float32, a *tensor.Arena) {
	B, V := v.Dims2()
	z := a.New(tensor.Float32, B, V)
	rng.NormalRows(z.F32(), rows, rng.Visible)
	deviation := a.New(tensor.Float32, V)
	tensor.Scale(deviation, m.LogVariance.Tensor, 0.5)
	tensor.Exp(deviation, deviation)
	for i := range B {
		root := float32(1)
		if temperature != nil {
			root = float32(math.Sqrt(float64(temperature[i])))
		}
		for j, s := range deviation.F32() {
			at := i*V + j
			v.F32()[at] = mean.F32()[at] + float32(float32(s*root)*z.F32()[at])
		}
	}
}

// choose sets one of dst to 1 and the others to 0: the first one whose probabilities, added in float64 up to it,
// exceed u. dst may be p.
func choose(dst, p []float32, u float32) {
	last, total := 0, 0.0
	at := -1
	for k, q := range p {
		if q > 0 {
			last = k
		}
		if total += float64(q); at < 0 && float64(u) < total {
			at = k
		}
	}
	if at < 0 {
		at = last // the probabilities add up to a little less than 1
	}
	clear(dst)
	dst[at] = 1
}

// Sweep draws v given h and then h given v, in place: v [B, V], h [B, H], one row of draws and one temperature each.
// A class of 0 or more is clamped: its label unit stays on. class is nil for none at all.
func (m *RBM) Sweep(v, h *tensor.Tensor, rows []rng.Row, temperature []float32, class []int32, a *tensor.Arena) {
	m.VisibleMean(v, h, temperature, a)
	m.DrawVisible(v, v, rows, temperature, a)
	m.Clamp(v, class)
	m.HiddenMean(h, v, temperature, a)
	m.DrawHidden(h, h, rows)
}

// Clamp sets the label units of the rows of v [B, V] that have a class.
func (m *RBM) Clamp(v *tensor.Tensor, class []int32) {
	V := v.Dim(-1)
	for i, c := range class {
		if c < 0 || m.Labels == 0 {
			continue
		}
		labels := v.F32()[(i+1)*V-m.Labels : (i+1)*V]
		clear(labels)
		labels[c] = 1
	}
}
