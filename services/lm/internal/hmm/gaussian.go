package hmm

import (
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/lm/internal/linear"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// MaxDim is the most values of an observation, MaxMix the most components of a mixture.
const (
	MaxDim = 1024
	MaxMix = 256
)

// Gaussian emissions: every state a mixture of K Gaussians of D values (K = 1: one Gaussian), with covariances that are
// diagonal or full.
type Gaussian struct {
	n, k, d int
	full    bool
	weight  []float64 // [N, K]
	mean    []float64 // [N, K, D]
	cov     []float64 // [N, K, D] or [N, K, D, D]

	lower    []float64 // full: Cholesky's L, [N, K, D, D], with 1/L_ii on the diagonal; else 1/variance, [N, K, D]
	constant []float64 // ln weight - (D ln 2 pi + ln det)/2, [N, K]
}

// NewGaussian makes an emission of n states with k components from weights [N, K], means [N, K, D] and variances
// [N, K, D] or, where full, covariances [N, K, D, D]. Weights may be nil where k is 1.
func NewGaussian(n, k, d int, weights, means, covariances []float64, full bool) (*Gaussian, error) {
	if n < 1 || n > MaxStates || k < 1 || k > MaxMix || d < 1 || d > MaxDim {
		return nil, bad("BAD_EMISSION", "%d states, %d components of %d values, want up to %d, %d and %d", n, k, d,
			MaxStates, MaxMix, MaxDim)
	}
	if weights == nil && k == 1 {
		weights = make([]float64, n)
		for i := range weights {
			weights[i] = 1
		}
	}
	g := &Gaussian{n: n, k: k, d: d, full: full, weight: slices.Clone(weights), mean: slices.Clone(means),
		cov: slices.Clone(covariances)}
	if len(weights) != n*k || len(means) != n*k*d || len(covariances) != n*k*g.width() {
		return nil, bad("BAD_EMISSION", "%d weights, %d means and %d covariances do not fit", len(weights), len(means),
			len(covariances))
	}
	if err := rows(g.weight, k, "the components' weights"); err != nil {
		return nil, err
	}
	for i, v := range g.mean {
		if math.IsNaN(v) || math.Abs(v) > 1e100 {
			return nil, bad("BAD_EMISSION", "mean %v at %d, want a number between -1e100 and 1e100", v, i)
		}
	}
	for i, v := range g.cov {
		if math.IsNaN(v) || math.Abs(v) > 1e200 {
			return nil, bad("BAD_EMISSION", "covariance %v at %d, want a number between -1e200 and 1e200", v, i)
		}
	}
	if c := g.prepare(); c >= 0 {
		return nil, bad("BAD_EMISSION", "the covariance of component %d of state %d is not positive definite", c%k, c/k)
	}
	return g, nil
}

// width is the number of values of a covariance.
func (g *Gaussian) width() int {
	if g.full {
		return g.d * g.d
	}
	return g.d
}

// prepare makes what densities need; it returns the component whose covariance is none, or -1.
func (g *Gaussian) prepare() int {
	const ln2pi = 1.8378770664093454836
	w := g.width()
	g.lower, g.constant = make([]float64, len(g.cov)), make([]float64, g.n*g.k)
	for c := range g.constant {
		cov, l, det := g.cov[c*w:(c+1)*w], g.lower[c*w:(c+1)*w], 0.0
		if !g.full {
			for i, v := range cov {
				if !(v >= minVariance) {
					return c
				}
				l[i] = 1 / v
				det += tensor.LogF64(v)
			}
		} else {
			for i := range g.d {
				for j := range i {
					if a, b := cov[i*g.d+j], cov[j*g.d+i]; !(math.Abs(a-b) <= 1e-8*(math.Abs(a)+math.Abs(b))) {
						return c
					}
				}
			}
			if !linear.Cholesky(l, cov, g.d) {
				return c
			}
			for i := range g.d {
				v := l[i*g.d+i]
				if !(float64(v*v) >= minVariance) {
					return c
				}
				det += 2 * tensor.LogF64(v)
				l[i*g.d+i] = 1 / v
			}
		}
		g.constant[c] = log(g.weight[c]) - float64(0.5*(float64(float64(g.d)*ln2pi)+det))
	}
	return -1
}

// minVariance is the smallest variance of a model.
const minVariance = 1e-200

// Components is K, Dim is D.
func (g *Gaussian) Components() int { return g.k }

// Dim is D.
func (g *Gaussian) Dim() int { return g.d }

// Full tells whether covariances are matrices.
func (g *Gaussian) Full() bool { return g.full }

// Weights are [N, K], Means [N, K, D], Covariances [N, K, D] or [N, K, D, D].
func (g *Gaussian) Weights() []float64 { return g.weight }

// Means are [N, K, D].
func (g *Gaussian) Means() []float64 { return g.mean }

// Covariances are [N, K, D], or [N, K, D, D] where Full.
func (g *Gaussian) Covariances() []float64 { return g.cov }

// Kind implements Emission.
func (g *Gaussian) Kind() string {
	if g.k == 1 {
		return "gaussian"
	}
	return "mixture"
}

// States implements Emission.
func (g *Gaussian) States() int { return g.n }

// Steps implements Emission.
func (g *Gaussian) Steps(q Sequence) (int, error) { return valueSteps(q, g.d) }

// component is ln of weight and density of component c at x; y has room for D values.
func (g *Gaussian) component(c int, x, y []float64) float64 {
	d, s := g.d, 0.0
	mean := g.mean[c*d : (c+1)*d]
	if !g.full {
		for i, r := range g.lower[c*d : (c+1)*d] {
			v := x[i] - mean[i]
			s += float64(float64(v*v) * r)
		}
	} else {
		l := g.lower[c*d*d : (c+1)*d*d]
		for i := range d {
			v := x[i] - mean[i]
			for j, u := range l[i*d : i*d+i] {
				v -= float64(u * y[j])
			}
			v *= l[i*d+i]
			y[i] = v
			s += float64(v * v)
		}
	}
	return g.constant[c] - float64(0.5*s)
}

// Log implements Emission.
func (g *Gaussian) Log(dst []float64, q Sequence) {
	y, l := make([]float64, g.d), make([]float64, g.k)
	for t := range len(q.Values) / g.d {
		x := q.Values[t*g.d : (t+1)*g.d]
		for j := range g.n {
			if g.k == 1 {
				dst[t*g.n+j] = g.component(j, x, y)
				continue
			}
			for k := range l {
				l[k] = g.component(j*g.k+k, x, y)
			}
			dst[t*g.n+j] = lse(l)
		}
	}
}

// Likelihood implements Emission.
func (g *Gaussian) Likelihood(dst, shift []float64, q Sequence) {
	g.Log(dst, q)
	exponentials(dst, shift, g.n)
}

// Parameters implements Emission.
func (g *Gaussian) Parameters() int {
	c := g.d
	if g.full {
		c = g.d * (g.d + 1) / 2
	}
	return len(g.mean) + g.n*g.k*c + free(g.weight, g.k)
}

// scatter are sums over observations less the present means: nothing large cancels.
type scatter struct {
	g      *Gaussian
	weight []float64 // [N, K]
	first  []float64 // [N, K, D]
	second []float64 // [N, K, D] or [N, K, D, D]
}

func (g *Gaussian) collect() collector {
	return &scatter{g, make([]float64, len(g.weight)), make([]float64, len(g.mean)), make([]float64, len(g.cov))}
}

func (s *scatter) add(q Sequence, gamma []float64) {
	g := s.g
	y, l := make([]float64, g.d), make([]float64, g.k)
	for t := range len(q.Values) / g.d {
		x := q.Values[t*g.d : (t+1)*g.d]
		for j, p := range gamma[t*g.n : (t+1)*g.n] {
			if p == 0 {
				continue
			}
			l[0] = 1
			if g.k > 1 {
				for k := range l {
					l[k] = g.component(j*g.k+k, x, y)
				}
				normalise(l)
			}
			for k, r := range l {
				s.one(j*g.k+k, float64(p*r), x, y)
			}
		}
	}
}

// one adds x with weight r to component c.
func (s *scatter) one(c int, r float64, x, y []float64) {
	d := s.g.d
	mean := s.g.mean[c*d : (c+1)*d]
	s.weight[c] += r
	for i, v := range x {
		y[i] = v - mean[i]
		s.first[c*d+i] += float64(r * y[i])
	}
	if !s.g.full {
		for i, v := range y {
			s.second[c*d+i] += float64(r * float64(v*v))
		}
		return
	}
	for i, u := range y {
		u = float64(r * u)
		row := s.second[(c*d+i)*d : (c*d+i)*d+i+1]
		for j := range row {
			row[j] += float64(u * y[j])
		}
	}
}

func (s *scatter) merge(other collector) {
	o := other.(*scatter)
	plus(s.weight, o.weight)
	plus(s.first, o.first)
	plus(s.second, o.second)
}

func (g *Gaussian) update(c collector, p *Prior) (Emission, error) {
	s := c.(*scatter)
	e := &Gaussian{n: g.n, k: g.k, d: g.d, full: g.full, weight: slices.Clone(s.weight), mean: slices.Clone(g.mean),
		cov: slices.Clone(g.cov)}
	d, w := g.d, g.width()
	for c, r := range s.weight {
		if r > 0 {
			cov := e.cov[c*w : (c+1)*w]
			first := s.first[c*d : (c+1)*d]
			second := s.second[c*w : (c+1)*w]
			for i, v := range first {
				e.mean[c*d+i] += v / r
			}
			for i := range cov {
				row, col := i, i
				if g.full {
					row, col = i/d, i%d
					if col > row {
						continue
					}
				}
				v := second[i] - float64(first[row]*first[col])/r
				if row == col {
					v = max(0, v) + p.Covariance
				}
				v /= r + p.CovarianceCount
				if !g.full {
					cov[i] = max(v, p.floor())
					continue
				}
				cov[row*d+col], cov[col*d+row] = v, v
			}
			if g.full {
				lift(cov, d, p.floor())
			}
		}
	}
	for j := range g.n {
		estimate(e.weight[j*g.k:(j+1)*g.k], g.weight[j*g.k:(j+1)*g.k], p.Weight)
	}
	if c := e.prepare(); c >= 0 {
		return nil, bad("DEGENERATE", "the covariance of component %d of state %d vanishes: fewer states, or a prior",
			c%g.k, c/g.k)
	}
	return e, nil
}

// lift adds the floor to the diagonal until the matrix is that far from singular.
func lift(cov []float64, d int, floor float64) {
	l := make([]float64, d*d)
	for range 60 {
		ok := linear.Cholesky(l, cov, d)
		for i := range d {
			ok = ok && l[i*d+i]*l[i*d+i] >= floor/2
		}
		if ok {
			return
		}
		for i := range d {
			cov[i*d+i] += floor
		}
		floor *= 2
	}
}

func (g *Gaussian) prior(p *Prior) float64 {
	s := dirichlet(g.weight, p.Weight)
	if p.Covariance == 0 && p.CovarianceCount == 0 {
		return s
	}
	d, w := g.d, g.width()
	for c := range g.n * g.k {
		l := g.lower[c*w : (c+1)*w]
		det, trace := 0.0, 0.0
		if !g.full {
			for _, r := range l {
				det -= tensor.LogF64(r)
				trace += r
			}
		} else {
			f := linear.Factor(g.cov[c*w:(c+1)*w], d)
			if f == nil {
				return math.Inf(-1)
			}
			inv := f.Inverse()
			for i := range d {
				det -= 2 * tensor.LogF64(l[i*d+i])
				trace += inv[i*d+i]
			}
		}
		s -= float64(0.5 * (float64(p.CovarianceCount*det) + float64(p.Covariance*trace)))
	}
	return s
}

func (g *Gaussian) guess(d *draws, data []Sequence) Emission {
	mean, variance := moments(data, g.d)
	e := &Gaussian{n: g.n, k: g.k, d: g.d, full: g.full, weight: make([]float64, len(g.weight)),
		mean: make([]float64, len(g.mean)), cov: make([]float64, len(g.cov))}
	for i := range e.weight {
		e.weight[i] = 1 / float64(g.k)
	}
	d.spread(e.mean, g.n*g.k, data, variance)
	w := g.width()
	for c := range g.n * g.k {
		for i, v := range variance {
			at := c*w + i
			if g.full {
				at = c*w + i*g.d + i
			}
			e.cov[at] = v
		}
	}
	if e.prepare() >= 0 {
		copy(e.mean[:g.d], mean)
		return g
	}
	return e
}
