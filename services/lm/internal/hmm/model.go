package hmm

import (
	"math"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// The limits of a model and of a sequence.
const (
	MaxStates = 4096
	// MaxCells is the most steps x states of a sequence: its tables have so many values each.
	MaxCells = 1 << 27
)

// Sequence is one series of observations.
type Sequence struct {
	Symbols []int32   // [T], for categorical emissions
	Values  []float64 // [T, D], for the others
}

// Emission says what the states show. Its parameters do not change once made.
type Emission interface {
	// Kind is its name: categorical, gaussian, mixture, poisson.
	Kind() string
	// States is N.
	States() int
	// Steps checks a sequence and gives T.
	Steps(q Sequence) (int, error)
	// Log writes ln b_t(j), [T, N].
	Log(dst []float64, q Sequence)
	// Likelihood writes b_t(j) exp(-shift_t), [T, N], where shift keeps the greatest of a step near 1.
	Likelihood(dst, shift []float64, q Sequence)
	// Parameters is the number of free ones.
	Parameters() int
	// collect makes an empty collection of what the next estimate needs.
	collect() collector
	// update is the next estimate.
	update(c collector, p *Prior) (Emission, error)
	// prior is the logarithm of the prior's density, without its constant.
	prior(p *Prior) float64
	// sampler draws observations.
	sampler() sampler
	// guess is a first estimate from data.
	guess(d *draws, data []Sequence) Emission
	// store fills in the form in a file.
	store(s *storedEmission)
}

// collector adds up over steps what an estimate needs.
type collector interface {
	// add takes a sequence and the posterior of its states, [T, N].
	add(q Sequence, gamma []float64)
	// merge adds another collection to this one.
	merge(other collector)
}

// Model is a hidden Markov model.
type Model struct {
	names        []string
	n            int
	start, trans []float64
	turned       []float64 // trans, transposed
	logStart     []float64
	logTurned    []float64 // ln of turned
	emit         Emission
}

func bad(reason, format string, args ...any) error {
	return fault.E(fault.Invalid, reason, "hmm", format, args...)
}

// New makes a model. Names may be nil. Rows must add up to 1 within 1e-9, and are then divided by their sums.
func New(names []string, start, trans []float64, emit Emission) (*Model, error) {
	n := emit.States()
	if n < 1 || n > MaxStates {
		return nil, bad("BAD_MODEL", "%d states, want 1 to %d", n, MaxStates)
	}
	if names != nil && len(names) != n || len(start) != n || len(trans) != n*n {
		return nil, bad("BAD_MODEL", "%d names, %d first and %d further probabilities do not fit %d states", len(names),
			len(start), len(trans), n)
	}
	m := &Model{names: names, n: n, start: slices.Clone(start), trans: slices.Clone(trans), emit: emit}
	if err := rows(m.start, n, "the first state's distribution"); err != nil {
		return nil, err
	}
	if err := rows(m.trans, n, "the distribution after state"); err != nil {
		return nil, err
	}
	m.prepare()
	return m, nil
}

// prepare makes what follows from the probabilities.
func (m *Model) prepare() {
	n := m.n
	m.turned, m.logStart, m.logTurned = make([]float64, n*n), make([]float64, n), make([]float64, n*n)
	for i := range n {
		m.logStart[i] = log(m.start[i])
		for j := range n {
			m.turned[j*n+i] = m.trans[i*n+j]
			m.logTurned[j*n+i] = log(m.trans[i*n+j])
		}
	}
}

// log is the natural logarithm, -Inf for 0.
func log(p float64) float64 {
	if p == 0 {
		return math.Inf(-1)
	}
	return tensor.LogF64(p)
}

// rows checks distributions of n values and divides them by their sums.
func rows(p []float64, n int, what string) error {
	for r := 0; r < len(p); r += n {
		row, sum := p[r:r+n], 0.0
		for i, v := range row {
			if !(v >= 0 && v <= 1+1e-9) {
				return bad("BAD_DISTRIBUTION", "%s (row %d) has %v at %d, want 0 to 1", what, r/n, v, i)
			}
			sum += v
		}
		if math.Abs(sum-1) > 1e-9 {
			return bad("BAD_DISTRIBUTION", "%s (row %d) adds up to %v, want 1 within 1e-9", what, r/n, sum)
		}
		for i := range row {
			row[i] /= sum
		}
	}
	return nil
}

// States are the names of the hidden states, or nil. With Matrix and Start they make the hidden chain.
func (m *Model) States() []string { return m.names }

// Matrix is A, [N, N].
func (m *Model) Matrix() []float64 { return m.trans }

// Start is the distribution of the first state.
func (m *Model) Start() []float64 { return m.start }

// Emission is what the states show.
func (m *Model) Emission() Emission { return m.emit }

// Parameters is the number of free parameters: transitions and first states that are zero count as given.
func (m *Model) Parameters() int {
	k := free(m.start, m.n) + free(m.trans, m.n)
	return k + m.emit.Parameters()
}

// free is the number of positive values but one a row.
func free(p []float64, n int) int {
	k := -len(p) / n
	for _, v := range p {
		if v > 0 {
			k++
		}
	}
	return k
}

// steps checks a sequence against the limits.
func (m *Model) steps(q Sequence) (int, error) {
	t, err := m.emit.Steps(q)
	if err != nil {
		return 0, err
	}
	if t == 0 {
		return 0, bad("EMPTY_SEQUENCE", "a sequence of no observations")
	}
	if t > MaxCells/m.n {
		return 0, bad("SEQUENCE_TOO_LONG", "%d observations, at most %d with %d states", t, MaxCells/m.n, m.n)
	}
	return t, nil
}
