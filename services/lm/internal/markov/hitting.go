package markov

import (
	"math"

	"github.com/manifold-gen/manifold/services/lm/internal/linear"
)

// Hitting are the probabilities of ever reaching a set of states, and the expected numbers of steps until then, by the
// state one starts from.
type Hitting struct {
	Probability []float64 `json:"probability"`
	// Steps is infinite where the set may be missed, 0 inside it.
	Steps []float64 `json:"steps"`
}

// targets checks numbers of states.
func (c *Chain) targets(states []int) ([]bool, error) {
	if len(states) == 0 {
		return nil, bad("UNKNOWN_STATE", "no states to reach")
	}
	for _, i := range states {
		if i < 0 || i >= c.n() {
			return nil, bad("UNKNOWN_STATE", "state %d, want 0 to %d", i, c.n()-1)
		}
	}
	return c.set(states), nil
}

// Hit is about reaching any of the states. The probabilities are the smallest solution of h = P h outside the set, h =
// 1 in it, and the times of t = 1 + P t: states from which the set cannot be reached, or cannot be missed, are told by
// the graph, and the others by a system that then has one solution (Norris, Markov Chains, 1.3).
func (c *Chain) Hit(states []int) (*Hitting, error) {
	in, err := c.targets(states)
	if err != nil {
		return nil, err
	}
	n := c.n()
	can := c.reach(in, nil)
	lost := make([]bool, n) // cannot reach it
	for i := range lost {
		lost[i] = !can[i]
	}
	miss := c.reach(lost, in) // may come into a state that cannot reach it
	h := &Hitting{Probability: make([]float64, n), Steps: make([]float64, n)}
	var some, sure []int
	for i := range n {
		switch {
		case in[i]:
			h.Probability[i] = 1
		case lost[i]:
			h.Steps[i] = math.Inf(1)
		case miss[i]:
			h.Steps[i] = math.Inf(1)
			some = append(some, i)
		default:
			h.Probability[i] = 1
			sure = append(sure, i)
		}
	}
	// Among some: the ways in, through states that are sure as well.
	b := make([]float64, len(some))
	for k, i := range some {
		for j, v := range c.row(i) {
			if h.Probability[j] == 1 {
				b[k] += v
			}
		}
	}
	x, err := c.solve(some, b)
	if err != nil {
		return nil, err
	}
	for k, i := range some {
		h.Probability[i] = min(1, max(0, x[k]))
	}
	b = make([]float64, len(sure))
	for k := range b {
		b[k] = 1
	}
	if x, err = c.solve(sure, b); err != nil {
		return nil, err
	}
	for k, i := range sure {
		h.Steps[i] = x[k]
	}
	return h, nil
}

// minus is I - P among some states. Its diagonal is the sum of what leads elsewhere, which loses no digits.
func (c *Chain) minus(states []int) []float64 {
	m := len(states)
	a := make([]float64, m*m)
	for k, i := range states {
		out := 0.0
		for j, v := range c.row(i) {
			if j != i {
				out += v
			}
		}
		for l, j := range states {
			a[k*m+l] = -c.p[i*c.n()+j]
		}
		a[k*m+k] = out
	}
	return a
}

// solve gives x with (I-Q) x = b among some states.
func (c *Chain) solve(states []int, b []float64) ([]float64, error) {
	if len(states) == 0 {
		return nil, nil
	}
	f := linear.Factor(c.minus(states), len(states))
	if f == nil {
		return nil, bad("ILL_CONDITIONED", "the equations of %d states have no solution in 64-bit arithmetic", len(states))
	}
	return f.Solve(b), nil
}

// Absorption is what becomes of transient states.
type Absorption struct {
	Transient []int   `json:"transient"` // m states
	Classes   [][]int `json:"classes"`   // the closed classes
	// Visits is N, m x m: expected visits of j from i, the start counted.
	Visits []float64 `json:"visits"`
	// Steps are the expected numbers of steps before a closed class is reached, and Variance theirs.
	Steps    []float64 `json:"steps"`
	Variance []float64 `json:"variance"`
	// Probability is m x len(Classes): where it ends.
	Probability []float64 `json:"probability"`
}

// Absorb gives N = (I-Q)^-1, N 1, (2N - I) N 1 - (N 1)^2 and N R. It returns nil if no state is transient.
func (c *Chain) Absorb() (*Absorption, error) {
	a := &Absorption{}
	for _, k := range c.Classes() {
		if k.Closed {
			a.Classes = append(a.Classes, k.States)
		} else {
			a.Transient = append(a.Transient, k.States...)
		}
	}
	m := len(a.Transient)
	if m == 0 {
		return nil, nil
	}
	sortInts(a.Transient)
	f := linear.Factor(c.minus(a.Transient), m)
	if f == nil {
		return nil, bad("ILL_CONDITIONED", "the equations of %d states have no solution in 64-bit arithmetic", m)
	}
	a.Visits = f.Inverse()
	one := make([]float64, m)
	for i := range one {
		one[i] = 1
	}
	a.Steps = f.Solve(one)
	a.Variance = make([]float64, m)
	for i, v := range f.Solve(a.Steps) { // N N 1
		a.Variance[i] = max(0, 2*v-a.Steps[i]-float64(a.Steps[i]*a.Steps[i]))
	}
	a.Probability = make([]float64, m*len(a.Classes))
	for k, states := range a.Classes {
		b := make([]float64, m)
		for i, s := range a.Transient {
			for _, j := range states {
				b[i] += c.p[s*c.n()+j]
			}
		}
		for i, v := range f.Solve(b) {
			a.Probability[i*len(a.Classes)+k] = min(1, max(0, v))
		}
	}
	return a, nil
}
