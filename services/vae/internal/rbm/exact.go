package rbm

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// MaxExact is the most units on the smaller side of a machine whose partition function is enumerated.
const MaxExact = 20

// Partition is what is known of log Z.
type Partition struct {
	LogZ      float64
	Low, High float64 // three standard errors of Z around its estimate, in logarithms; LogZ where Exact
	Exact     bool
}

// ThreeSigma is the larger of the two distances from LogZ to Low and High; +Inf where the bar reaches down to Z = 0.
func (p *Partition) ThreeSigma() float64 { return math.Max(p.LogZ-p.Low, p.High-p.LogZ) }

// ExactPartition enumerates all states of the hidden units, or of the visible ones where these are fewer, binary and
// without labels:
//
//	Z = sum_h exp(c'h) prod_i sum_{v_i} exp(-A_i(v_i) + u_i(v_i) (W h)_i) = sum_v exp(-A(v)) prod_j (1 + exp(x_j)).
//
// It is an error for more than MaxExact units on the side that is enumerated. Sums run in float64, in chunks of fixed
// size that are added in ascending order.
func (m *RBM) ExactPartition() (*Partition, error) {
	V, H := m.Visible(), m.Hidden
	W, b, c := widen(m.Weight.F32()), widen(m.VisibleBias.F32()), widen(m.HiddenBias.F32())
	var e enumeration
	switch {
	case m.Units == Binary && m.Labels == 0 && V < H && V <= MaxExact:
		e = enumeration{n: V, width: H, bias: b, start: c, term: softplusSum,
			row: func(i int) (first, stride int) { return i * H, 1 }}
	case H <= MaxExact:
		e = enumeration{n: H, width: V, bias: c, start: b, term: m.integrals(b),
			row: func(i int) (first, stride int) { return i, H }}
	default:
		return nil, fault.E(fault.Invalid, "TOO_LARGE", "rbm.ExactPartition",
			"%d visible and %d hidden units; enumeration is for up to %d on the smaller side", V, H, MaxExact)
	}
	e.weights = W
	z := e.run()
	return &Partition{LogZ: z, Low: z, High: z, Exact: true}, nil
}

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func softplusSum(y []float64) float64 {
	var s float64
	for _, v := range y {
		s += softplus(v)
	}
	return s
}

// integrals is the log of the sum, or integral, of exp(-A(v) + u(v)'W h) over all visible states as a function of
// y = b + W h.
func (m *RBM) integrals(b []float64) func(y []float64) float64 {
	n := m.pixelUnits()
	labels := func(y []float64) float64 {
		if m.Labels == 0 {
			return 0
		}
		return logSum(y[n:])
	}
	switch m.Units {
	case Gaussian:
		z := widen(m.LogVariance.F32())
		return func(y []float64) float64 {
			s := labels(y)
			for i, v := range y[:n] {
				square := float64(v*v) - float64(b[i]*b[i])
				s += float64(0.5*(log2Pi+z[i])) + float64(0.5*tensor.ExpF64(-z[i])*square)
			}
			return s
		}
	case Softmax:
		return func(y []float64) float64 {
			s := labels(y)
			for g := range m.Pixels {
				s += logSum(y[g*m.Levels : (g+1)*m.Levels])
			}
			return s
		}
	}
	return func(y []float64) float64 { return labels(y) + softplusSum(y[:n]) }
}

const log2Pi = 1.8378770664093454835606594728112352797227949472756

func logSum(y []float64) float64 {
	s := math.Inf(-1)
	for _, v := range y {
		s = logSumExp(s, v)
	}
	return s
}

// enumeration is log sum over s in {0, 1}^n of exp(bias's + term(start + sum_i s_i w_i)), w_i of the given width.
type enumeration struct {
	n, width    int
	weights     []float64
	row         func(i int) (first, stride int) // of w_i in weights
	bias, start []float64
	term        func(y []float64) float64
}

// chunkBits is the units that a chunk enumerates.
const chunkBits = 10

func (e enumeration) run() float64 {
	low := min(e.n, chunkBits)
	sums := make([]float64, 1<<(e.n-low))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(tensor.Threads(), len(sums)) {
		wait.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(sums) {
					return
				}
				sums[i] = e.chunk(i, low)
			}
		})
	}
	wait.Wait()
	return logSum(sums)
}

// chunk is the sum over the states whose units from low on are the bits of high. The others run through a Gray code,
// so that each state differs from the one before in one unit.
func (e enumeration) chunk(high, low int) float64 {
	y := append([]float64(nil), e.start...)
	var linear float64
	set := func(i int, sign float64) {
		linear += float64(sign * e.bias[i])
		at, stride := e.row(i)
		for k := range y {
			y[k] += float64(sign * e.weights[at+k*stride])
		}
	}
	for i := low; i < e.n; i++ {
		if high>>(i-low)&1 == 1 {
			set(i, 1)
		}
	}
	total := linear + e.term(y)
	for t := 1; t < 1<<low; t++ {
		gray, before := t^t>>1, (t-1)^(t-1)>>1
		bit := 0
		for changed := gray ^ before; changed > 1; changed >>= 1 {
			bit++
		}
		sign := 1.0
		if gray>>bit&1 == 0 {
			sign = -1
		}
		set(bit, sign)
		total = logSumExp(total, linear+e.term(y))
	}
	return total
}
