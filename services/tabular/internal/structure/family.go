package structure

import (
	"encoding/binary"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Score is what a structure is judged by: a sum over fields of a function of the field and its parents.
type Score uint8

// The scores.
const (
	BIC  Score = iota // log-likelihood - log(rows)/2 for each free probability (Schwarz, 1978)
	BDeu              // log marginal likelihood under a Dirichlet prior of Sample rows (Heckerman and others, 1995)
	K2                // log marginal likelihood under one pseudo-count a cell (Cooper and Herskovits, 1992)
	AIC               // log-likelihood - 1 for each free probability (Akaike, 1973)
)

var scoreNames = []string{"bic", "bdeu", "k2", "aic"}

// String is the score's name in small letters.
func (s Score) String() string {
	if int(s) < len(scoreNames) {
		return scoreNames[s]
	}
	return "unknown"
}

// ParseScore finds a score by its name.
func ParseScore(name string) (Score, error) {
	i := slices.Index(scoreNames, name)
	if i < 0 {
		return 0, fault.E(fault.Invalid, "UNKNOWN_SCORE", "structure.ParseScore",
			"there is no score %q; there are bic, bdeu, "+
				"k2 and aic", name)
	}
	return Score(i), nil //nolint:gosec // one of four
}

// maxFamily is the most cells of a family's table that is scored; a family beyond it is never taken.
const maxFamily = 1 << 20

// scorer scores families of a table in memory and remembers what it scored.
type scorer struct {
	t      *table.Table
	levels []int
	kind   Score
	sample float64
	known  map[string]float64
	at     []int32
	counts []int32
	key    []byte
}

func newScorer(t *table.Table, kind Score, sample float64) *scorer {
	s := &scorer{t: t, kind: kind, sample: sample, known: make(map[string]float64), at: make([]int32, t.Rows)}
	for _, f := range t.Schema.Fields {
		s.levels = append(s.levels, len(f.Levels))
	}
	return s
}

// family is the score of v under parents, ascending. ok is false where the table is too large.
func (s *scorer) family(v int, parents []int) (score float64, ok bool) {
	q := 1
	for _, p := range parents {
		if q *= s.levels[p]; q > maxFamily/s.levels[v] {
			return 0, false
		}
	}
	s.key = binary.AppendUvarint(s.key[:0], uint64(v)) //nolint:gosec // not negative
	for _, p := range parents {
		s.key = binary.AppendUvarint(s.key, uint64(p)) //nolint:gosec // not negative
	}
	if x, found := s.known[string(s.key)]; found {
		return x, true
	}
	key := string(s.key)
	x := s.value(s.count(v, parents, q), s.levels[v])
	s.known[key] = x
	return x, true
}

// count fills the table [Q, R] of a family; rows with a missing cell in it do not count.
func (s *scorer) count(v int, parents []int, q int) []int32 {
	for i := range s.at {
		s.at[i] = 0
	}
	for _, p := range append(slices.Clone(parents), v) {
		levels := int32(s.levels[p]) //nolint:gosec // at most MaxLevels
		for i, code := range s.t.Columns[p].Codes {
			if code < 0 || s.at[i] < 0 {
				s.at[i] = -1
				continue
			}
			s.at[i] = s.at[i]*levels + code
		}
	}
	cells := q * s.levels[v]
	s.counts = slices.Grow(s.counts[:0], cells)[:cells]
	clear(s.counts)
	for _, k := range s.at {
		if k >= 0 {
			s.counts[k]++
		}
	}
	return s.counts
}

// value is the score of a table of counts with r levels in a row.
func (s *scorer) value(counts []int32, r int) float64 {
	q := len(counts) / r
	var sum float64
	var total int64
	cell := 1.0
	if s.kind == BDeu {
		cell = s.sample / float64(len(counts))
	}
	row := float64(cell * float64(r))
	lgCell, lgRow := special.LogGamma(cell), special.LogGamma(row)
	for c := range q {
		var n int64
		for _, x := range counts[c*r : (c+1)*r] {
			if x == 0 {
				continue
			}
			n += int64(x)
			if s.kind == BDeu || s.kind == K2 {
				sum += special.LogGamma(float64(x)+cell) - lgCell
			} else {
				sum += float64(float64(x) * tensor.LogF64(float64(x)))
			}
		}
		if n == 0 {
			continue
		}
		total += n
		if s.kind == BDeu || s.kind == K2 {
			sum -= special.LogGamma(float64(n)+row) - lgRow
		} else {
			sum -= float64(float64(n) * tensor.LogF64(float64(n)))
		}
	}
	free := float64(float64(q) * float64(r-1))
	switch {
	case s.kind == BIC && total > 0:
		sum -= float64(float64(0.5*tensor.LogF64(float64(total))) * free)
	case s.kind == AIC:
		sum -= free
	}
	return sum
}

// ScoreOf is the score of a structure on a table, and of every field. sample is the prior's rows of BDeu.
func ScoreOf(t *table.Table, parents [][]int, kind Score, sample float64) (total float64, fields []float64, err error) {
	const op = "structure.ScoreOf"
	if err := checkTable(op, t); err != nil {
		return 0, nil, err
	}
	if err := checkScore(op, kind, sample); err != nil {
		return 0, nil, err
	}
	if len(parents) != len(t.Columns) {
		return 0, nil, fault.E(fault.Invalid, "INVALID_NETWORK", op, "parents of %d fields, there are %d", len(parents),
			len(t.Columns))
	}
	s := newScorer(t, kind, sample)
	for v, list := range parents {
		list = slices.Clone(list)
		slices.Sort(list)
		for _, p := range list {
			if p < 0 || p >= len(parents) || p == v {
				return 0, nil, fault.E(fault.Invalid, "INVALID_NETWORK", op, "field %d has the parent %d", v, p)
			}
		}
		x, ok := s.family(v, list)
		if !ok {
			return 0, nil, fault.E(fault.Overloaded, "TABLE_TOO_LARGE", op, "the table of %q has more than %d cells",
				t.Schema.Fields[v].Name, maxFamily)
		}
		fields = append(fields, x)
		total += x
	}
	return total, fields, nil
}

func checkScore(op string, kind Score, sample float64) error {
	if int(kind) >= len(scoreNames) {
		return fault.E(fault.Invalid, "UNKNOWN_SCORE", op, "there is no score %d", kind)
	}
	if kind == BDeu && !(sample > 0 && sample <= 1e12) {
		return fault.E(fault.Invalid, "INVALID_PRIOR", op,
			"BDeu's prior is worth %v rows; allowed are numbers above 0, to "+
				"1e12", sample)
	}
	return nil
}

// maxRows is the most rows of a table that is searched in memory.
const maxRows = 1 << 28

// checkTable refuses numeric fields, codes that are no levels, and too many rows.
func checkTable(op string, t *table.Table) error {
	if err := categorical(op, t.Schema); err != nil {
		return err
	}
	if t.Rows > maxRows {
		return fault.E(fault.Overloaded, "TABLE_TOO_LARGE", op, "%d rows, at most %d are searched in memory", t.Rows,
			maxRows)
	}
	for v, f := range t.Schema.Fields {
		for i, c := range t.Columns[v].Codes {
			if c < table.Missing || int(c) >= len(f.Levels) {
				return fault.E(fault.Invalid, "INVALID_TABLE", op, "row %d has the code %d of %q, codes are 0 to %d", i, c,
					f.Name,
					len(f.Levels)-1)
			}
		}
	}
	return nil
}
