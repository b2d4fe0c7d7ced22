package counting

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/bits"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/statistic"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

const (
	// MaxRows is how many different rows a model holds at most.
	MaxRows = 1 << 22
	// maxCells bounds the combinations of the levels of a query's targets.
	maxCells = 1 << 20
)

// Model is the different rows of a table and how often each occurs.
type Model struct {
	Rows   *table.Table // different rows, in the order of their first occurrence
	Counts []int64      // of each, positive
	Total  int64        // their sum
	index  map[string]int32
}

// Fit counts the rows of a source. limit bounds the different ones; 0 is MaxRows.
func Fit(s table.Source, limit int) (*Model, error) {
	if limit <= 0 || limit > MaxRows {
		limit = MaxRows
	}
	m := &Model{Rows: table.New(s.Schema(), 0), index: map[string]int32{}}
	chunk := table.New(s.Schema(), 4096)
	var key []byte
	for {
		n, err := s.Next(chunk)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for i := range n {
			key = rowKey(key[:0], chunk, i)
			at, seen := m.index[string(key)]
			if !seen {
				if len(m.Counts) == limit {
					return nil, fault.E(fault.Invalid, "TOO_MANY_ROWS", "counting.Fit",
						"more than %d different rows; leave out columns or cut numbers into bins", limit)
				}
				at = int32(len(m.Counts))
				m.index[string(key)] = at
				m.Counts = append(m.Counts, 0)
				m.add(chunk, i)
			}
			m.Counts[at]++
		}
		m.Total += int64(n)
	}
	if m.Total == 0 {
		return nil, fault.E(fault.Invalid, "EMPTY_TABLE", "counting.Fit", "the table has no rows")
	}
	return m, nil
}

// New makes a model of rows that were counted before. They are kept, not copied.
func New(rows *table.Table, counts []int64) (*Model, error) {
	const op = "counting.New"
	if rows.Rows != len(counts) || rows.Rows == 0 || rows.Rows > MaxRows {
		return nil, fault.E(fault.Corrupt, "BAD_COUNTS", op, "%d counts of %d rows, allowed are 1 to %d", len(counts),
			rows.Rows, MaxRows)
	}
	m := &Model{Rows: rows, Counts: counts, index: make(map[string]int32, len(counts))}
	var key []byte
	for i, n := range counts {
		key = rowKey(key[:0], rows, i)
		if _, twice := m.index[string(key)]; twice || n < 1 || n > math.MaxInt64-m.Total {
			return nil, fault.E(fault.Corrupt, "BAD_COUNTS", op, "row %d is there twice or has the count %d", i+1, n)
		}
		m.index[string(key)] = int32(i)
		m.Total += n
	}
	return m, nil
}

// rowKey is the cells of a row as bytes.
func rowKey(key []byte, t *table.Table, row int) []byte {
	for j := range t.Columns {
		c := &t.Columns[j]
		if c.Codes != nil {
			key = binary.LittleEndian.AppendUint32(key, uint32(c.Codes[row]))
			continue
		}
		x := c.Numbers[row]
		if x != x {
			x = math.NaN() // one pattern for all
		}
		key = binary.LittleEndian.AppendUint64(key, math.Float64bits(x+0))
	}
	return key
}

func (m *Model) add(t *table.Table, row int) {
	for j := range t.Columns {
		c, to := &t.Columns[j], &m.Rows.Columns[j]
		if c.Codes != nil {
			to.Codes = append(to.Codes, c.Codes[row])
		} else {
			to.Numbers = append(to.Numbers, c.Numbers[row])
		}
	}
	m.Rows.Rows++
}

// Schema implements model.Model.
func (m *Model) Schema() *table.Schema { return m.Rows.Schema }

// Query implements model.Querier. Counts are the rows behind the answer. A numeric target gets the mean and the
// variance (over n) of the rows that hold what is given.
func (m *Model) Query(q *model.Query) (*model.Answer, error) {
	const op = "counting.Query"
	if len(q.Do) > 0 {
		return nil, fault.E(fault.Invalid, "NO_CAUSES", op, "rows that are counted say nothing of interventions")
	}
	if q.Method != model.Auto && q.Method != model.Counting {
		return nil, fault.E(fault.Invalid, "METHOD_NOT_SUPPORTED", op, "a table is counted; it has no other method")
	}
	if err := model.CheckQuery(m.Schema(), q); err != nil {
		return nil, err
	}
	fields := m.Schema().Fields
	cells := 1
	for _, t := range q.Targets {
		if f := &fields[t]; f.Kind == table.Categorical {
			if cells *= len(f.Levels); cells > maxCells {
				return nil, fault.E(fault.Invalid, "TOO_MANY_CELLS", op, "the targets have more than %d combinations of levels",
					maxCells)
			}
		}
	}
	a := &model.Answer{Method: model.Counting, Counts: make([]int64, cells)}
	var given, known int64 // of the rows whose fields of the evidence are known
	mean, square := make([]float64, len(q.Targets)), make([]float64, len(q.Targets))
	for i, n := range m.Counts {
		if !m.known(i, q.Given) {
			continue
		}
		known += n
		if !m.holds(i, q.Given) {
			continue
		}
		given += n
		if !m.known(i, q.Event) {
			continue
		}
		cell, ok := 0, true
		for _, t := range q.Targets {
			c := &m.Rows.Columns[t]
			if c.Codes == nil {
				ok = ok && c.Numbers[i] == c.Numbers[i]
				continue
			}
			ok = ok && c.Codes[i] != table.Missing
			cell = cell*len(fields[t].Levels) + int(max(0, c.Codes[i]))
		}
		if !ok {
			continue
		}
		a.Total += n
		if m.holds(i, q.Event) {
			a.Counts[cell] += n
		}
		for k, t := range q.Targets {
			if c := &m.Rows.Columns[t]; c.Codes == nil {
				// Welford's update for n equal rows.
				d := c.Numbers[i] - mean[k]
				mean[k] += float64(d*float64(n)) / float64(a.Total)
				square[k] += float64(float64(d*(c.Numbers[i]-mean[k])) * float64(n))
			}
		}
	}
	if a.Total == 0 {
		return nil, impossible(op, given)
	}
	a.Evidence = tensor.LogF64(float64(given) / float64(known))
	a.Cells = make([]float64, cells)
	for i, n := range a.Counts {
		a.Cells[i] = float64(n) / float64(a.Total)
	}
	a.Mean, a.Variance = make([]float64, len(q.Targets)), make([]float64, len(q.Targets))
	for k, t := range q.Targets {
		a.Mean[k], a.Variance[k] = mean[k], square[k]/float64(a.Total)
		if fields[t].Kind == table.Categorical {
			a.Mean[k], a.Variance[k] = math.NaN(), math.NaN()
		}
	}
	return a, nil
}

