package structure

import (
	"errors"
	"io"
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

// Pairs is how often each two levels of each two fields occur together. It takes one pass over the rows and memory that
// does not grow with them.
type Pairs struct {
	Rows   int64
	schema *table.Schema
	pairs  []pair
}

// pair is the counts of a < b: [levels of a + 1, levels of b + 1], the first row and column for missing cells.
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
	total := 0.0
	for b := range s.Fields {
		for a := range b {
			total += float64((len(s.Fields[a].Levels) + 1) * (len(s.Fields[b].Levels) + 1))
		}
	}
	if total > maxPairCells {
		return nil, fault.E(fault.Overloaded, "TABLE_TOO_LARGE", op,
			"the counts of all pairs of %d fields have %.3g cells, at most %d are made: leave out fields with many levels",
			len(s.Fields), total, maxPairCells)
	}
	for a := range s.Fields {
		for b := a + 1; b < len(s.Fields); b++ {
			wide := len(s.Fields[b].Levels) + 1
			p.pairs = append(p.pairs, pair{a: a, b: b, wide: wide, counts: make([]int64, (len(s.Fields[a].Levels)+1)*wide)})
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

// Add counts the first rows of a table, the pairs spread over threads.
func (p *Pairs) Add(t *table.Table, rows int) {
	p.Rows += int64(rows)
	var next atomic.Int64
	var wait sync.WaitGroup
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(p.pairs) {
				return
			}
			q := &p.pairs[i]
			q.add(t.Columns[q.a].Codes[:rows], t.Columns[q.b].Codes[:rows])
		}
	}
	threads := 1
	if rows*len(p.pairs) > 1<<16 {
		threads = min(tensor.Threads(), len(p.pairs))
	}
	for range threads - 1 {
		wait.Go(work)
	}
	work()
	wait.Wait()
}

// add counts the cells of two columns. A missing cell, -1, has the first row or column.
func (q *pair) add(a, b []int32) {
	b = b[:len(a)]
	counts, wide := q.counts, int32(q.wide) //nolint:gosec // at most MaxLevels
	first := wide + 1
	for i, x := range a {
		counts[x*wide+b[i]+first]++
	}
}

// Merge adds the counts of other rows.
func (p *Pairs) Merge(o *Pairs) error {
	if len(p.pairs) != len(o.pairs) {
		return fault.E(fault.Invalid, "INVALID_TABLE", "structure.Merge", "pairs of %d and of %d fields",
			len(p.schema.Fields), len(o.schema.Fields))
	}
	for i := range p.pairs {
		if len(p.pairs[i].counts) != len(o.pairs[i].counts) || p.pairs[i].wide != o.pairs[i].wide {
			return fault.E(fault.Invalid, "INVALID_TABLE", "structure.Merge", "the field %q or %q has other levels",
				p.schema.Fields[p.pairs[i].a].Name, p.schema.Fields[p.pairs[i].b].Name)
		}
	}
	p.Rows += o.Rows
	for i := range p.pairs {
		for k, n := range o.pairs[i].counts {
			p.pairs[i].counts[k] += n
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
