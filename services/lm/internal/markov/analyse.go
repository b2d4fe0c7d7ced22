package markov

import (
	"fmt"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/lm/internal/linear"
	"github.com/manifold-gen/manifold/shared/tensor"
)

func sortInts(l []int) { slices.Sort(l) }

// Recurrent is what holds inside a closed class.
type Recurrent struct {
	Class int `json:"class"` // its number among Analysis.Classes
	// Stationary is pi over all states, 0 outside the class. It is the share of time in every state; the distribution
	// after many steps as well, if the period is 1.
	Stationary []float64 `json:"stationary"`
	// EntropyRate is in nats a step: -sum over i, j of pi_i P_ij ln P_ij.
	EntropyRate float64 `json:"entropy_rate"`
	// Reversible tells whether pi_i P_ij = pi_j P_ji, and Imbalance the greatest difference of the two.
	Reversible bool    `json:"reversible"`
	Imbalance  float64 `json:"imbalance"`
	// Kemeny is the expected number of steps to a state drawn from pi: the same from every state of the class.
	Kemeny float64 `json:"kemeny"`
	// Second is the second largest modulus of the eigenvalues (1 where the class is periodic), and Relaxation
	// 1/(1-Second), infinite there.
	Second     float64 `json:"second_eigenvalue"`
	Relaxation float64 `json:"relaxation"`
	// Mixing is the least number of steps after which every start is within total variation 1/4 of pi; -1 if that never
	// happens or takes more than MaxMixing steps.
	Mixing int64 `json:"mixing"`
}

// Analysis is all that can be said of a chain without a question.
type Analysis struct {
	Classes     []Class     `json:"classes"`
	Irreducible bool        `json:"irreducible"`
	Aperiodic   bool        `json:"aperiodic"` // every closed class has period 1
	Recurrent   []Recurrent `json:"recurrent"`
	// Limit is the share of time in every state in the long run from the chain's start.
	Limit []float64 `json:"limit"`
	// EntropyRate is that in the long run from the chain's start, nats a step.
	EntropyRate float64     `json:"entropy_rate"`
	Absorption  *Absorption `json:"absorption,omitempty"` // nil where no state is transient
	Notes       []string    `json:"notes,omitempty"`      // what a reader of the figures has to know
}

// reversible is the greatest difference between two flows that counts as none: rounding of figures up to 1.
const reversible = 1e-12

// Analyse finds classes, stationary distributions and all that follows from them.
func (c *Chain) Analyse() (*Analysis, error) {
	a := &Analysis{Classes: c.Classes(), Limit: make([]float64, c.n()), Aperiodic: true}
	a.Irreducible = len(a.Classes) == 1
	var err error
	if a.Absorption, err = c.Absorb(); err != nil {
		return nil, err
	}
	end := c.ends(a)
	for k, class := range a.Classes {
		if !class.Closed {
			continue
		}
		r, err := c.recurrent(class)
		if err != nil {
			return nil, err
		}
		r.Class = k
		w := end[len(a.Recurrent)]
		for i, v := range r.Stationary {
			a.Limit[i] += float64(w * v)
		}
		a.EntropyRate += float64(w * r.EntropyRate)
		if class.Period > 1 {
			a.Aperiodic = false
			a.Notes = append(a.Notes, fmt.Sprintf("the class of %.80q has period %d: its distribution does not settle, "+
				"and the stationary one is the share of time", c.names[class.States[0]], class.Period))
		}
		a.Recurrent = append(a.Recurrent, *r)
	}
	if len(a.Recurrent) > 1 {
		a.Notes = append(a.Notes, fmt.Sprintf("the chain has %d closed classes: every mixture of their stationary "+
			"distributions is stationary, and the start decides which", len(a.Recurrent)))
	}
	if len(c.Unseen) > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("the data never left %d of the states", len(c.Unseen)))
	}
	return a, nil
}

// ends are the probabilities of the closed classes from the chain's start.
func (c *Chain) ends(a *Analysis) []float64 {
	var end []float64
	for _, class := range a.Classes {
		if class.Closed {
			s := 0.0
			for _, i := range class.States {
				s += c.start[i]
			}
			end = append(end, s)
		}
	}
	if b := a.Absorption; b != nil {
		for i, s := range b.Transient {
			for k := range end {
				end[k] += float64(c.start[s] * b.Probability[i*len(end)+k])
			}
		}
	}
	return end
}

// inside is P among the states of a closed class.
func (c *Chain) inside(states []int) []float64 {
	m := len(states)
	p := make([]float64, m*m)
	for k, i := range states {
		for l, j := range states {
			p[k*m+l] = c.p[i*c.n()+j]
		}
	}
	return p
}