// impossible says why there is no answer.
func impossible(op string, given int64) error {
	if given > 0 {
		return fault.E(fault.Precondition, "IMPOSSIBLE_EVIDENCE", op,
			"none of the %d rows that hold what is given has all fields of the question", given)
	}
	return fault.E(fault.Precondition, "IMPOSSIBLE_EVIDENCE", op, "no row holds what is given: its probability is zero")
}

// known says whether a row has every field of some terms.
func (m *Model) known(row int, terms []model.Term) bool {
	for i := range terms {
		c := &m.Rows.Columns[terms[i].Field]
		if (c.Codes != nil && c.Codes[row] == table.Missing) || (c.Codes == nil && c.Numbers[row] != c.Numbers[row]) {
			return false
		}
	}
	return true
}

func (m *Model) holds(row int, terms []model.Term) bool {
	for i := range terms {
		if !terms[i].Holds(m.Rows, row) {
			return false
		}
	}
	return true
}

// Fraction is one cell of an answer as counted.
func Fraction(a *model.Answer, cell int) statistic.Fraction {
	return statistic.Fraction{Num: a.Counts[cell], Den: a.Total}
}

// Sample implements model.Sampler: rows of the table that hold what is given, each as likely as it is frequent. Missing
// cells stay missing.
func (m *Model) Sample(t *table.Table, s rng.Stream, first uint64, given []model.Term) error {
	if err := model.CheckTerms(m.Schema(), "given", given); err != nil {
		return err
	}
	var rows []int32
	var ends []int64
	total := int64(0)
	for i, n := range m.Counts {
		if m.known(i, given) && m.holds(i, given) {
			total += n
			rows, ends = append(rows, int32(i)), append(ends, total)
		}
	}
	if total == 0 {
		return impossible("counting.Sample", 0)
	}
	for i := range t.Rows {
		var w [2]uint32
		s.Uint32s(w[:], first+uint64(i), 0, rng.Choice)
		hi, _ := bits.Mul64(uint64(w[0])<<32|uint64(w[1]), uint64(total))
		lo, end := 0, len(ends)-1
		for lo < end { // the first row whose end is above hi
			if mid := (lo + end) / 2; ends[mid] > int64(hi) {
				end = mid
			} else {
				lo = mid + 1
			}
		}
		for j := range t.Columns {
			from, to := &m.Rows.Columns[j], &t.Columns[j]
			if from.Codes != nil {
				to.Codes[i] = from.Codes[rows[lo]]
			} else {
				to.Numbers[i] = from.Numbers[rows[lo]]
			}
		}
	}
	return nil
}

// Score implements model.Scorer: -Inf for a row that the table has not.
func (m *Model) Score(dst []float64, t *table.Table) error {
	if len(dst) != t.Rows {
		return fault.E(fault.Invalid, "BAD_SHAPE", "counting.Score", "%d numbers for %d rows", len(dst), t.Rows)
	}
	var key []byte
	for i := range dst {
		n, of := int64(0), m.Total
		if whole(t, i) {
			key = rowKey(key[:0], t, i)
			if at, ok := m.index[string(key)]; ok {
				n = m.Counts[at]
			}
		} else {
			n, of = m.matching(t, i)
		}
		dst[i] = math.Inf(-1)
		if n > 0 {
			dst[i] = tensor.LogF64(float64(n) / float64(of))
		}
	}
	return nil
}

func whole(t *table.Table, row int) bool {
	for j := range t.Columns {
		c := &t.Columns[j]
		if (c.Codes != nil && c.Codes[row] == table.Missing) || (c.Codes == nil && c.Numbers[row] != c.Numbers[row]) {
			return false
		}
	}
	return true
}

// matching counts the rows that agree with the known cells of row i of t, of those that have them.
func (m *Model) matching(t *table.Table, i int) (n, of int64) {
	for row, k := range m.Counts {
		same, known := true, true
		for j := range t.Columns {
			want, have := &t.Columns[j], &m.Rows.Columns[j]
			if want.Codes != nil {
				if want.Codes[i] != table.Missing {
					same = same && want.Codes[i] == have.Codes[row]
					known = known && have.Codes[row] != table.Missing
				}
			} else if x := want.Numbers[i]; x == x {
				y := have.Numbers[row]
				same = same && x == y
				known = known && y == y
			}
		}
		if known {
			of += k
			if same {
				n += k
			}
		}
	}
	return n, of
}
