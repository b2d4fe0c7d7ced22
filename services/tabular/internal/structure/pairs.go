package structure

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// The limits of pairwise counts.
const (
	chunkRows    = 8192
	maxPairCells = 1 << 26 // of all pairs of fields together: 512 MiB
)

// maxWide is the most joint levels of the fields of a group.
const maxWide = 64

// Pairs is how often each two levels of each two fields occur together. It takes one pass over the rows and memory that
// does not grow with them.
//
// Fields with few levels are counted in groups, several at a time: the joint level of one group with that of another is
// one cell, and the counts of pairs of fields are its margins. With 37 fields of two to four levels that is a sixth of
// the steps of counting each pair.
type Pairs struct {
	Rows   int64
	schema *table.Schema
	groups []group
	tables []groupTable
}

// group is neighbouring fields; level l+1 of each is a digit of its joint level, the last the lowest, and 0 a missing
// cell.
type group struct {
	fields []int
	wide   int
	codes  []int32 // of a chunk
}

// groupTable is the counts of two groups, [wide of a, wide of b]; those of a group alone where a = b.
type groupTable struct {
	a, b   int
	counts []int64
}

// pair is the counts of fields a < b: [levels of a + 1, levels of b + 1], the first row and column for missing cells.
type pair struct {
	a, b   int
	wide   int
	counts []int64
}

// NewPairs makes room for the counts of all pairs of fields.
func NewPairs(s *table.Schema) (*Pairs, error) {
	const op = "structure.NewPairs"
	if err := categorical(op, s); err != nil {
		return nil, err
	}
	p := &Pairs{schema: s}
	for v, f := range s.Fields {
		wide := len(f.Levels) + 1
		if g := len(p.groups) - 1; g >= 0 && p.groups[g].wide <= maxWide/wide {
			p.groups[g].fields = append(p.groups[g].fields, v)
			p.groups[g].wide *= wide
			continue
		}
		p.groups = append(p.groups, group{fields: []int{v}, wide: wide})
	}
	total := 0.0
	for a := range p.groups {
		total += float64(p.groups[a].wide)
		for b := range a {
			total += float64(p.groups[a].wide * p.groups[b].wide)
		}
	}
	if total > maxPairCells {
		return nil, fault.E(fault.Overloaded, "TABLE_TOO_LARGE", op,
			"the counts of all pairs of %d fields have %.3g cells, at most %d are made: leave out fields with many levels",
			len(s.Fields), total, maxPairCells)
	}
	for a := range p.groups {
		p.tables = append(p.tables, groupTable{a: a, b: a, counts: make([]int64, p.groups[a].wide)})
		for b := a + 1; b < len(p.groups); b++ {
			p.tables = append(p.tables, groupTable{a: a, b: b, counts: make([]int64, p.groups[a].wide*p.groups[b].wide)})
		}
	}
	return p, nil
}

// maxFields is the most fields of a structure that is searched for.
const maxFields = 1024

func categorical(op string, s *table.Schema) error {
	if len(s.Fields) == 0 || len(s.Fields) > maxFields {
		return fault.E(fault.Invalid, "INVALID_TABLE", op, "%d fields; allowed are 1 to %d", len(s.Fields), maxFields)
	}
	for _, f := range s.Fields {
		if f.Kind != table.Categorical || len(f.Levels) == 0 {
			return fault.E(fault.Invalid, "NUMERIC_FIELD", op,
				"the field %q is not categorical: cut numbers into intervals, or leave it out", f.Name)
		}
	}
	return nil
}

// Add counts the first rows of a table, the groups spread over threads.
func (p *Pairs) Add(t *table.Table, rows int) {
	p.Rows += int64(rows)
	spread(rows, len(p.groups), func(i int) { p.groups[i].join(t, p.schema, rows) })
	spread(rows, len(p.tables), func(i int) {
		q := &p.tables[i]
		a, b := &p.groups[q.a], &p.groups[q.b]
		if q.a == q.b {
			for _, x := range a.codes {
				q.counts[x]++
			}
			return
		}
		counts, wide, y := q.counts, int32(b.wide), b.codes[:len(a.codes)] //nolint:gosec // checked in NewPairs
		for k, x := range a.codes {
			counts[x*wide+y[k]]++
		}
	})
}

