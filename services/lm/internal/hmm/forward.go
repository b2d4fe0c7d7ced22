package hmm

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// least is the smallest sum of a step that the scaled passes accept.
const least = 1e-200

// product is dst_j = sum over i of a_i m_ij, i ascending, for m of len(a) x len(dst).
func product(dst, a, m []float64) {
	n := len(dst)
	clear(dst)
	i := 0
	for ; i+4 <= len(a); i += 4 {
		a0, a1, a2, a3 := a[i], a[i+1], a[i+2], a[i+3]
		r0, r1, r2, r3 := m[i*n:i*n+n], m[(i+1)*n:(i+1)*n+n], m[(i+2)*n:(i+2)*n+n], m[(i+3)*n:(i+3)*n+n]
		r1, r2, r3 = r1[:len(r0)], r2[:len(r0)], r3[:len(r0)]
		d := dst[:len(r0)]
		for j, v := range r0 {
			s := d[j] + float64(a0*v)
			s += float64(a1 * r1[j])
			s += float64(a2 * r2[j])
			d[j] = s + float64(a3*r3[j])
		}
	}
	for ; i < len(a); i++ {
		for j, v := range m[i*n : i*n+n] {
			dst[j] += float64(a[i] * v)
		}
	}
}

// pass is what a forward and a backward pass leave behind.
type pass struct {
	t, n  int
	alpha []float64 // [T, N]: p(state_t | x_0..x_t)
	b     []float64 // [T, N]: likelihoods with their shift
	c     []float64 // [T]: 1 over the sum before alpha_t was divided by it
	ll    float64
}

// forward is the scaled pass; false where logarithms are needed.
func (m *Model) forward(q Sequence, t int) (*pass, bool) {
	n := m.n
	p := &pass{t: t, n: n, alpha: make([]float64, t*n), b: make([]float64, t*n), c: make([]float64, t)}
	shift := make([]float64, t)
	m.emit.Likelihood(p.b, shift, q)
	// The logarithm of many sums is taken at once, of their product: none is above 1 but by rounding.
	many, shifts := 1.0, 0.0
	for s := range t {
		a, b := p.alpha[s*n:s*n+n], p.b[s*n:s*n+n]
		if s == 0 {
			copy(a, m.start)
		} else {
			product(a, p.alpha[(s-1)*n:s*n], m.trans)
		}
		sum := 0.0
		for j, v := range b {
			v = float64(v * a[j])
			a[j] = v
			sum += v
		}
		if !(sum >= least) || math.IsInf(sum, 0) {
			return nil, false
		}
		r := 1 / sum
		for j := range a {
			a[j] *= r
		}
		p.c[s] = r
		if many *= sum; many < 1e-100 {
			p.ll += tensor.LogF64(many)
			many = 1
		}
		shifts += shift[s]
	}
	p.ll += tensor.LogF64(many) + shifts
	return p, true
}

// backward turns b into w, w_t(j) = b_t(j) beta_t(j) / c_t, and gives gamma, [T, N].
func (m *Model) backward(p *pass) []float64 {
	n := p.n
	gamma, beta := make([]float64, p.t*n), make([]float64, n)
	for j := range beta {
		beta[j] = 1
	}
	for s := p.t - 1; s >= 0; s-- {
		g, a, b := gamma[s*n:s*n+n], p.alpha[s*n:s*n+n], p.b[s*n:s*n+n]
		sum := 0.0
		for j, v := range beta {
			v = float64(v * a[j])
			g[j] = v
			sum += v
		}
		r, c := 1/sum, p.c[s]
		for j := range g {
			g[j] *= r
		}
		for j, v := range beta {
			b[j] = float64(b[j]*v) * c
		}
		if s > 0 {
			product(beta, b, m.turned)
		}
	}
	return gamma
}

