package rbm

import (
	"fmt"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// machine draws a machine whose weights and biases have the given deviation.
func machine(c Config, deviation float64, seed uint64) *RBM {
	m := New(c)
	nn.Init(m, seed)
	for i, p := range nn.Params(m) {
		rng.New(seed).Normal(p.F32(), uint64(i), 0, rng.Init)
		for j := range p.F32() {
			p.F32()[j] *= float32(deviation)
		}
	}
	if m.LogVariance != nil {
		for i := m.pixelUnits(); i < m.Visible(); i++ {
			m.LogVariance.F32()[i] = 0
		}
	}
	return m
}

// configs are one machine of every kind.
var configs = []Config{
	{Pixels: 5, Hidden: 4},
	{Pixels: 3, Hidden: 4, Units: Softmax, Levels: 3},
	{Pixels: 4, Hidden: 3, Units: Gaussian},
	{Pixels: 4, Hidden: 3, Labels: 3},
	{Pixels: 2, Hidden: 3, Units: Gaussian, Labels: 2},
	{Pixels: 2, Hidden: 3, Units: Softmax, Levels: 2, Labels: 2},
}

func (c Config) String() string {
	return fmt.Sprintf("%s %d x %d labels %d", c.Units, c.Pixels, c.Hidden, c.Labels)
}

// energy is E(v, h) as the package's comment has it, term by term.
func energy(m *RBM, v, h []float64) float64 {
	at := func(p *nn.Param, i int) float64 { return float64(p.F32()[i]) }
	var e float64
	for i, x := range v {
		u := x
		if m.Units == Gaussian && i < m.Pixels {
			variance := math.Exp(at(m.LogVariance, i))
			d := x - at(m.VisibleBias, i)
			e += d * d / (2 * variance)
			u = x / variance
		} else {
			e -= at(m.VisibleBias, i) * x
		}
		for j, y := range h {
			e -= u * at(m.Weight, i*m.Hidden+j) * y
		}
	}
	for j, y := range h {
		e -= at(m.HiddenBias, j) * y
	}
	return e
}

// bitsOf are the lowest n bits of s.
func bitsOf(s, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(s >> i & 1)
	}
	return x
}

// visibleStates lists all states of the visible units of a machine without Gaussian units.
func visibleStates(c Config) [][]float64 {
	states := [][]float64{{}}
	add := func(units int) {
		var longer [][]float64
		for _, s := range states {
			for k := range units {
				one := make([]float64, units)
				one[k] = 1
				longer = append(longer, append(append([]float64(nil), s...), one...))
			}
		}
		states = longer
	}
	for range c.Pixels {
		if c.Units == Softmax {
			add(c.Levels)
			continue
		}
		var longer [][]float64
		for _, s := range states {
			longer = append(longer, append(append([]float64(nil), s...), 0), append(append([]float64(nil), s...), 1))
		}
		states = longer
	}
	if c.Labels > 0 {
		add(c.Labels)
	}
	return states
}

func tensorOf(rows ...[]float64) *tensor.Tensor {
	t := tensor.New(tensor.Float32, len(rows), len(rows[0]))
	for i, r := range rows {
		for j, v := range r {
			t.F32()[i*len(r)+j] = float32(v)
		}
	}
	return t
}

// samples are some visible states, random reals in Gaussian units.
func samples(c Config, n int) [][]float64 {
	rows := make([][]float64, n)
	for i := range rows {
		if c.Units != Gaussian {
			all := visibleStates(c)
			rows[i] = all[(i*7+3)%len(all)]
			continue
		}
		rows[i] = make([]float64, c.Visible())
		rng.New(5).Normal64(rows[i][:c.Pixels], uint64(i), 0, rng.General)
		if c.Labels > 0 {
			rows[i][c.Pixels+i%c.Labels] = 1
		}
		for j, v := range rows[i] {
			rows[i][j] = float64(float32(v))
		}
	}
	return rows
}

// freeEnergy sums over all hidden states.
func freeEnergy(m *RBM, v []float64) float64 {
	var z float64
	for s := range 1 << m.Hidden {
		z += math.Exp(-energy(m, v, bitsOf(s, m.Hidden)))
	}
	return -math.Log(z)
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s: got %.9g, want %.9g within %g", what, got, want, within)
	}
}

// TestEnergies compares energies, free energies and conditional means with sums over all hidden states.
func TestEnergies(t *testing.T) {
	a := tensor.NewArena()
	for _, c := range configs {
		m := machine(c, 0.8, 3)
		rows := samples(c, 6)
		v := tensorOf(rows...)
		free, joint := make([]float64, len(rows)), make([]float64, len(rows))
		mean := tensor.New(tensor.Float32, len(rows), c.Hidden)
		h := mean.Clone()
		for i := range h.F32() {
			h.F32()[i] = float32(i % 2)
		}
		m.FreeEnergy(free, v, a)
		m.Energy(joint, v, h, a)
		m.HiddenMean(mean, v, nil, a)
		for i, r := range rows {
			near(t, c.String()+" free energy", free[i], freeEnergy(m, r), 2e-6)
			state := make([]float64, c.Hidden)
			for j := range state {
				state[j] = float64(h.F32()[i*c.Hidden+j])
			}
			near(t, c.String()+" energy", joint[i], energy(m, r, state), 2e-6)
			for j := range c.Hidden {
				var on float64
				for s := range 1 << c.Hidden {
					if s>>j&1 == 1 {
						on += math.Exp(-energy(m, r, bitsOf(s, c.Hidden)) + free[i])
					}
				}
				near(t, c.String()+" p(h|v)", float64(mean.F32()[i*c.Hidden+j]), on, 1e-6)
			}
		}
	}
}

