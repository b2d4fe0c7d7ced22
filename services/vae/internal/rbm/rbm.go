package rbm

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// Units is the kind of the visible units that show pixels.
type Units uint8

// The kinds of visible units.
const (
	Binary   Units = iota // v in {0, 1}: A(v) = -b'v, u = v
	Gaussian              // real v: A(v) = sum (v-b)^2 / 2s^2, u = v/s^2, the parameters of Cho, Ilin and Raiko (2011)
	Softmax               // K units a pixel of which one is on: A(v) = -b'v, u = v
)

var unitNames = [...]string{"binary", "gaussian", "softmax"}

// String is the kind in small letters.
func (u Units) String() string {
	if int(u) < len(unitNames) {
		return unitNames[u]
	}
	return "unknown"
}

// ParseUnits finds a kind by its name.
func ParseUnits(name string) (Units, bool) {
	for i, n := range unitNames {
		if n == name {
			return Units(i), true
		}
	}
	return 0, false
}

// Config is the shape of a machine.
type Config struct {
	Pixels int   // of a picture
	Hidden int   // H
	Units  Units // of the pixels
	Levels int   // K, of Softmax pixels; 0 for the other kinds
	Labels int   // L more visible units after those of the pixels, of which one is on: the class (Hinton 2006)
}

// Visible is V: the units of the pixels and the labels.
func (c Config) Visible() int { return c.pixelUnits() + c.Labels }

func (c Config) pixelUnits() int { return c.Pixels * max(1, c.Levels) }

// RBM is a restricted Boltzmann machine.
type RBM struct {
	Config
	Weight      *nn.Param `weights:"weight"`       // [V, H]
	VisibleBias *nn.Param `weights:"visible_bias"` // b, [V]
	HiddenBias  *nn.Param `weights:"hidden_bias"`  // c, [H]
	LogVariance *nn.Param `weights:"log_variance"` // log s^2, [V]; nil unless Gaussian

	// Partition is what is known of Z; nil: nothing.
	Partition *Partition

	up, down *tensor.Packed // of Weight, once Pack was called
}

// initialDeviation is that of the first weights (Hinton 2010, section 8).
const initialDeviation = 0.01

// New returns a machine whose weights nn.Init draws from N(0, 0.01^2) and whose biases are 0.
func New(c Config) *RBM {
	v := c.Visible()
	m := &RBM{
		Config:      c,
		Weight:      nn.NewParam(v, c.Hidden).Normal(initialDeviation),
		VisibleBias: nn.NewParam(v).Constant(0),
		HiddenBias:  nn.NewParam(c.Hidden).Constant(0),
	}
	if c.Units == Gaussian {
		m.LogVariance = nn.NewParam(v).Constant(0)
	}
	return m
}

// Pack lays out the weights for many products with the same ones; whoever changes them calls Unpack. It changes no
// bit.
func (m *RBM) Pack() {
	m.up, m.down = tensor.PackB(m.Weight.Tensor, false), tensor.PackB(m.Weight.Tensor, true)
}

// Unpack forgets what Pack laid out.
func (m *RBM) Unpack() { m.up, m.down = nil, nil }

// HiddenInput is x = c + W'u(v): x [B, H], v [B, V].
func (m *RBM) HiddenInput(x, v *tensor.Tensor, a *tensor.Arena) { m.hidden(x, v, tensor.ActNone, a) }

// HiddenMean is p(h = 1 | v) = sigmoid(x/T) of every row's temperature; nil: T = 1. mean [B, H], v [B, V].
func (m *RBM) HiddenMean(mean, v *tensor.Tensor, temperature []float32, a *tensor.Arena) {
	if temperature == nil {
		m.hidden(mean, v, tensor.ActSigmoid, a)
		return
	}
	m.hidden(mean, v, tensor.ActNone, a)
	divideRows(mean, temperature)
	tensor.Sigmoid(mean, mean)
}

func (m *RBM) hidden(x, v *tensor.Tensor, act tensor.Activation, a *tensor.Arena) {
	if m.Units == Gaussian {
		u := a.New(tensor.Float32, v.Shape()...)
		tensor.Mul(u, v, m.precision(a))
		v = u
	}
	ep := tensor.Epilogue{Bias: m.HiddenBias.Tensor, Act: act}
	if m.up != nil {
		tensor.MatMulSparsePacked(x, v, m.up, &ep)
		return
	}
	tensor.MatMulSparse(x, v, m.Weight.Tensor, false, false, &ep)
}

