package bayesfit

import (
	"crypto/rand"
	"encoding/binary"
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// MaxEpsilon is the largest epsilon that is taken for one; beyond it nothing is protected.
const MaxEpsilon = 1000

// CheckEpsilon refuses an epsilon that is not positive and at most MaxEpsilon.
func CheckEpsilon(op string, epsilon float64) error {
	if !(epsilon > 0 && epsilon <= MaxEpsilon) {
		return fault.E(fault.Invalid, "INVALID_EPSILON", op,
			"epsilon is %v; allowed are numbers above 0, to %d: the smaller, "+
				"the more is protected and the more noise is added", epsilon, MaxEpsilon)
	}
	return nil
}

// Secret is a stream whose seed comes from the system's source of randomness, for noise that nobody can take off. It
// must not be stored or shown.
func Secret() (rng.Stream, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return rng.Stream{}, fault.Wrap("bayesfit.Secret", err)
	}
	return rng.New(binary.LittleEndian.Uint64(b[:])), nil
}

// Private is the counts under epsilon-differential privacy (Dwork, McSherry, Nissim and Smith, 2006): with any one row
// replaced by another, no outcome's probability changes by more than the factor e^epsilon. A replaced row moves one
// count of each field's table down and one up, so the tables of F fields have the L1 sensitivity 2 F, and every count
// gets noise of the two-sided geometric distribution, Laplace's on whole numbers, with the ratio e^(-epsilon/(2 F))
// (Ghosh, Roughgarden and Sundararajan, 2009). Whole numbers leave no trace in the last bits, as Laplace's on floating
// point does. Negative counts become zero; that, and all that is computed from the counts, costs nothing more.
//
// The number of rows, the levels and the structure are taken as public: choose the structure without looking at the
// data, or pay for it (structure.Private). The stream's seed must be secret and used once, as Secret's is: who knows it
// can take the noise off, so the seed of a recipe or of a request will not do.
func (c *Counts) Private(epsilon float64, s rng.Stream) (*Counts, error) {
	const op = "bayesfit.Private"
	if err := CheckEpsilon(op, epsilon); err != nil {
		return nil, err
	}
	if c.noise != nil {
		return nil, fault.E(fault.Invalid, "PRIVATE_COUNTS", op, "the counts have noise already")
	}
	out := &Counts{Rows: c.Rows, schema: c.schema, parents: c.parents, split: c.split, moments: c.moments, shift: c.shift,
		tables: make([][]int64, len(c.tables)), noise: &bayesnet.Privacy{Parameters: epsilon}}
	share := epsilon / float64(2*len(c.tables))
	for v, counts := range c.tables {
		if counts == nil {
			return nil, fault.E(fault.Invalid, "NUMERIC_FIELD", op, "the field %q is numeric, its sums have no bounded "+
				"sensitivity: cut it into intervals first", c.schema.Fields[v].Name)
		}
		out.tables[v] = make([]int64, len(counts))
		u := make([]float64, len(counts))
		s.Uniform64(u, uint64(v), 0, rng.Noise) //nolint:gosec // not negative
		for i, n := range counts {
			out.tables[v][i] = max(0, n+geometric(u[i], share))
		}
	}
	return out, nil
}

// geometric is the two-sided geometric variable of P(k) = (1-a)/(1+a) a^|k|, a = e^-rate, at the uniform number u: the
// inverse of its distribution function.
func geometric(u, rate float64) int64 {
	a := tensor.ExpF64(-rate)
	// P(K <= -k) = a^k / (1+a) for k >= 0, and the same above by symmetry.
	tail := min(u, 1-u)
	if float64(tail*(1+a)) >= a { // P(K <= -1)
		return 0
	}
	if tail <= 0 {
		tail = 0x1p-54
	}
	// The greatest k with tail < a^k / (1+a).
	k := math.Floor(-tensor.LogF64(tail*(1+a)) / rate)
	k = min(k, 1<<52)
	if u < 0.5 {
		return -int64(k)
	}
	return int64(k)
}
