package boltzmann

import (
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

func machine(c Config, deviation float32, seed uint64) *Machine {
	m := New(c)
	for i, p := range nn.Params(m) {
		rng.New(seed).Normal(p.F32(), uint64(i), 0, rng.Init)
		for j := range p.F32() {
			p.F32()[j] *= deviation
		}
	}
	return m
}

func state(bits, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(bits >> i & 1)
	}
	return s
}

// energy is the formula of the package's comment, pair by pair.
func energy(m *Machine, s []float32) float64 {
	n := m.Units()
	var e float64
	for i := range n {
		e -= float64(m.Bias.F32()[i] * s[i])
		for j := i + 1; j < n; j++ {
			e -= float64(s[i]) * float64(m.Weight.F32()[i*n+j]) * float64(s[j])
		}
	}
	return e
}

// joint is p_T of every state.
func joint(m *Machine, temperature float64) []float64 {
	p := make([]float64, 1<<m.Units())
	var z float64
	for b := range p {
		p[b] = math.Exp(-energy(m, state(b, m.Units())) / temperature)
		z += p[b]
	}
	for b := range p {
		p[b] /= z
	}
	return p
}

func TestEnergyAndPartition(t *testing.T) {
	m := machine(Config{Visible: 5, Hidden: 4}, 1, 1)
	for _, temperature := range []float64{0.3, 1, 4} {
		var z, given float64
		for b := range 1 << 9 {
			s := state(b, 9)
			e := energy(m, s)
			if d := math.Abs(m.Energy(s) - e); d > 1e-12 {
				t.Fatalf("state %b: energy off by %g", b, d)
			}
			z += math.Exp(-e / temperature)
			if b&31 == 11 {
				given += math.Exp(-e / temperature)
			}
		}
		got, err := m.LogSum(make([]float32, 9), 0, temperature)
		if err != nil || math.Abs(got-math.Log(z)) > 1e-12*math.Abs(got)+1e-12 {
			t.Errorf("T %g: log Z %v (%v), want %v", temperature, got, err, math.Log(z))
		}
		got, err = m.LogSum(state(11, 9), 5, temperature)
		if err != nil || math.Abs(got-math.Log(given)) > 1e-12*math.Abs(got)+1e-12 {
			t.Errorf("T %g: given a picture %v (%v), want %v", temperature, got, err, math.Log(given))
		}
	}
	if _, err := New(Config{Visible: 21}).LogSum(make([]float32, 21), 0, 1); err == nil {
		t.Error("no error for 2^21 states")
	}
}

// TestLowerEnergyIsLikelier runs chains at three temperatures: their histogram is the exact distribution, states are
// the more frequent the less energy they have, and heat evens them out.
func TestLowerEnergyIsLikelier(t *testing.T) {
	m := machine(Config{Visible: 3, Hidden: 2}, 1, 7)
	served := NewModel(m, 1, 3, 1)
	var lowest []float64 // share of the likeliest state
	for _, temperature := range []float64{0.5, 1, 3} {
		p := joint(m, temperature)
		count := make([]float64, len(p))
		const chains, sweeps = 400, 300
		var runs []model.Run
		for c := range chains {
			r := model.Run{State: make([]float32, 5), Stream: rng.New(3), Chain: uint64(c), Temperature: float32(temperature)}
			served.Start(r.State, r.Stream, r.Chain, nil, model.Unconditional)
			runs = append(runs, r)
		}
		for s := range sweeps {
			for i := range runs {
				runs[i].Sweep = uint32(s)
			}
			served.Sweep(runs)
			if s < 50 {
				continue
			}
			for _, r := range runs {
				b := 0
				for i, x := range r.State {
					b |= int(x) << i
				}
				count[b] += 1.0 / chains / (sweeps - 50)
			}
		}
		var d float64
		order := make([]int, len(p))
		for b := range p {
			d += math.Abs(p[b]-count[b]) / 2
			order[b] = b
		}
		if d > 0.02 {
			t.Errorf("T %g: total variation %.4f", temperature, d)
		}
		slices.SortFunc(order, func(a, b int) int {
			return int(math.Copysign(1, energy(m, state(a, 5))-energy(m, state(b, 5))))
		})
		for i, b := range order[1:] {
			if before := order[i]; p[before] > 0.01 && p[before] > 1.1*p[b] && count[before] <= count[b] {
				t.Errorf("T %g: state %05b of energy %.2f is rarer than %05b of %.2f", temperature, before,
					energy(m, state(before, 5)), b, energy(m, state(b, 5)))
			}
		}
		lowest = append(lowest, count[order[0]])
	}
	if !(lowest[0] > lowest[1] && lowest[1] > lowest[2]) {
		t.Errorf("shares of the lowest state at rising temperatures: %v", lowest)
	}
}

