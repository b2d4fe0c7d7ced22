package rbm

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// TestExactPartition compares with the sum over all joint states, and for Gaussian units with an integral on a grid.
func TestExactPartition(t *testing.T) {
	for _, c := range append(configs, Config{Pixels: 3, Hidden: 9}, Config{Pixels: 4, Hidden: 12}) {
		m := machine(c, 0.7, 8)
		got, err := m.ExactPartition()
		if err != nil {
			t.Fatal(err)
		}
		var z float64
		if c.Units == Gaussian {
			z = integrate(m, nil)
		} else {
			for _, v := range visibleStates(c) {
				for s := range 1 << c.Hidden {
					z += math.Exp(-energy(m, v, bitsOf(s, c.Hidden)))
				}
			}
		}
		near(t, c.String(), got.LogZ, math.Log(z), 1e-9)
		if !got.Exact || got.ThreeSigma() != 0 {
			t.Errorf("%s: %+v", c, got)
		}
	}
	if _, err := machine(Config{Pixels: 30, Hidden: 21}, 1, 1).ExactPartition(); err == nil {
		t.Error("no error for 2^21 states")
	}
}

// integrate adds exp(-F(v)) over a grid of the Gaussian units and over all labels. The integrand is smooth and vanishes
// at the ends, so that the sum converges faster than any power of the grid's width.
func integrate(m *RBM, v []float64) float64 {
	if len(v) == m.Pixels {
		if m.Labels == 0 {
			return math.Exp(-fastFree(m, v))
		}
		var z float64
		for l := range m.Labels {
			w := append(append([]float64(nil), v...), make([]float64, m.Labels)...)
			w[m.Pixels+l] = 1
			z += math.Exp(-fastFree(m, w))
		}
		return z
	}
	i := len(v)
	s := math.Exp(0.5 * float64(m.LogVariance.F32()[i]))
	low, high := float64(m.VisibleBias.F32()[i]), float64(m.VisibleBias.F32()[i])
	for _, w := range m.Weight.F32()[i*m.Hidden : (i+1)*m.Hidden] {
		low, high = low+math.Min(0, float64(w)), high+math.Max(0, float64(w))
	}
	var z float64
	width := s / 1.6
	for x := low - 8*s; x < high+8*s; x += width {
		z += width * integrate(m, append(append([]float64(nil), v...), x))
	}
	return z
}

// fastFree is the free energy by the closed form over hidden units, which TestEnergies has compared with sums.
func fastFree(m *RBM, v []float64) float64 {
	f := energy(m, v, make([]float64, m.Hidden))
	base := f
	for j := range m.Hidden {
		one := make([]float64, m.Hidden)
		one[j] = 1
		f -= math.Log1p(math.Exp(base - energy(m, v, one)))
	}
	return f
}

// TestAIS compares estimates with enumerations of machines of up to 12 hidden units: within 0.05 nats, and within the
// bar of three sigma but for the rounding of a bar that is narrower.
func TestAIS(t *testing.T) {
	for _, row := range []struct {
		c         Config
		deviation float64
	}{
		{Config{Pixels: 20, Hidden: 12}, 0.5},
		{Config{Pixels: 49, Hidden: 12}, 0.4},
		{Config{Pixels: 9, Hidden: 5}, 1},
		{Config{Pixels: 6, Hidden: 6, Units: Softmax, Levels: 3}, 0.6},
		{Config{Pixels: 7, Hidden: 5, Units: Gaussian}, 0.5},
		{Config{Pixels: 12, Hidden: 8, Labels: 4}, 0.5},
	} {
		m := machine(row.c, row.deviation, 9)
		exact, err := m.ExactPartition()
		if err != nil {
			t.Fatal(err)
		}
		for _, base := range []bool{false, true} {
			calls := 0
			cfg := AIS{Temperatures: 1000, Chains: 100, Stream: rng.New(4), Progress: func(_, of int) { calls += 1000 / of }}
			if base {
				mean := make([]float32, row.c.Visible())
				for i := range mean {
					mean[i] = 0.3
				}
				cfg.Base = m.BaseRate(mean)
			}
			got, err := m.Estimate(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			near(t, row.c.String(), got.LogZ, exact.LogZ, 0.05)
			if got.Exact || calls != 1000 || !(got.Low < got.LogZ && got.LogZ < got.High) {
				t.Errorf("%s: %+v after %d calls", row.c, got, calls)
			}
			if exact.LogZ < got.Low-0.005 || exact.LogZ > got.High+0.005 {
				t.Errorf("%s: %v is outside %v to %v", row.c, exact.LogZ, got.Low, got.High)
			}
		}
	}
}

// TestAISCancel checks that a cancelled estimate ends.
func TestAISCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := machine(configs[0], 1, 1)
	_, err := m.Estimate(ctx, AIS{Temperatures: 1 << 30, Chains: 2, Progress: func(done, _ int) {
		if done == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := m.Estimate(context.Background(), AIS{}); err == nil {
		t.Error("no error for no chains")
	}
}

// TestBetas checks the paper's spacing.
func TestBetas(t *testing.T) {
	for _, row := range [][2]float64{{0, 0}, {500, 0.5}, {4500, 0.9}, {14500, 1}, {9500, 0.95}} {
		near(t, "beta", beta(int(row[0]), 14500), row[1], 1e-12)
	}
}
