package boltzmann

import (
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Limits of a machine.
const (
	MaxUnits = 256
	MaxExact = 20 // units of a machine whose states are enumerated
)

// Config is the size of a machine.
type Config struct {
	Visible int // V, the pixels of a picture
	Hidden  int // the others
}

// Units is N.
func (c Config) Units() int { return c.Visible + c.Hidden }

// Machine is a Boltzmann machine.
type Machine struct {
	Config
	Weight *nn.Param `weights:"weight"` // [N, N]; w_ij for i < j
	Bias   *nn.Param `weights:"bias"`   // [N]
}

// New returns a machine whose weights nn.Init draws from N(0, 0.1^2), so that hidden units begin to differ, and whose
// biases are 0.
func New(c Config) *Machine {
	n := c.Units()
	return &Machine{Config: c, Weight: nn.NewParam(n, n).Normal(0.1), Bias: nn.NewParam(n).Constant(0)}
}

// matrix is the symmetric weights [N, N] and the biases in float64.
func (m *Machine) matrix() (w, b []float64) {
	n := m.Units()
	w, b = make([]float64, n*n), make([]float64, n)
	for i := range n {
		b[i] = float64(m.Bias.F32()[i])
		for j := i + 1; j < n; j++ {
			w[i*n+j] = float64(m.Weight.F32()[i*n+j])
			w[j*n+i] = w[i*n+j]
		}
	}
	return w, b
}

// Energy of a state [N].
func (m *Machine) Energy(s []float32) float64 {
	n := m.Units()
	var e float64
	for i := range n {
		if s[i] == 0 {
			continue
		}
		field := float64(m.Bias.F32()[i])
		for j := i + 1; j < n; j++ {
			field += float64(float64(m.Weight.F32()[i*n+j]) * float64(s[j]))
		}
		e -= float64(field * float64(s[i]))
	}
	return e
}

// Chain is a Gibbs sampler over the units from From on; those before stay what they are. From is 0 for samples of the
// machine and V for hidden units given a picture.
type Chain struct {
	From int

	n    int
	w, b []float64
	u    []float64
}

// NewChain returns a sampler of the machine's present weights.
func (m *Machine) NewChain(from int) *Chain {
	w, b := m.matrix()
	return &Chain{From: from, n: m.Units(), w: w, b: b, u: make([]float64, m.Units())}
}

// On is p(s_i = 1 | all other units) = sigmoid((b_i + sum_j w_ij s_j) / T).
func (c *Chain) On(s []float32, i int, temperature float64) float64 {
	field := c.b[i]
	for j, w := range c.w[i*c.n : (i+1)*c.n] {
		field += float64(w * float64(s[j]))
	}
	return 1 / (1 + tensor.ExpF64(-field/temperature))
}

// Sweep draws one unit after the other, in ascending order, given all others as they are by then.
func (c *Chain) Sweep(s []float32, temperature float64, row rng.Row) {
	row.Stream.Uniform64(c.u, row.Sample, row.Step, rng.Hidden)
	for i := c.From; i < c.n; i++ {
		s[i] = 0
		if c.u[i] < c.On(s, i, temperature) {
			s[i] = 1
		}
	}
}

// Pseudo is the sum over the first n units of log p(s_i | all other units).
func (c *Chain) Pseudo(s []float32, n int) float64 {
	var total float64
	for i := range n {
		p := c.On(s, i, 1)
		if s[i] == 0 {
			p = 1 - p
		}
		total += tensor.LogF64(math.Max(p, 1e-300))
	}
	return total
}

// Round writes the visible units of a picture in [0, 1]: on from one half.
func Round(s, x []float32) {
	for i, v := range x {
		s[i] = bit(v)
	}
}

// Moments are the means of s_i s_j, [N, N] above the diagonal, and of s_i, [N].
type Moments struct {
	Pair []float64
	Unit []float64
}

// NewMoments returns zeros for n units.
func NewMoments(n int) *Moments {
	return &Moments{Pair: make([]float64, n*n), Unit: make([]float64, n)}
}

// Add adds a state of weight p.
func (o *Moments) Add(s []float32, p float64) {
	n := len(o.Unit)
	for i := range n {
		if s[i] == 0 {
			continue
		}
		a := float64(p * float64(s[i]))
		o.Unit[i] += a
		for j := i + 1; j < n; j++ {
			o.Pair[i*n+j] += float64(a * float64(s[j]))
		}
	}
}

// enumerate calls f with every state of the units from from on, the others as they are in s, and its energy; s is
// overwritten. The order is that of binary numbers whose lowest bit is unit from.
func (m *Machine) enumerate(s []float32, from int, f func(energy float64)) {
	n := m.Units()
	for bits := range 1 << (n - from) {
		for i := from; i < n; i++ {
			s[i] = float32(bits >> (i - from) & 1)
		}
		f(m.Energy(s))
	}
}

// LogSum is the logarithm of the sum of exp(-E/T) over the states of the units from from on, given those before in
// s [N]: log Z_T for from 0, and minus the free energy of a picture for from V. It is an error for more than MaxExact
// units.
func (m *Machine) LogSum(s []float32, from int, temperature float64) (float64, error) {
	if n := m.Units() - from; n > MaxExact {
		return 0, fault.E(fault.Invalid, "TOO_LARGE", "boltzmann.LogSum", "%d units, enumeration is for up to %d", n,
			MaxExact)
	}
	s = append([]float32(nil), s...)
	lowest := math.Inf(1)
	m.enumerate(s, from, func(e float64) { lowest = math.Min(lowest, e) })
	var z float64
	m.enumerate(s, from, func(e float64) { z += tensor.ExpF64((lowest - e) / temperature) })
	return tensor.LogF64(z) - lowest/temperature, nil
}

// ExactMoments adds the moments of p(s) given the units before from in s [N], with the weight p.
func (m *Machine) ExactMoments(o *Moments, s []float32, from int, p float64) error {
	total, err := m.LogSum(s, from, 1)
	if err != nil {
		return err
	}
	s = append([]float32(nil), s...)
	m.enumerate(s, from, func(e float64) { o.Add(s, p*tensor.ExpF64(-e-total)) })
	return nil
}

// Gradient writes the derivative of the mean negative log-likelihood, <s_i s_j>_model - <s_i s_j>_data above the
// diagonal and zeros elsewhere, and the same of single units.
func (m *Machine) Gradient(weight, bias *tensor.Tensor, data, model *Moments) {
	for i, x := range data.Pair {
		weight.F32()[i] = float32(model.Pair[i] - x)
	}
	for i, x := range data.Unit {
		bias.F32()[i] = float32(model.Unit[i] - x)
	}
}