// TestGradient compares the exact gradient with central differences of the exact likelihood.
func TestGradient(t *testing.T) {
	m := machine(Config{Visible: 3, Hidden: 2}, 0.5, 2)
	data := [][]float32{{1, 0, 1}, {1, 1, 0}, {1, 0, 1}, {0, 0, 1}}
	loss := func() float64 {
		z, _ := m.LogSum(make([]float32, 5), 0, 1)
		for _, v := range data {
			f, _ := m.LogSum(append(append([]float32(nil), v...), 0, 0), 3, 1)
			z -= f / 4
		}
		return z
	}
	w, b := tensor.New(tensor.Float32, 5, 5), tensor.New(tensor.Float32, 5)
	positive, negative := NewMoments(5), NewMoments(5)
	for _, v := range data {
		if err := m.ExactMoments(positive, append(append([]float32(nil), v...), 0, 0), 3, 0.25); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.ExactMoments(negative, make([]float32, 5), 0, 1); err != nil {
		t.Fatal(err)
	}
	m.Gradient(w, b, positive, negative)
	for _, p := range []struct {
		x []float32
		g []float32
	}{{m.Weight.F32(), w.F32()}, {m.Bias.F32(), b.F32()}} {
		for i := range p.x {
			x := p.x[i]
			p.x[i] = x + 1.0/1024
			up, width := loss(), float64(p.x[i])
			p.x[i] = x - 1.0/1024
			numeric := (up - loss()) / (width - float64(p.x[i]))
			p.x[i] = x
			if math.Abs(numeric-float64(p.g[i])) > 1e-6 {
				t.Errorf("element %d: %g, numerically %g", i, p.g[i], numeric)
			}
		}
	}
}

// TestLearning fits bars of 2x2 pictures by exact and by sampled moments.
func TestLearning(t *testing.T) {
	data := [][]float32{{1, 1, 0, 0}, {0, 0, 1, 1}, {1, 0, 1, 0}, {0, 1, 0, 1}}
	for _, sampled := range []bool{false, true} {
		m := New(Config{Visible: 4, Hidden: 4})
		nn.Init(m, 5)
		w, b := tensor.New(tensor.Float32, 8, 8), tensor.New(tensor.Float32, 8)
		const chains = 50
		model, clamped := make([][]float32, chains), make([][]float32, chains)
		for c := range chains {
			model[c] = state(c*37, 8)
			clamped[c] = append(append([]float32(nil), data[c%4]...), 0, 1, 0, 1)
		}
		for step := range 600 {
			positive, negative := NewMoments(8), NewMoments(8)
			if sampled {
				free, given := m.NewChain(0), m.NewChain(4)
				for c := range chains {
					free.Sweep(model[c], 1, rng.Row{Stream: rng.New(1), Sample: uint64(c), Step: uint32(step)})
					given.Sweep(clamped[c], 1, rng.Row{Stream: rng.New(2), Sample: uint64(c), Step: uint32(step)})
					positive.Add(clamped[c], 1.0/chains)
					negative.Add(model[c], 1.0/chains)
				}
			} else {
				for _, v := range data {
					if err := m.ExactMoments(positive, append(append([]float32(nil), v...), 0, 0, 0, 0), 4, 0.25); err != nil {
						t.Fatal(err)
					}
				}
				if err := m.ExactMoments(negative, make([]float32, 8), 0, 1); err != nil {
					t.Fatal(err)
				}
			}
			m.Gradient(w, b, positive, negative)
			rate := 0.5
			if sampled {
				rate = 0.2
			}
			tensor.AXPY(m.Weight.Tensor, -rate, w)
			tensor.AXPY(m.Bias.Tensor, -rate, b)
		}
		s, err := NewModel(m, 2, 2, 1).Score(slices.Concat(data...), 4, nil, 0, rng.New(0), 0)
		if err != nil {
			t.Fatal(err)
		}
		mean := (s.Values[0] + s.Values[1] + s.Values[2] + s.Values[3]) / 4
		// Noise scores 4 ln(1/2) = -2.77; the best is ln(1/4) = -1.39.
		if !(mean > -1.75 && mean < math.Log(0.25)) {
			t.Errorf("sampled %v: log-likelihood %.3f", sampled, mean)
		}
	}
}
