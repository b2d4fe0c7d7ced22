package rbm

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// TestContrastByHand works CD-1's gradient out on a machine of 3 visible and 2 hidden units whose biases make the
// hidden draws certain, so that the numbers can be followed with a pencil.
func TestContrastByHand(t *testing.T) {
	m := New(Config{Pixels: 3, Hidden: 2})
	copy(m.Weight.F32(), []float32{1, -1, 0.5, 0, -0.5, 2})
	copy(m.VisibleBias.F32(), []float32{0.1, -0.2, 0.3})
	copy(m.HiddenBias.F32(), []float32{30, -30}) // on and off, whatever v is
	v0 := tensorOf([]float64{1, 0, 1}, []float64{0, 1, 1})
	a := tensor.NewArena()
	step := Step{Stream: rng.New(1), Draws: []uint64{0, 1}}
	h0, v1, h1 := m.CD(v0, 1, &step, a)
	s := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	// h = (1, 0), so every reconstruction is sigmoid(b + first column of W).
	r := []float64{s(0.1 + 1), s(-0.2 + 0.5), s(0.3 - 0.5)}
	for i := range 2 {
		for k := range r {
			near(t, "reconstruction", float64(v1.F32()[3*i+k]), r[k], 1e-6)
		}
		near(t, "h1", float64(h0.F32()[2*i]), 1, 1e-6)
		near(t, "h2", float64(h1.F32()[2*i+1]), 0, 1e-6)
	}
	g := m.Contrast(v0, h0, v1, h1, a)
	mean := []float64{0.5, 0.5, 1} // of the data
	for k := range r {
		near(t, "dW1", float64(g.Weight.F32()[2*k]), r[k]-mean[k], 1e-6)
		near(t, "dW2", float64(g.Weight.F32()[2*k+1]), 0, 1e-6)
		near(t, "db", float64(g.VisibleBias.F32()[k]), r[k]-mean[k], 1e-6)
	}
	near(t, "dc1", float64(g.HiddenBias.F32()[0]), 0, 1e-6)

	// Undecided hidden units: the definition, sum by sum.
	copy(m.HiddenBias.F32(), []float32{0.2, -0.4})
	h0, v1, h1 = m.CD(v0, 1, &step, a)
	g = m.Contrast(v0, h0, v1, h1, a)
	for i := range 3 {
		for j := range 2 {
			var want float64
			for n := range 2 {
				want += float64(v1.F32()[3*n+i]*h1.F32()[2*n+j]-v0.F32()[3*n+i]*h0.F32()[2*n+j]) / 2
			}
			near(t, "dW", float64(g.Weight.F32()[2*i+j]), want, 1e-6)
		}
	}
	before := g.HiddenBias.Clone()
	g.Sparsity(h0, 0.1, 0.5, a)
	for j := range 2 {
		q := float64(h0.F32()[j]+h0.F32()[2+j]) / 2
		near(t, "sparsity", float64(g.HiddenBias.F32()[j]-before.F32()[j]), 0.5*(q-0.1), 1e-6)
	}
}

// TestContrastIsTheGradient compares with central differences of mean F(v0) - mean F(v1), for every kind of units.
func TestContrastIsTheGradient(t *testing.T) {
	a := tensor.NewArena()
	for _, c := range configs {
		m := machine(c, 0.6, 21)
		rows := samples(c, 7)
		v0, v1 := tensorOf(rows[:3]...), tensorOf(rows[3:]...)
		h0, h1 := tensor.New(tensor.Float32, 3, c.Hidden), tensor.New(tensor.Float32, 4, c.Hidden)
		m.HiddenMean(h0, v0, nil, a)
		m.HiddenMean(h1, v1, nil, a)
		g := m.Contrast(v0, h0, v1, h1, a)
		loss := func() float64 {
			var l float64
			for i, v := range rows {
				if i < 3 {
					l += fastFree(m, v) / 3
				} else {
					l -= fastFree(m, v) / 4
				}
			}
			return l
		}
		for _, p := range []struct {
			param *nn.Param
			grad  *tensor.Tensor
		}{{m.Weight, g.Weight}, {m.VisibleBias, g.VisibleBias}, {m.HiddenBias, g.HiddenBias},
			{m.LogVariance, g.LogVariance}} {
			if p.param == nil {
				continue
			}
			for i := range p.param.F32() {
				if p.param == m.LogVariance && i >= m.pixelUnits() {
					near(t, c.String()+" variance of labels", float64(p.grad.F32()[i]), 0, 0)
					continue
				}
				const d = 1.0 / 1024
				x := p.param.F32()[i]
				p.param.F32()[i] = x + d
				up := loss()
				width := float64(x + d)
				p.param.F32()[i] = x - d
				width -= float64(x - d)
				numeric := (up - loss()) / width
				p.param.F32()[i] = x
				near(t, c.String(), float64(p.grad.F32()[i]), numeric, 3e-6)
			}
		}
	}
}

// TestCDRaisesLikelihood trains on four patterns by CD, PCD and a ladder, and compares exact likelihoods.
func TestCDRaisesLikelihood(t *testing.T) {
	data := tensorOf([]float64{1, 1, 0, 0, 0, 0}, []float64{0, 0, 1, 1, 0, 0}, []float64{0, 0, 0, 0, 1, 1},
		[]float64{1, 1, 1, 1, 1, 1})
	for name, temperatures := range map[string][]float32{"CD": nil, "PCD": {1}, "ladder": Geometric(4, 4)} {
		m := New(Config{Pixels: 6, Hidden: 5})
		nn.Init(m, 3)
		a := tensor.NewArena()
		likelihood := func() float64 {
			z, err := m.ExactPartition()
			if err != nil {
				t.Fatal(err)
			}
			var free [4]float64
			m.FreeEnergy(free[:], data, a)
			return -(free[0]+free[1]+free[2]+free[3])/4 - z.LogZ
		}
		step := Step{Stream: rng.New(2), Draws: make([]uint64, 4)}
		var ladder *Ladder
		if temperatures != nil {
			ladder = NewLadder(m, temperatures, 100, rng.New(5), a)
		}
		before := likelihood()
		for s := range 1500 {
			a.Reset()
			var g Gradient
			if ladder == nil {
				for i := range step.Draws {
					step.Draws[i] = uint64(4*s + i)
				}
				h0, v1, h1 := m.CD(data, 1, &step, a)
				g = m.Contrast(data, h0, v1, h1, a)
			} else {
				ladder.Advance(uint32(s), a)
				v1 := ladder.Coldest(a)
				h0, h1 := a.New(tensor.Float32, 4, 5), a.New(tensor.Float32, 100, 5)
				m.HiddenMean(h0, data, nil, a)
				m.HiddenMean(h1, v1, nil, a)
				g = m.Contrast(data, h0, v1, h1, a)
			}
			tensor.AXPY(m.Weight.Tensor, -0.1, g.Weight)
			tensor.AXPY(m.VisibleBias.Tensor, -0.1, g.VisibleBias)
			tensor.AXPY(m.HiddenBias.Tensor, -0.1, g.HiddenBias)
		}
		after := likelihood()
		// log(1/4) is the most that four patterns allow.
		if !(before < -4 && after > -2.3 && after < math.Log(0.25)) {
			t.Errorf("%s: log-likelihood %.3f before, %.3f after", name, before, after)
		}
	}
}
