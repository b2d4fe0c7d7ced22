package rbm

import (
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// key numbers the joint states of a machine without Gaussian units.
func key(v, h []float32) int {
	k := 0
	for _, x := range append(append([]float32(nil), v...), h...) {
		k = 2*k + int(x)
	}
	return k
}

// exactJoint is p_T(v, h) by key, given that label unit class is on unless it is negative.
func exactJoint(m *RBM, temperature float64, class int) map[int]float64 {
	p := map[int]float64{}
	var z float64
	for _, v := range visibleStates(m.Config) {
		if class >= 0 && v[m.pixelUnits()+class] == 0 {
			continue
		}
		for s := range 1 << m.Hidden {
			h := bitsOf(s, m.Hidden)
			q := math.Exp(-energy(m, v, h) / temperature)
			p[key(tensorOf(v).F32(), tensorOf(h).F32())] = q
			z += q
		}
	}
	for k := range p {
		p[k] /= z
	}
	return p
}

// distance is the total variation between a distribution and counts.
func distance(p map[int]float64, count map[int]int) float64 {
	n := 0
	for _, c := range count {
		n += c
	}
	var d float64
	for k, q := range p {
		d += math.Abs(q - float64(count[k])/float64(n))
	}
	for k, c := range count {
		if _, ok := p[k]; !ok {
			d += float64(c) / float64(n)
		}
	}
	return d / 2
}

// TestGibbsHistogram compares the states of many chains of the served model with the exact joint distribution, also at
// other temperatures and with a class clamped.
func TestGibbsHistogram(t *testing.T) {
	for _, row := range []struct {
		c           Config
		temperature float32
		class       int32
	}{
		{Config{Pixels: 3, Hidden: 3}, 1, -1},
		{Config{Pixels: 3, Hidden: 3}, 0.5, -1},
		{Config{Pixels: 3, Hidden: 3}, 3, -1},
		{Config{Pixels: 2, Hidden: 2, Units: Softmax, Levels: 3}, 1, -1},
		{Config{Pixels: 2, Hidden: 2, Labels: 3}, 1, -1},
		{Config{Pixels: 2, Hidden: 2, Labels: 3}, 1, 1},
	} {
		m := machine(row.c, 1, 12)
		served := NewModel(m, 1, row.c.Pixels, 1)
		chains := make([]model.Run, 500)
		for i := range chains {
			chains[i] = model.Run{State: make([]float32, served.StateSize()), Stream: rng.New(7), Chain: uint64(i),
				Temperature: row.temperature, Class: row.class}
			served.Start(chains[i].State, chains[i].Stream, chains[i].Chain, nil, row.class)
		}
		count := map[int]int{}
		for sweep := range 220 {
			for i := range chains {
				chains[i].Sweep = uint32(sweep)
			}
			served.Sweep(chains)
			if sweep < 20 {
				continue
			}
			for _, c := range chains {
				count[key(c.State, nil)]++
			}
		}
		p := exactJoint(m, float64(row.temperature), int(row.class))
		if d := distance(p, count); d > 0.02 {
			t.Errorf("%s T %g class %d: total variation %.4f", row.c, row.temperature, row.class, d)
		}
		lowerIsLikelier(t, m, p, count)
	}
}

// lowerIsLikelier checks on counts that of two joint states the one with less energy came up more often, wherever the
// exact probabilities lie apart by more than a tenth.
func lowerIsLikelier(t *testing.T, m *RBM, p map[int]float64, count map[int]int) {
	t.Helper()
	var keys []int
	for k, q := range p {
		if q > 0.01 {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b int) int { return int(1e9 * (p[b] - p[a])) })
	for i := range keys {
		for _, other := range keys[i+1:] {
			if p[keys[i]] > 1.1*p[other] && count[keys[i]] <= count[other] {
				t.Errorf("%s: a state of probability %.3f came up %d times, one of %.3f %d times", m.Config, p[keys[i]],
					count[keys[i]], p[other], count[other])
			}
		}
	}
}

// TestGaussianChain checks the first two moments of a Gaussian machine's chain with those of its exact mixture.
func TestGaussianChain(t *testing.T) {
	c := Config{Pixels: 2, Hidden: 2, Units: Gaussian}
	m := machine(c, 0.7, 3)
	for _, temperature := range []float64{1, 2} {
		// p_T(h) is that of the integral of exp(-E/T): Gaussians of variance T s^2 around b + W h.
		var z float64
		want := [4]float64{}
		for s := range 4 {
			h := bitsOf(s, 2)
			mean := [2]float64{}
			for i := range mean {
				mean[i] = float64(m.VisibleBias.F32()[i])
				for j, y := range h {
					mean[i] += float64(m.Weight.F32()[2*i+j]) * y
				}
			}
			q := math.Exp(-energy(m, mean[:], h) / temperature)
			z += q
			for i, x := range mean {
				want[i] += q * x
				want[2+i] += q * (x*x + temperature*math.Exp(float64(m.LogVariance.F32()[i])))
			}
		}
		a := tensor.NewArena()
		const chains, sweeps = 1000, 300
		v, h := tensor.New(tensor.Float32, chains, 2), tensor.New(tensor.Float32, chains, 2)
		rows, temperatures := make([]rng.Row, chains), make([]float32, chains)
		var got [4]float64
		for s := range sweeps {
			for i := range rows {
				rows[i] = rng.Row{Stream: rng.New(2), Sample: uint64(i), Step: uint32(s)}
				temperatures[i] = float32(temperature)
			}
			a.Reset()
			m.Sweep(v, h, rows, temperatures, nil, a)
			if s < 20 {
				continue
			}
			for i := range chains {
				for k := range 2 {
					x := float64(v.F32()[2*i+k])
					got[k] += x
					got[2+k] += x * x
				}
			}
		}
		for k := range got {
			near(t, "moment", got[k]/chains/(sweeps-20), want[k]/z, 0.03)
		}
	}
}

// TestTempering compares the coldest chains of a ladder with the exact distribution of a machine with two modes that
// plain chains seldom cross.
func TestTempering(t *testing.T) {
	m := machine(Config{Pixels: 4, Hidden: 2}, 0.3, 3)
	for i, w := range m.Weight.F32() {
		m.Weight.F32()[i] = w + 4*float32(1-2*(i%2))
	}
	for j := range m.HiddenBias.F32() {
		m.HiddenBias.F32()[j] = -8 * float32(1-2*j)
	}
	p := map[int]float64{}
	for k, q := range exactJoint(m, 1, -1) {
		p[k>>2] += q
	}
	tv := func(temperatures []float32) float64 {
		a := tensor.NewArena()
		l := NewLadder(m, temperatures, 50, rng.New(3), a)
		count := map[int]int{}
		for s := range 2500 {
			l.Advance(uint32(s), a)
			if s < 500 {
				continue
			}
			for c := range 50 {
				count[key(l.V.F32()[4*c:4*c+4], nil)]++
			}
		}
		return distance(p, count)
	}
	if d := tv(Geometric(8, 20)); d > 0.02 {
		t.Errorf("total variation %.4f", d)
	}
	if d := tv([]float32{1}); d > 0.5 {
		t.Errorf("plain chains: total variation %.4f", d)
	}
}

// TestDeterminism runs chains alone and together, by one and by several threads, and by every kernel set: the same bits.
func TestDeterminism(t *testing.T) {
	defer tensor.SetThreads(0)
	kernels := tensor.Kernels()
	defer func() { _ = tensor.SetKernels(kernels) }()
	for _, c := range []Config{
		{Pixels: 49, Hidden: 33, Labels: 3}, {Pixels: 20, Hidden: 17, Units: Softmax, Levels: 4},
		{Pixels: 49, Hidden: 33, Units: Gaussian},
	} {
		var want [][]float32
		for _, k := range tensor.AvailableKernels() {
			if err := tensor.SetKernels(k); err != nil {
				t.Fatal(err)
			}
			for _, threads := range []int{1, 2, 8} {
				tensor.SetThreads(threads)
				for _, batch := range []int{1, 2, 7} {
					got := sweepInBatches(c, batch)
					if want == nil {
						want = got
					}
					for i := range want {
						if !slices.Equal(got[i], want[i]) {
							t.Errorf("%s: chain %d differs with %s, %d threads, batches of %d", c, i, k, threads, batch)
						}
					}
				}
			}
		}
	}
}

// sweepInBatches takes 7 chains 5 sweeps, some at a time.
func sweepInBatches(c Config, batch int) [][]float32 {
	served := NewModel(machine(c, 0.3, 4), 1, c.Pixels, 1)
	var chains []model.Run
	var states [][]float32
	for i := range 7 {
		r := model.Run{State: make([]float32, served.StateSize()), Stream: rng.New(uint64(i % 2)), Chain: uint64(i),
			Temperature: 1 + 0.5*float32(i%3), Class: int32(i%4) - 1}
		if c.Labels == 0 {
			r.Class = model.Unconditional
		}
		served.Start(r.State, r.Stream, r.Chain, nil, r.Class)
		chains, states = append(chains, r), append(states, r.State)
	}
	for s := range 5 {
		for i := range chains {
			chains[i].Sweep = uint32(s)
		}
		for i := 0; i < len(chains); i += batch {
			served.Sweep(chains[i:min(i+batch, len(chains))])
		}
	}
	return states
}
