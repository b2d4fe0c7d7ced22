package hmm

import (
	"math"
	"slices"
	"sync"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Poisson emissions: D independent counts, with rates by state.
type Poisson struct {
	n, d       int
	rate, logs []float64 // [N, D]
}

// The limits of counts and rates.
const (
	MaxCount = 1 << 40
	MaxRate  = 1e9
)

// NewPoisson makes an emission of n states from rates, [N, D].
func NewPoisson(n int, rates []float64) (*Poisson, error) {
	if n < 1 || len(rates) == 0 || len(rates)%n != 0 || len(rates)/n > MaxDim {
		return nil, bad("BAD_EMISSION", "%d rates for %d states, want up to %d a state", len(rates), n, MaxDim)
	}
	for i, v := range rates {
		if !(v > 0 && v <= MaxRate) {
			return nil, bad("BAD_EMISSION", "rate %v at %d, want above 0, at most %v", v, i, float64(MaxRate))
		}
	}
	p := &Poisson{n: n, d: len(rates) / n, rate: slices.Clone(rates)}
	p.prepare()
	return p, nil
}

func (p *Poisson) prepare() {
	p.logs = make([]float64, len(p.rate))
	for i, v := range p.rate {
		p.logs[i] = tensor.LogF64(v)
	}
}

// Rates are [N, D].
func (p *Poisson) Rates() []float64 { return p.rate }

// Kind implements Emission.
func (p *Poisson) Kind() string { return "poisson" }

// States implements Emission.
func (p *Poisson) States() int { return p.n }

// Steps implements Emission.
func (p *Poisson) Steps(q Sequence) (int, error) {
	t, err := valueSteps(q, p.d)
	for i, v := range q.Values {
		if err == nil && !(v >= 0 && v <= MaxCount && v == math.Floor(v)) {
			return 0, bad("BAD_SEQUENCE", "%v at %d, want a whole number from 0 to %d", v, i, int64(MaxCount))
		}
	}
	return t, err
}

// valueSteps is T of a sequence of d values a step.
func valueSteps(q Sequence, d int) (int, error) {
	if q.Symbols != nil {
		return 0, bad("BAD_SEQUENCE", "the model reads values, not symbols")
	}
	if len(q.Values)%d != 0 {
		return 0, bad("BAD_SEQUENCE", "%d values, want a multiple of %d", len(q.Values), d)
	}
	for i, v := range q.Values {
		if math.IsNaN(v) || math.Abs(v) > 1e100 {
			return 0, bad("BAD_SEQUENCE", "%v at %d, want a number between -1e100 and 1e100", v, i)
		}
	}
	return len(q.Values) / d, nil
}

// factorials are ln k! for small k.
var factorials = sync.OnceValue(func() []float64 {
	l := make([]float64, 256)
	for k := 2; k < len(l); k++ {
		l[k] = l[k-1] + tensor.LogF64(float64(k))
	}
	return l
})

// logFactorial is ln k!: sums up to 255, Stirling's series to 1/k^5 beyond, whose next term is below 1e-20.
func logFactorial(k float64) float64 {
	if k < 256 {
		return factorials()[int(k)]
	}
	const half = 0.91893853320467274178 // ln(2 pi)/2
	r := 1 / k
	z := float64(r * r)
	s := float64(r * (1.0/12 - float64(z*(1.0/360-float64(z*(1.0/1260))))))
	return float64((k+0.5)*tensor.LogF64(k)) - k + half + s
}

// Log implements Emission.
func (p *Poisson) Log(dst []float64, q Sequence) {
	for t := range len(q.Values) / p.d {
		x := q.Values[t*p.d : (t+1)*p.d]
		base := 0.0
		for _, v := range x {
			base += logFactorial(v)
		}
		for j := range p.n {
			s := -base
			for i, v := range x {
				s += float64(v*p.logs[j*p.d+i]) - p.rate[j*p.d+i]
			}
			dst[t*p.n+j] = s
		}
	}
}

// Likelihood implements Emission.
func (p *Poisson) Likelihood(dst, shift []float64, q Sequence) {
	p.Log(dst, q)
	exponentials(dst, shift, p.n)
}

// exponentials takes the greatest of n logarithms out of each row and the exponentials of what is left.
func exponentials(dst, shift []float64, n int) {
	for t := range shift {
		row := dst[t*n : (t+1)*n]
		top := row[0]
		for _, v := range row {
			top = max(top, v)
		}
		shift[t] = top
		for j, v := range row {
			row[j] = tensor.ExpF64(v - top)
		}
	}
}

// Parameters implements Emission.
func (p *Poisson) Parameters() int { return len(p.rate) }

// weighted are sums of weights, [N], and of weighted values, [N, D].
type weighted struct {
	n, d        int
	weight, sum []float64
}

func (p *Poisson) collect() collector {
	return &weighted{p.n, p.d, make([]float64, p.n), make([]float64, p.n*p.d)}
}

func (w *weighted) add(q Sequence, gamma []float64) {
	for t := range len(q.Values) / w.d {
		x := q.Values[t*w.d : (t+1)*w.d]
		for j, g := range gamma[t*w.n : (t+1)*w.n] {
			w.weight[j] += g
			for i, v := range x {
				w.sum[j*w.d+i] += float64(g * v)
			}
		}
	}
}

func (w *weighted) merge(o collector) {
	plus(w.weight, o.(*weighted).weight)
	plus(w.sum, o.(*weighted).sum)
}

// minRate keeps a rate above zero, where no count is possible but 0.
const minRate = 1e-9

func (p *Poisson) update(c collector, prior *Prior) (Emission, error) {
	w := c.(*weighted)
	e := &Poisson{n: p.n, d: p.d, rate: slices.Clone(p.rate)}
	for j := range p.n {
		for i := range p.d {
			if n := w.weight[j] + prior.RateSteps; n > 0 {
				e.rate[j*p.d+i] = max(minRate, (w.sum[j*p.d+i]+prior.RateCount)/n)
			}
		}
	}
	e.prepare()
	return e, nil
}

func (p *Poisson) prior(prior *Prior) float64 {
	s := 0.0
	for i, v := range p.rate {
		s += float64(prior.RateCount*p.logs[i]) - float64(prior.RateSteps*v)
	}
	return s
}

func (p *Poisson) guess(d *draws, data []Sequence) Emission {
	mean, _ := moments(data, p.d)
	e := &Poisson{n: p.n, d: p.d, rate: make([]float64, len(p.rate))}
	for j := range p.n {
		for i := range p.d {
			e.rate[j*p.d+i] = max(minRate, float64(mean[i]*(0.25+float64(1.5*d.uniform()))))
		}
	}
	e.prepare()
	return e
}
