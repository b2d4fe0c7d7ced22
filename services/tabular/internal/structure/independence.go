package structure

import (
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Test is a statistic of conditional independence.
type Test uint8

// The tests. Both compare with the chi-square distribution.
const (
	G2        Test = iota // twice the rows times the conditional mutual information, in nats
	ChiSquare             // Pearson's: sum (observed - expected)^2 / expected
)

// Independence is the outcome of a test.
type Independence struct {
	Statistic float64
	Degrees   int     // of freedom: per stratum (rows seen - 1)(columns seen - 1)
	P         float64 // of a statistic as large under independence; 1 without degrees of freedom
	Rows      int64
}

// maxStrata is the most cells of a test's table.
const maxStrata = 1 << 22

// CheckIndependence tests whether fields a and b are independent given others: a row counts where none of these cells
// is missing.
func CheckIndependence(t *table.Table, a, b int, given []int, kind Test) (Independence, error) {
	const op = "structure.CheckIndependence"
	if err := checkTable(op, t); err != nil {
		return Independence{}, err
	}
	fields := append([]int{a, b}, given...)
	for i, v := range fields {
		if v < 0 || v >= len(t.Columns) || slices.Contains(fields[:i], v) {
			return Independence{}, fault.E(fault.Invalid, "UNKNOWN_FIELD", op, "field %d is none of 0 to %d, or there twice",
				v,
				len(t.Columns)-1)
		}
	}
	if kind > ChiSquare {
		return Independence{}, fault.E(fault.Invalid, "UNKNOWN_TEST", op, "there is no test %d", kind)
	}
	x, ok := newTester(t, kind).test(a, b, given)
	if !ok {
		return x, fault.E(fault.Overloaded, "TABLE_TOO_LARGE", op, "the test's table has more than %d cells", maxStrata)
	}
	return x, nil
}

// tester tests on a table in memory.
type tester struct {
	t      *table.Table
	kind   Test
	levels []int
	at     []int32
	counts []int32
	rows   []int64
	cols   []int64
	tests  int
}

func newTester(t *table.Table, kind Test) *tester {
	s := &tester{t: t, kind: kind, at: make([]int32, t.Rows)}
	for _, f := range t.Schema.Fields {
		s.levels = append(s.levels, len(f.Levels))
	}
	return s
}

// test counts [strata, levels of a, levels of b]. ok is false where that is too large.
func (s *tester) test(a, b int, given []int) (out Independence, ok bool) {
	s.tests++
	ra, rb := s.levels[a], s.levels[b]
	strata := 1
	for _, g := range given {
		if strata *= s.levels[g]; strata > maxStrata/(ra*rb) {
			return out, false
		}
	}
	for i := range s.at {
		s.at[i] = 0
	}
	for _, v := range append(slices.Clone(given), a, b) {
		levels := int32(s.levels[v]) //nolint:gosec // at most MaxLevels
		for i, code := range s.t.Columns[v].Codes {
			if code < 0 || s.at[i] < 0 {
				s.at[i] = -1
				continue
			}
			s.at[i] = s.at[i]*levels + code
		}
	}
	cells := strata * ra * rb
	s.counts = slices.Grow(s.counts[:0], cells)[:cells]
	clear(s.counts)
	for _, k := range s.at {
		if k >= 0 {
			s.counts[k]++
		}
	}
	s.rows, s.cols = slices.Grow(s.rows[:0], ra)[:ra], slices.Grow(s.cols[:0], rb)[:rb]
	for at := 0; at < cells; at += ra * rb {
		s.stratum(s.counts[at:at+ra*rb], &out)
	}
	out.P = 1
	if out.Degrees > 0 {
		out.P = special.ChiSquareTail(out.Statistic, float64(out.Degrees))
	}
	return out, true
}

func (s *tester) stratum(counts []int32, out *Independence) {
	clear(s.rows)
	clear(s.cols)
	rb := len(s.cols)
	var n int64
	for i := range s.rows {
		for j := range s.cols {
			c := int64(counts[i*rb+j])
			s.rows[i] += c
			s.cols[j] += c
			n += c
		}
	}
	if n == 0 {
		return
	}
	seenRows, seenCols := 0, 0
	for _, c := range s.rows {
		if c > 0 {
			seenRows++
		}
	}
	for _, c := range s.cols {
		if c > 0 {
			seenCols++
		}
	}
	out.Rows += n
	out.Degrees += (seenRows - 1) * (seenCols - 1)
	for i, r := range s.rows {
		for j, c := range s.cols {
			if r == 0 || c == 0 {
				continue
			}
			expected := float64(float64(r)*float64(c)) / float64(n)
			seen := float64(counts[i*rb+j])
			if s.kind == ChiSquare {
				d := seen - expected
				out.Statistic += float64(d*d) / expected
			} else if seen > 0 {
				out.Statistic += float64(2 * float64(seen*tensor.LogF64(seen/expected)))
			}
		}
	}
}