// TestVisibleMean compares E(v|h) with sums over all visible states, at two temperatures.
func TestVisibleMean(t *testing.T) {
	a := tensor.NewArena()
	for _, c := range configs {
		m := machine(c, 0.8, 4)
		h := []float64{1, 0, 1, 1}[:c.Hidden]
		for _, temperature := range []float64{1, 2.5} {
			mean := tensor.New(tensor.Float32, 1, c.Visible())
			m.VisibleMean(mean, tensorOf(h), []float32{float32(temperature)}, a)
			want := make([]float64, c.Visible())
			if c.Units == Gaussian {
				for i := range want {
					want[i] = float64(m.VisibleBias.F32()[i])
					for j, y := range h {
						want[i] += float64(m.Weight.F32()[i*c.Hidden+j]) * y
					}
				}
				if c.Labels > 0 { // a softmax of their inputs, whatever the pixels are
					var z float64
					for i := c.Pixels; i < len(want); i++ {
						want[i] = math.Exp(want[i] / temperature)
						z += want[i]
					}
					for i := c.Pixels; i < len(want); i++ {
						want[i] /= z
					}
				}
			} else {
				var z float64
				for _, v := range visibleStates(c) {
					p := math.Exp(-energy(m, v, h) / temperature)
					z += p
					for i, x := range v {
						want[i] += p * x
					}
				}
				for i := range want {
					want[i] /= z
				}
			}
			for i, w := range want {
				near(t, fmt.Sprintf("%s T %g unit %d", c, temperature, i), float64(mean.F32()[i]), w, 1e-6)
			}
		}
	}
}

// TestPackedIsTheSame checks that Pack changes no bit.
func TestPackedIsTheSame(t *testing.T) {
	a := tensor.NewArena()
	m := machine(Config{Pixels: 70, Hidden: 37}, 0.1, 2)
	v, h := tensor.New(tensor.Float32, 5, 70), tensor.New(tensor.Float32, 5, 37)
	rng.New(1).Uniform(v.F32(), 0, 0, rng.General)
	run := func() []float32 {
		m.HiddenMean(h, v, nil, a)
		w := v.Clone()
		m.VisibleMean(w, h, nil, a)
		return append(append([]float32(nil), h.F32()...), w.F32()...)
	}
	plain := run()
	m.Pack()
	for i, x := range run() {
		if x != plain[i] {
			t.Fatalf("unit %d: %v packed, %v not", i, x, plain[i])
		}
	}
}

// TestPseudoLikelihood compares with free energies of all changed copies.
func TestPseudoLikelihood(t *testing.T) {
	a := tensor.NewArena()
	for _, c := range configs {
		m := machine(c, 0.8, 5)
		rows := samples(c, 5)
		got := make([]float64, len(rows))
		err := m.PseudoLikelihood(got, tensorOf(rows...), a)
		if c.Units == Gaussian {
			if err == nil {
				t.Error("no error for Gaussian units")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range rows {
			var want float64
			for p := range c.Pixels {
				var alternatives [][]float64
				if c.Units == Binary {
					other := append([]float64(nil), v...)
					other[p] = 1 - v[p]
					alternatives = [][]float64{v, other}
				} else {
					for k := range c.Levels {
						other := append([]float64(nil), v...)
						clear(other[p*c.Levels : (p+1)*c.Levels])
						other[p*c.Levels+k] = 1
						alternatives = append(alternatives, other)
					}
				}
				var z float64
				for _, o := range alternatives {
					z += math.Exp(-freeEnergy(m, o))
				}
				want += -freeEnergy(m, v) - math.Log(z)
			}
			near(t, c.String(), got[i], want, 5e-6)
		}
	}
}

// TestClassify compares p(label | pixels) with the free energies of all labels.
func TestClassify(t *testing.T) {
	a := tensor.NewArena()
	for _, c := range configs {
		if c.Labels == 0 {
			continue
		}
		m := machine(c, 0.8, 6)
		rows := samples(c, 4)
		p := tensor.New(tensor.Float32, len(rows), c.Labels)
		m.Classify(p, tensorOf(rows...), a)
		for i, v := range rows {
			q := make([]float64, c.Labels)
			var z float64
			for l := range q {
				w := append([]float64(nil), v...)
				clear(w[m.pixelUnits():])
				w[m.pixelUnits()+l] = 1
				q[l] = math.Exp(-freeEnergy(m, w))
				z += q[l]
			}
			for l := range q {
				near(t, c.String(), float64(p.F32()[i*c.Labels+l]), q[l]/z, 1e-6)
			}
			var free [1]float64
			m.MarginalFreeEnergy(free[:], tensorOf(v), a)
			near(t, c.String()+" marginal", free[0], -math.Log(z), 2e-6)
		}
	}
}
