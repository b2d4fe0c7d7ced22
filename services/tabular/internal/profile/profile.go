// Package profile summarises tables: what each column holds, and which columns tell something about which.
//
// Invariants:
//   - One pass over the rows, whose chunks do not change a bit; memory depends on the schema alone.
//   - Everything that a profile says of a model's training data is part of the model.
package profile

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/tensor"
)

const (
	bins         = 20   // bars of a numeric field
	chunk        = 8192 // rows
	mostPairs    = 100  // associations that are kept
	pairedFields = 40   // fields that are paired with each other, the first ones
	pairedLevels = 64   // levels that are told apart in pairs; the others are one
)

// Profile summarises the rows of a table.
type Profile struct {
	Rows   int64   `json:"rows"`
	Fields []Field `json:"fields"` // in the order of the schema
	Pairs  []Pair  `json:"pairs,omitempty"`
}

// Field summarises a column.
type Field struct {
	Missing int64 `json:"missing,omitempty"`
	// Counts of each level, or in each bin between two Edges of a numeric field, the last one with its upper edge.
	Counts    []int64   `json:"counts"`
	Edges     []float64 `json:"edges,omitempty"`
	Mean      float64   `json:"mean,omitempty"`
	Deviation float64   `json:"deviation,omitempty"` // of the rows, not of a sample of them
}

// Pair is how much two fields tell about each other.
type Pair struct {
	A           int     `json:"a"`
	B           int     `json:"b"`
	Information float64 `json:"information"` // mutual, nats
}

// collector is a pass over rows.
type collector struct {
	schema *table.Schema
	fields []Field
	mean   []float64 // running, of numeric fields
	square []float64 // sum of squared distances from it
	known  []int64
	cells  [][]int32 // of a chunk: level or bin by field, -1 for missing
	paired int
	pairs  [][]int64 // by A*paired+B: counts of both, A's level first
}

// Edges are the borders of the bins that a numeric field is shown in: of whole numbers one each, if there are few.
func Edges(f *table.Field) []float64 {
	n, lo, hi := bins, f.Min, f.Max
	if f.Integer && hi-lo < bins {
		n, hi = int(hi-lo)+1, hi+1
	}
	if !(hi > lo) {
		hi = lo + 1
	}
	e := make([]float64, n+1)
	for i := range e {
		e[i] = lo + float64((hi-lo)*(float64(i)/float64(n)))
	}
	return e
}

// Bin is the place of x among the bins between edges; what lies outside is in the first or the last one.
func Bin(edges []float64, x float64) int {
	i, found := slices.BinarySearch(edges, x)
	if !found {
		i--
	}
	return min(max(i, 0), len(edges)-2)
}

// Of summarises the rows of a source. The errors are the source's, and that of ctx.
func Of(ctx context.Context, s table.Source) (*Profile, error) {
	schema := s.Schema()
	n := len(schema.Fields)
	c := &collector{schema: schema, fields: make([]Field, n), mean: make([]float64, n), square: make([]float64, n),
		known: make([]int64, n), cells: make([][]int32, n), paired: min(n, pairedFields)}
	for i := range schema.Fields {
		f := &schema.Fields[i]
		levels := len(f.Levels)
		if f.Kind == table.Numeric {
			c.fields[i].Edges = Edges(f)
			levels = len(c.fields[i].Edges) - 1
		}
		c.fields[i].Counts = make([]int64, levels)
		c.cells[i] = make([]int32, chunk)
	}
	c.pairs = make([][]int64, c.paired*c.paired)
	for a := range c.paired {
		for b := a + 1; b < c.paired; b++ {
			c.pairs[a*c.paired+b] = make([]int64, c.width(a)*c.width(b))
		}
	}
	t := table.New(schema, chunk)
	var rows int64
	for {
		got, err := s.Next(t)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		c.take(t, got)
		rows += int64(got)
	}
	return c.profile(rows), nil
}

// width is the number of levels of a field in pairs.
func (c *collector) width(field int) int { return min(len(c.fields[field].Counts), pairedLevels) }