// pairs adds the expected numbers of transitions to dst, [N, N]: A_ij times the sum over t of alpha_t(i) w_t+1(j), t
// ascending.
func (m *Model) pairs(dst []float64, p *pass) {
	n := p.n
	sum := make([]float64, n)
	// Four steps at a time: a sum is read and written once for all of them.
	for i := range n {
		clear(sum)
		t := 0
		for ; t+4 < p.t; t += 4 {
			a := p.alpha[t*n+i:]
			a0, a1, a2, a3 := a[0], a[n], a[2*n], a[3*n]
			w := p.b[(t+1)*n : (t+5)*n]
			w0, w1, w2, w3 := w[:n], w[n:2*n], w[2*n:3*n], w[3*n:4*n]
			w1, w2, w3 = w1[:len(w0)], w2[:len(w0)], w3[:len(w0)]
			d := sum[:len(w0)]
			for j, v := range w0 {
				s := d[j] + float64(a0*v)
				s += float64(a1 * w1[j])
				s += float64(a2 * w2[j])
				d[j] = s + float64(a3*w3[j])
			}
		}
		for ; t+1 < p.t; t++ {
			a := p.alpha[t*n+i]
			for j, v := range p.b[(t+1)*n : (t+2)*n] {
				sum[j] += float64(a * v)
			}
		}
		for j, v := range sum {
			dst[i*n+j] += float64(m.trans[i*n+j] * v)
		}
	}
}

// LogLikelihood is ln p(q), and its error IMPOSSIBLE_SEQUENCE where that is -Inf.
func (m *Model) LogLikelihood(q Sequence) (float64, error) {
	t, err := m.steps(q)
	if err != nil {
		return 0, err
	}
	if p, ok := m.forward(q, t); ok {
		return p.ll, nil
	}
	_, ll, err := m.forwardLog(q, t)
	return ll, err
}

// Filter gives p(state_t | x_0..x_t), [T, N], and ln p(q).
func (m *Model) Filter(q Sequence) ([]float64, float64, error) {
	t, err := m.steps(q)
	if err != nil {
		return nil, 0, err
	}
	if p, ok := m.forward(q, t); ok {
		return p.alpha, p.ll, nil
	}
	l, ll, err := m.forwardLog(q, t)
	if err != nil {
		return nil, 0, err
	}
	for s := range t {
		normalise(l.alpha[s*m.n : (s+1)*m.n])
	}
	return l.alpha, ll, nil
}

// Posterior gives gamma, p(state_t | q), [T, N], and ln p(q).
func (m *Model) Posterior(q Sequence) ([]float64, float64, error) {
	gamma, ll, _, err := m.expect(q, nil)
	return gamma, ll, err
}

// expect gives gamma and ln p(q), and adds the expected numbers of transitions to xi where that is not nil. logs tells
// that logarithms were needed.
func (m *Model) expect(q Sequence, xi []float64) (gamma []float64, ll float64, logs bool, err error) {
	t, err := m.steps(q)
	if err != nil {
		return nil, 0, false, err
	}
	p, ok := m.forward(q, t)
	if !ok {
		gamma, ll, err = m.expectLog(q, t, xi)
		return gamma, ll, true, err
	}
	gamma = m.backward(p)
	if xi != nil {
		m.pairs(xi, p)
	}
	return gamma, p.ll, false, nil
}

// Decode is the most likely state of every step by itself: the sequence with the greatest expected number of right
// states, which need not be a possible one. The lowest state wins a tie.
func (m *Model) Decode(q Sequence) ([]int32, error) {
	gamma, _, err := m.Posterior(q)
	if err != nil {
		return nil, err
	}
	path := make([]int32, len(gamma)/m.n)
	for t := range path {
		g := gamma[t*m.n : (t+1)*m.n]
		for j, v := range g {
			if v > g[path[t]] {
				path[t] = int32(j)
			}
		}
	}
	return path, nil
}

// Predict is the distribution of the state so many steps after the last observation of q: [N].
func (m *Model) Predict(q Sequence, ahead int) ([]float64, error) {
	if ahead < 0 || ahead > 1<<20 {
		return nil, bad("BAD_STEPS", "%d steps ahead, want 0 to %d", ahead, 1<<20)
	}
	alpha, _, err := m.Filter(q)
	if err != nil {
		return nil, err
	}
	p, next := alpha[len(alpha)-m.n:], make([]float64, m.n)
	for range ahead {
		product(next, p, m.trans)
		p, next = next, p
	}
	return p, nil
}
