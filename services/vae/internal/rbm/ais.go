package rbm

import (
	"context"
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// AIS says how annealed importance sampling estimates Z.
type AIS struct {
	Temperatures int // distributions from the base-rate model to the machine, 10,000
	Chains       int // independent runs, 100
	Stream       rng.Stream
	// Base is the visible biases of the base-rate model, a machine without weights; nil: the machine's own. Those of
	// BaseRate start the chains near the data.
	Base *tensor.Tensor
	// Progress is called after every temperature; nil: not at all.
	Progress func(done, of int)
}

// BaseRate gives the biases under which independent visible units have the means mean [V], kept a little away from 0
// and 1: the base-rate model of maximum likelihood.
func (m *RBM) BaseRate(mean []float32) *tensor.Tensor {
	b := tensor.New(tensor.Float32, m.Visible())
	for i, p := range mean {
		q := min(max(float64(p), 0.005), 0.995)
		switch {
		case m.Units == Gaussian && i < m.pixelUnits():
			q = float64(p)
		case m.Units == Softmax || i >= m.pixelUnits():
			q = tensor.LogF64(q)
		default:
			q = tensor.LogF64(q / (1 - q))
		}
		b.F32()[i] = float32(q)
	}
	return b
}

// Estimate is annealed importance sampling (Neal 2001) as Salakhutdinov and Murray, "On the Quantitative Analysis of
// Deep Belief Networks" (2008, section 4.1), use it for RBMs. Between the base-rate model A with the visible biases a
// and the machine B lie, for 0 = beta_0 < ... < beta_K = 1,
//
//	log p*_beta(v) = -(1-beta) A_a(v) - beta A_b(v) + sum_j softplus(beta x_j),
//
// and a run from v_1 ~ p_0 through transitions T_k that leave p_k invariant has the weight
// w = prod_k p*_k(v_k) / p*_{k-1}(v_k), whose mean is Z_B/Z_A. The weights' standard error gives the bar of three
// sigma. The betas are spaced as in the paper: 1/29 of them up to 0.5, 8/29 from there to 0.9, 20/29 up to 1. A
// cancelled ctx ends it within one temperature.
func (m *RBM) Estimate(ctx context.Context, c AIS) (*Partition, error) {
	if c.Temperatures < 1 || c.Chains < 2 {
		return nil, fault.E(fault.Invalid, "BAD_AIS", "rbm.Estimate",
			"%d temperatures and %d chains, want at least 1 and 2", c.Temperatures, c.Chains)
	}
	base := c.Base
	if base == nil {
		base = m.VisibleBias.Tensor
	}
	r := &annealing{m: m, a: tensor.NewArena(), base: base, logw: make([]float64, c.Chains)}
	r.start(c)
	for k := 1; k <= c.Temperatures; k++ {
		if err := ctx.Err(); err != nil {
			return nil, fault.Wrap("rbm.Estimate", err)
		}
		r.step(beta(k-1, c.Temperatures), beta(k, c.Temperatures), uint32(k))
		if c.Progress != nil {
			c.Progress(k, c.Temperatures)
		}
	}
	return r.result(), nil
}

// beta is the inverse temperature k of n.
func beta(k, n int) float64 {
	x := 29 * float64(k) / float64(n)
	switch {
	case k == n:
		return 1
	case x <= 1:
		return 0.5 * x
	case x <= 9:
		return 0.5 + float64(0.4*((x-1)/8))
	}
	return 0.9 + float64(0.1*((x-9)/20))
}

// annealing is a run of all chains.
type annealing struct {
	m      *RBM
	a      *tensor.Arena
	base   *tensor.Tensor // a, [V]
	tilt   *tensor.Tensor // [V, 1]: A_a(v) - A_b(v) = v'tilt + offset
	offset float64
	v      *tensor.Tensor // [C, V]
	rows   []rng.Row
	logw   []float64
}

// start draws v_1 from the base-rate model.
func (r *annealing) start(c AIS) {
	m, V := r.m, r.m.Visible()
	r.v, r.tilt = tensor.New(tensor.Float32, c.Chains, V), tensor.New(tensor.Float32, V, 1)
	for i := range c.Chains {
		r.rows = append(r.rows, rng.Row{Stream: c.Stream, Sample: uint64(i)})
	}
	a, b := r.base.F32(), m.VisibleBias.F32()
	for i := range V {
		d := float64(b[i]) - float64(a[i])
		if m.Units == Gaussian && i < m.pixelUnits() {
			p := tensor.ExpF64(-float64(m.LogVariance.F32()[i]))
			r.offset -= float64(d * (float64(b[i]) + float64(a[i])) * (0.5 * p))
			d *= p
		}
		r.tilt.F32()[i] = float32(d)
	}
	for i := range c.Chains {
		copy(r.v.F32()[i*V:(i+1)*V], a)
	}
	m.link(r.v, nil, r.a)
	m.DrawVisible(r.v, r.v, r.rows, nil, r.a)
}

// step weighs the chains by p*_to / p*_from and then takes a Gibbs sweep at to.
func (r *annealing) step(from, to float64, k uint32) {
	m, C := r.m, len(r.rows)
	r.a.Reset()
	x := r.a.New(tensor.Float32, C, m.Hidden)
	hot, cold := r.a.New(tensor.Float32, C, m.Hidden), r.a.New(tensor.Float32, C, m.Hidden)
	m.HiddenInput(x, r.v, r.a)
	tensor.Scale(hot, x, from)
	tensor.Softplus(hot, hot)
	tensor.Scale(cold, x, to)
	tensor.Softplus(cold, cold)
	tensor.Sub(cold, cold, hot)
	rise, tilt := r.a.New(tensor.Float32, C, 1), r.a.New(tensor.Float32, C, 1)
	tensor.Sum(rise, cold, 1)
	tensor.MatMul(tilt, r.v, r.tilt, false, false)
	for i := range r.logw {
		r.logw[i] += float64(rise.F32()[i]) + float64((to-from)*(float64(tilt.F32()[i])+r.offset))
	}
	if to == 1 {
		return
	}
	for i := range r.rows {
		r.rows[i].Step = k
	}
	tensor.Scale(x, x, to)
	tensor.Sigmoid(x, x)
	m.DrawHidden(x, x, r.rows)
	m.VisibleInput(r.v, x)
	bias := r.a.New(tensor.Float32, m.Visible())
	tensor.Scale(bias, r.base, 1-to)
	tensor.Scale(r.v, r.v, to)
	tensor.Add(r.v, r.v, bias)
	m.link(r.v, nil, r.a)
	m.DrawVisible(r.v, r.v, r.rows, nil, r.a)
}

// result is the estimate: log Z_A + log mean w, with three standard errors of the mean.
func (r *annealing) result() *Partition {
	base := widen(r.base.F32())
	logZA := r.m.integrals(base)(base) + float64(float64(r.m.Hidden)*ln2)
	top := math.Inf(-1)
	for _, w := range r.logw {
		top = math.Max(top, w)
	}
	n := float64(len(r.logw))
	var mean, square float64
	for _, w := range r.logw {
		mean += tensor.ExpF64(w-top) / n
	}
	for _, w := range r.logw {
		d := tensor.ExpF64(w-top) - mean
		square += float64(d * d)
	}
	bar := float64(3 * math.Sqrt(square/(n-1)/n))
	z := logZA + top
	p := &Partition{LogZ: z + tensor.LogF64(mean), High: z + tensor.LogF64(mean+bar), Low: math.Inf(-1)}
	if mean > bar {
		p.Low = z + tensor.LogF64(mean-bar)
	}
	return p
}

const ln2 = 0.69314718055994530941723212145817656807550013436026
