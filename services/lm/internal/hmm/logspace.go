package hmm

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// logPass is a pass by logarithms.
type logPass struct {
	alpha []float64 // ln p(state_t, x_0..x_t), [T, N]
	b     []float64 // ln b_t(j), [T, N]
}

// lse is ln of the sum of e^x_i: the greatest is taken out, the rest added in ascending order.
func lse(x []float64) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, v)
	}
	if math.IsInf(top, 0) {
		return top
	}
	sum := 0.0
	for _, v := range x {
		sum += tensor.ExpF64(v - top)
	}
	return top + tensor.LogF64(sum)
}

// normalise turns logarithms into probabilities that add up to 1.
func normalise(x []float64) {
	z, sum := lse(x), 0.0
	for i, v := range x {
		x[i] = tensor.ExpF64(v - z)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}

// forwardLog is the pass by logarithms.
func (m *Model) forwardLog(q Sequence, t int) (*logPass, float64, error) {
	n := m.n
	p := &logPass{alpha: make([]float64, t*n), b: make([]float64, t*n)}
	m.emit.Log(p.b, q)
	work := make([]float64, n)
	for s := range t {
		a := p.alpha[s*n : s*n+n]
		top := math.Inf(-1)
		for j := range a {
			v := m.logStart[j]
			if s > 0 {
				for i, l := range p.alpha[(s-1)*n : s*n] {
					work[i] = l + m.logTurned[j*n+i]
				}
				v = lse(work)
			}
			a[j] = v + p.b[s*n+j]
			top = max(top, a[j])
		}
		if math.IsNaN(top) || math.IsInf(top, 0) {
			return nil, 0, impossible(s)
		}
	}
	return p, lse(p.alpha[(t-1)*n:]), nil
}

func impossible(t int) error {
	return bad("IMPOSSIBLE_SEQUENCE", "the observation at %d has probability zero in every state that can be there", t)
}

// expectLog is expect by logarithms.
func (m *Model) expectLog(q Sequence, t int, xi []float64) ([]float64, float64, error) {
	p, ll, err := m.forwardLog(q, t)
	if err != nil {
		return nil, 0, err
	}
	n := m.n
	gamma, beta, next, work := make([]float64, t*n), make([]float64, n), make([]float64, n), make([]float64, n)
	var pairs []float64
	if xi != nil {
		pairs = make([]float64, n*n)
	}
	for s := t - 1; s >= 0; s-- {
		g := gamma[s*n : s*n+n]
		for j, v := range beta {
			g[j] = p.alpha[s*n+j] + v
		}
		normalise(g)
		if s == 0 {
			break
		}
		for j := range beta {
			beta[j] += p.b[s*n+j]
		}
		for i := range n {
			for j, v := range beta {
				work[j] = m.logTurned[j*n+i] + v
				if xi != nil {
					pairs[i*n+j] += tensor.ExpF64(p.alpha[(s-1)*n+i] + work[j] - ll)
				}
			}
			next[i] = lse(work)
		}
		beta, next = next, beta
	}
	for i, v := range pairs {
		xi[i] += v
	}
	return gamma, ll, nil
}