func (c *collector) take(t *table.Table, rows int) {
	for i := range c.fields {
		f, cells := &c.fields[i], c.cells[i][:rows]
		if codes := t.Columns[i].Codes; codes != nil {
			copy(cells, codes)
		} else {
			for r, x := range t.Columns[i].Numbers[:rows] {
				cells[r] = table.Missing
				if x == x {
					cells[r] = int32(Bin(f.Edges, x))
					c.known[i]++
					d := x - c.mean[i]
					c.mean[i] += d / float64(c.known[i])
					c.square[i] += float64(d * (x - c.mean[i]))
				}
			}
		}
		for _, k := range cells {
			if k < 0 {
				f.Missing++
				continue
			}
			f.Counts[k]++
		}
	}
	for a := range c.paired {
		for b := a + 1; b < c.paired; b++ {
			both, width := c.pairs[a*c.paired+b], int32(c.width(b))
			top := int32(c.width(a) - 1)
			for r, k := range c.cells[a][:rows] {
				if l := c.cells[b][r]; k >= 0 && l >= 0 {
					both[min(k, top)*width+min(l, width-1)]++
				}
			}
		}
	}
}

func (c *collector) profile(rows int64) *Profile {
	p := &Profile{Rows: rows, Fields: c.fields}
	for i := range c.fields {
		if c.schema.Fields[i].Kind == table.Numeric && c.known[i] > 0 {
			c.fields[i].Mean = c.mean[i]
			c.fields[i].Deviation = math.Sqrt(c.square[i] / float64(c.known[i]))
		}
	}
	for a := range c.paired {
		for b := a + 1; b < c.paired; b++ {
			if mi := MutualInformation(c.pairs[a*c.paired+b], c.width(b)); mi > 0 {
				p.Pairs = append(p.Pairs, Pair{A: a, B: b, Information: mi})
			}
		}
	}
	slices.SortStableFunc(p.Pairs, func(a, b Pair) int {
		switch {
		case a.Information > b.Information:
			return -1
		case a.Information < b.Information:
			return 1
		}
		return 0
	})
	p.Pairs = p.Pairs[:min(len(p.Pairs), mostPairs)]
	return p
}

// MutualInformation of two variables in nats, from the counts of both, columns of one row side by side.
func MutualInformation(counts []int64, columns int) float64 {
	rows := len(counts) / max(columns, 1)
	down, across := make([]int64, rows), make([]int64, columns)
	var n int64
	for i, k := range counts {
		down[i/columns] += k
		across[i%columns] += k
		n += k
	}
	var sum float64
	for i, k := range counts {
		if k > 0 {
			ratio := (float64(k) / float64(down[i/columns])) * (float64(n) / float64(across[i%columns]))
			sum += float64(float64(k) * tensor.LogF64(ratio))
		}
	}
	if n == 0 {
		return 0
	}
	return max(0, sum/float64(n))
}

// Plus is the profile of both rows together; associations are those of the larger part.
func (p *Profile) Plus(q *Profile) *Profile {
	sum := &Profile{Rows: p.Rows + q.Rows, Fields: make([]Field, len(p.Fields)), Pairs: p.Pairs}
	if q.Rows > p.Rows {
		sum.Pairs = q.Pairs
	}
	for i := range p.Fields {
		a, b := &p.Fields[i], &q.Fields[i]
		f := &sum.Fields[i]
		*f = Field{Missing: a.Missing + b.Missing, Counts: slices.Clone(a.Counts), Edges: a.Edges}
		for k, n := range b.Counts {
			f.Counts[k] += n
		}
		n, m := float64(p.Rows-a.Missing), float64(q.Rows-b.Missing)
		if len(a.Edges) == 0 || n+m == 0 {
			continue
		}
		d := b.Mean - a.Mean
		f.Mean = a.Mean + float64(d*(m/(n+m)))
		square := float64(n*float64(a.Deviation*a.Deviation)) + float64(m*float64(b.Deviation*b.Deviation)) +
			float64(float64(d*d)*float64(n*(m/(n+m))))
		f.Deviation = math.Sqrt(square / (n + m))
	}
	return sum
}