// join finds the joint levels of a chunk.
func (g *group) join(t *table.Table, s *table.Schema, rows int) {
	g.codes = slices.Grow(g.codes[:0], rows)[:rows]
	for k, v := range g.fields {
		wide := int32(len(s.Fields[v].Levels) + 1) //nolint:gosec // checked in NewPairs
		if k == 0 {
			for i, c := range t.Columns[v].Codes[:rows] {
				g.codes[i] = c + 1
			}
			continue
		}
		for i, c := range t.Columns[v].Codes[:rows] {
			g.codes[i] = g.codes[i]*wide + c + 1
		}
	}
}

// spread calls work for 0 to n-1, on several threads where there are enough rows.
func spread(rows, n int, work func(i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	run := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			work(i)
		}
	}
	if rows*n > 1<<15 {
		for range min(tensor.Threads(), n) - 1 {
			wait.Go(run)
		}
	}
	run()
	wait.Wait()
}

// all lists the counts of all pairs of fields, in the order of a, then b.
func (p *Pairs) all() []pair {
	F := len(p.schema.Fields)
	out := make([]pair, 0, F*(F-1)/2)
	groupOf, placeOf := make([]int, F), make([]int, F)
	for g := range p.groups {
		for k, v := range p.groups[g].fields {
			groupOf[v], placeOf[v] = g, k
		}
	}
	tables := make(map[[2]int]*groupTable, len(p.tables))
	for i := range p.tables {
		tables[[2]int{p.tables[i].a, p.tables[i].b}] = &p.tables[i]
	}
	for a := range F {
		for b := a + 1; b < F; b++ {
			wide := len(p.schema.Fields[b].Levels) + 1
			q := pair{a: a, b: b, wide: wide, counts: make([]int64, (len(p.schema.Fields[a].Levels)+1)*wide)}
			t := tables[[2]int{groupOf[a], groupOf[b]}]
			high, low := p.digits(groupOf[a], placeOf[a]), p.digits(groupOf[b], placeOf[b])
			if t.a == t.b {
				for x, n := range t.counts {
					q.counts[high[x]*wide+low[x]] += n
				}
			} else {
				for x, u := range high {
					for y, v := range low {
						q.counts[u*wide+v] += t.counts[x*len(low)+y]
					}
				}
			}
			out = append(out, q)
		}
	}
	return out
}

// digits is the level, from 1, that a field of a group has in each joint level.
func (p *Pairs) digits(g, place int) []int {
	step := 1
	for _, v := range p.groups[g].fields[place+1:] {
		step *= len(p.schema.Fields[v].Levels) + 1
	}
	out := make([]int, p.groups[g].wide)
	for x := range out {
		out[x] = x / step % (len(p.schema.Fields[p.groups[g].fields[place]].Levels) + 1)
	}
	return out
}

// Merge adds the counts of other rows.
func (p *Pairs) Merge(o *Pairs) error {
	if len(p.schema.Fields) != len(o.schema.Fields) {
		return fault.E(fault.Invalid, "INVALID_TABLE", "structure.Merge", "pairs of %d and of %d fields",
			len(p.schema.Fields), len(o.schema.Fields))
	}
	for v, f := range p.schema.Fields {
		if len(f.Levels) != len(o.schema.Fields[v].Levels) {
			return fault.E(fault.Invalid, "INVALID_TABLE", "structure.Merge", "the field %q has %d and %d levels", f.Name,
				len(f.Levels), len(o.schema.Fields[v].Levels))
		}
	}
	p.Rows += o.Rows
	for i := range p.tables {
		for k, n := range o.tables[i].counts {
			p.tables[i].counts[k] += n
		}
	}
	return nil
}

// CountPairs streams a source.
func CountPairs(src table.Source) (*Pairs, error) {
	p, err := NewPairs(src.Schema())
	if err != nil {
		return nil, err
	}
	t := table.New(src.Schema(), chunkRows)
	for {
		rows, err := src.Next(t)
		p.Add(t, rows)
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// information is the mutual information of a pair in nats, over the rows in which neither cell is missing.
func (q *pair) information() float64 {
	high := len(q.counts) / q.wide
	rows, columns := make([]int64, high), make([]int64, q.wide)
	var total int64
	for i := 1; i < high; i++ {
		for j := 1; j < q.wide; j++ {
			n := q.counts[i*q.wide+j]
			rows[i] += n
			columns[j] += n
			total += n
		}
	}
	if total == 0 {
		return 0
	}
	var sum float64
	for i := 1; i < high; i++ {
		for j := 1; j < q.wide; j++ {
			if n := float64(q.counts[i*q.wide+j]); n > 0 {
				ratio := float64(n*float64(total)) / float64(float64(rows[i])*float64(columns[j]))
				sum += float64(n * tensor.LogF64(ratio))
			}
		}
	}
	return max(0, sum/float64(total))
}