// VisibleInput is b + W h: y [B, V], h [B, H].
func (m *RBM) VisibleInput(y, h *tensor.Tensor) { m.visible(y, h, tensor.ActNone) }

func (m *RBM) visible(y, h *tensor.Tensor, act tensor.Activation) {
	ep := tensor.Epilogue{Bias: m.VisibleBias.Tensor, Act: act}
	if m.down != nil {
		tensor.MatMulSparsePacked(y, h, m.down, &ep)
		return
	}
	tensor.MatMulSparse(y, h, m.Weight.Tensor, false, true, &ep)
}

// precision is 1/s^2, 1 for labels.
func (m *RBM) precision(a *tensor.Arena) *tensor.Tensor {
	p := a.New(tensor.Float32, m.Visible())
	tensor.Neg(p, m.LogVariance.Tensor)
	tensor.Exp(p, p)
	labels := p.F32()[m.pixelUnits():]
	for i := range labels {
		labels[i] = 1
	}
	return p
}

// divideRows divides row i of x by t[i]; a division by 1 is exact.
func divideRows(x *tensor.Tensor, t []float32) {
	n := x.Dim(-1)
	for i, d := range t {
		if d == 1 {
			continue
		}
		row := x.F32()[i*n : (i+1)*n]
		for j := range row {
			row[j] /= d
		}
	}
}

// FreeEnergy writes F(v) = A(v) - sum_j softplus(x_j) of every row of v [B, V].
func (m *RBM) FreeEnergy(dst []float64, v *tensor.Tensor, a *tensor.Arena) {
	mark := a.Mark()
	defer a.Release(mark)
	B, V := v.Dims2()
	x := a.New(tensor.Float32, B, m.Hidden)
	m.HiddenInput(x, v, a)
	tensor.Softplus(x, x)
	for i := range B {
		dst[i] = m.visibleEnergy(v.F32()[i*V:(i+1)*V]) - sum(x.F32()[i*m.Hidden:(i+1)*m.Hidden])
	}
}

// Energy writes E(v, h) = A(v) - h'x of every row of v [B, V] and h [B, H].
func (m *RBM) Energy(dst []float64, v, h *tensor.Tensor, a *tensor.Arena) {
	mark := a.Mark()
	defer a.Release(mark)
	B, V := v.Dims2()
	x := a.New(tensor.Float32, B, m.Hidden)
	m.HiddenInput(x, v, a)
	for i := range B {
		r := i * m.Hidden
		dst[i] = m.visibleEnergy(v.F32()[i*V:(i+1)*V]) - dot(x.F32()[r:r+m.Hidden], h.F32()[r:r+m.Hidden])
	}
}

// visibleEnergy is A(v) of one row.
func (m *RBM) visibleEnergy(v []float32) float64 {
	b, n := m.VisibleBias.F32(), 0
	var s float64
	if m.Units == Gaussian {
		n = m.pixelUnits()
		z := m.LogVariance.F32()
		for i, x := range v[:n] {
			d := float64(x) - float64(b[i])
			s += float64(d * d * (0.5 * tensor.ExpF64(-float64(z[i]))))
		}
	}
	return s - dot(b[n:], v[n:])
}

// sum adds in float64, ascending.
func sum(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v)
	}
	return s
}

// dot adds products, which are exact in float64, ascending.
func dot(x, y []float32) float64 {
	var s float64
	for i, v := range x {
		s += float64(float64(v) * float64(y[i]))
	}
	return s
}

// softplus is log(1 + exp(x)).
func softplus(x float64) float64 {
	if x > 0 {
		return x + softplus(-x)
	}
	e := tensor.ExpF64(x)
	if e < 1e-5 {
		return e - float64(0.5*float64(e*e)) // log(1+e) would lose the digits of e
	}
	return tensor.LogF64(1 + e)
}

// logSumExp is log(exp(a) + exp(b)).
func logSumExp(a, b float64) float64 {
	if b > a {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + softplus(b-a)
}