func (c *Chain) recurrent(class Class) (*Recurrent, error) {
	m := len(class.States)
	p := c.inside(class.States)
	pi := linear.Stationary(slices.Clone(p), m)
	r := &Recurrent{Stationary: make([]float64, c.n())}
	for k, i := range class.States {
		r.Stationary[i] = pi[k]
		h := 0.0
		for l := range m {
			v := p[k*m+l]
			if v > 0 {
				h -= float64(v * tensor.LogF64(v))
			}
			r.Imbalance = max(r.Imbalance, math.Abs(float64(pi[k]*v)-float64(pi[l]*p[l*m+k])))
		}
		r.EntropyRate += float64(pi[k] * h)
	}
	r.Reversible = r.Imbalance <= reversible
	z, err := deviations(p, pi)
	if err != nil {
		return nil, err
	}
	r.Kemeny = -1
	for k := range m {
		r.Kemeny += z[k*m+k]
	}
	if err := c.mixing(r, p, pi, class.Period); err != nil {
		return nil, err
	}
	return r, nil
}

// deviations is Z = (I - P + 1 pi)^-1, from which passage times follow.
func deviations(p, pi []float64) ([]float64, error) {
	m := len(pi)
	a := make([]float64, m*m)
	for i := range m {
		for j := range m {
			a[i*m+j] = pi[j] - p[i*m+j]
		}
		a[i*m+i] += 1
	}
	f := linear.Factor(a, m)
	if f == nil {
		return nil, bad("ILL_CONDITIONED", "the equations of %d states have no solution in 64-bit arithmetic", m)
	}
	return f.Inverse(), nil
}

// Passage are the expected numbers of steps from i to the first visit of j, m x m, among the states of a closed class:
// (Z_jj - Z_ij)/pi_j, and 1/pi_i from i back to itself.
func (c *Chain) Passage(class Class) ([]float64, error) {
	if !class.Closed {
		return nil, bad("NOT_RECURRENT", "states that may be left for ever have no mean passage times")
	}
	m := len(class.States)
	p := c.inside(class.States)
	pi := linear.Stationary(slices.Clone(p), m)
	z, err := deviations(p, pi)
	if err != nil {
		return nil, err
	}
	t := make([]float64, m*m)
	for i := range m {
		for j := range m {
			t[i*m+j] = (z[j*m+j] - z[i*m+j]) / pi[j]
		}
		t[i*m+i] = 1 / pi[i]
	}
	return t, nil
}

// MaxMixing is the longest mixing time that is looked for.
const MaxMixing = 1 << 40

// mixing fills in the second eigenvalue and the mixing time of an irreducible matrix.
func (c *Chain) mixing(r *Recurrent, p, pi []float64, period int) error {
	m := len(pi)
	re, im, ok := linear.Eigenvalues(slices.Clone(p), m)
	if !ok {
		return bad("NOT_CONVERGED", "the eigenvalues of %d states were not found", m)
	}
	// One eigenvalue is 1 (the nearest to it); the greatest modulus of the others is the answer.
	one := 0
	for i := range re {
		if float64((re[i]-1)*(re[i]-1))+float64(im[i]*im[i]) < float64((re[one]-1)*(re[one]-1))+float64(im[one]*im[one]) {
			one = i
		}
	}
	for i := range re {
		if i != one {
			r.Second = max(r.Second, math.Sqrt(float64(re[i]*re[i])+float64(im[i]*im[i])))
		}
	}
	r.Mixing = -1
	if period > 1 {
		r.Second, r.Relaxation = 1, math.Inf(1)
		return nil
	}
	r.Second = min(r.Second, 1)
	r.Relaxation = 1 / (1 - r.Second)
	// The distance never grows with the steps: powers of two until it is small, then bits from the top.
	if far(identity(m), pi) <= 0.25 {
		r.Mixing = 0
		return nil
	}
	powers := [][]float64{p}
	for far(powers[len(powers)-1], pi) > 0.25 {
		if 1<<len(powers) > MaxMixing {
			return nil
		}
		last := powers[len(powers)-1]
		powers = append(powers, square(last, m))
	}
	steps, at := int64(0), identity(m)
	for k := len(powers) - 2; k >= 0; k-- {
		if next := linear.Multiply(at, powers[k], m, m, m); far(next, pi) > 0.25 {
			at, steps = next, steps+1<<k
		}
	}
	r.Mixing = steps + 1
	return nil
}

func identity(n int) []float64 {
	a := make([]float64, n*n)
	for i := range n {
		a[i*n+i] = 1
	}
	return a
}

// far is the greatest total variation distance between a row and pi.
func far(p, pi []float64) float64 {
	m, worst := len(pi), 0.0
	for i := range m {
		d := 0.0
		for j, v := range pi {
			d += math.Abs(p[i*m+j] - v)
		}
		worst = max(worst, d/2)
	}
	return worst
}
