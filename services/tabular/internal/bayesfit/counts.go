package bayesfit

import (
	"errors"
	"io"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// chunkRows is the rows that are read from a source at a time.
const chunkRows = 8192

// Counts is what maximum likelihood needs of a table: for every field how often each level occurs under each
// configuration of its parents or, of a numeric field, sums and products. A row counts for a field where neither its
// cell nor those of its parents are missing.
type Counts struct {
	Rows    int64
	schema  *table.Schema
	parents [][]int
	split   [][2][]int // categorical and numeric parents
	tables  [][]int64  // [Q, R] of a categorical field
	moments [][]moment // [Q] of a numeric one
	shift   []float64  // the middle of a numeric field's range, taken off for the sake of precision
	noise   *bayesnet.Privacy
}

// moment is sums over rows of z, which is 1, the numeric parents and the field: n, z and z z'.
type moment struct {
	n       int64
	product []float64 // [N+2, N+2], the lower triangle
}

// NewCounts makes room for counts, none so far. Parents are as in bayesnet.New; too large a table is an error.
func NewCounts(s *table.Schema, parents [][]int) (*Counts, error) {
	const op = "bayesfit.NewCounts"
	F := len(s.Fields)
	if len(parents) != F {
		return nil, fault.E(fault.Invalid, "INVALID_NETWORK", op, "parents of %d fields, there are %d", len(parents), F)
	}
	c := &Counts{schema: s, parents: parents, split: make([][2][]int, F), tables: make([][]int64, F),
		moments: make([][]moment, F), shift: make([]float64, F)}
	total := 0
	for v, list := range parents {
		f := &s.Fields[v]
		q := 1
		for i, p := range list {
			if p < 0 || p >= F || p == v || slices.Contains(list[:i], p) {
				return nil, fault.E(fault.Invalid, "INVALID_NETWORK", op, "field %q has the parent %d; parents differ and are "+
					"other fields, 0 to %d", f.Name, p, F-1)
			}
			kind := s.Fields[p].Kind
			if kind == table.Numeric && f.Kind == table.Categorical {
				return nil, fault.E(fault.Invalid, "INVALID_NETWORK", op,
					"the numeric field %q cannot be a parent of the categorical field %q", s.Fields[p].Name, f.Name)
			}
			if kind == table.Categorical {
				q = min(q*max(1, len(s.Fields[p].Levels)), bayesnet.MaxTable+1)
			}
			c.split[v][kind] = append(c.split[v][kind], p)
		}
		cells := max(1, len(f.Levels))
		if f.Kind == table.Numeric {
			cells = (len(c.split[v][table.Numeric]) + 2) * (len(c.split[v][table.Numeric]) + 2)
			c.shift[v] = (f.Min + f.Max) / 2
		}
		if q > bayesnet.MaxTable/cells || total > 4*bayesnet.MaxTable-q*cells {
			return nil, fault.E(fault.Overloaded, "TABLE_TOO_LARGE", op,
				"the table of %q under its %d parents has more than %d "+
					"cells, or all together more than %d; allow fewer parents", f.Name, len(list), bayesnet.MaxTable,
				4*bayesnet.MaxTable)
		}
		total += q * cells
		if f.Kind == table.Categorical {
			c.tables[v] = make([]int64, q*cells)
			continue
		}
		c.moments[v] = make([]moment, q)
		for i := range c.moments[v] {
			c.moments[v][i].product = make([]float64, cells)
		}
	}
	return c, nil
}

// Add counts the first rows of a table of the same schema.
func (c *Counts) Add(t *table.Table, rows int) {
	c.Rows += int64(rows)
	at := make([]int, rows)
	for v := range c.parents {
		for i := range at {
			at[i] = 0
		}
		for _, p := range c.split[v][table.Categorical] {
			step(at, t.Columns[p].Codes[:rows], len(c.schema.Fields[p].Levels))
		}
		if c.tables[v] == nil {
			c.addNumbers(v, t, at)
			continue
		}
		step(at, t.Columns[v].Codes[:rows], len(c.schema.Fields[v].Levels))
		counts := c.tables[v]
		for _, k := range at {
			if k >= 0 {
				counts[k]++
			}
		}
	}
}

// step appends a digit to every index; a missing one makes it negative for good.
func step(at []int, codes []int32, levels int) {
	for i, code := range codes {
		if at[i] < 0 || code < 0 || int(code) >= levels {
			at[i] = -1
			continue
		}
		at[i] = at[i]*levels + int(code)
	}
}

func (c *Counts) addNumbers(v int, t *table.Table, at []int) {
	fields := append(slices.Clone(c.split[v][table.Numeric]), v)
	m := len(fields) + 1
	z := make([]float64, m)
	z[0] = 1
rows:
	for i, q := range at {
		if q < 0 {
			continue
		}
		for k, f := range fields {
			z[k+1] = t.Columns[f].Numbers[i] - c.shift[f]
			if math.IsNaN(z[k+1]) || math.IsInf(z[k+1], 0) {
				continue rows
			}
		}
		w := &c.moments[v][q]
		w.n++
		for a := range m {
			for b := range a + 1 {
				w.product[a*m+b] += float64(z[a] * z[b])
			}
		}
	}
}

// Merge adds the counts of other rows under the same structure.
func (c *Counts) Merge(o *Counts) error {
	if len(o.parents) != len(c.parents) {
		return fault.E(fault.Invalid, "INVALID_NETWORK", "bayesfit.Merge", "counts of %d and of %d fields", len(c.parents),
			len(o.parents))
	}
	for v := range c.parents {
		if !slices.Equal(c.parents[v], o.parents[v]) || len(c.tables[v]) != len(o.tables[v]) || c.shift[v] != o.shift[v] {
			return fault.E(fault.Invalid, "INVALID_NETWORK", "bayesfit.Merge",
				"the counts of %q are under different parents, levels or ranges", c.schema.Fields[v].Name)
		}
	}
	if c.noise != nil || o.noise != nil {
		return fault.E(fault.Invalid, "PRIVATE_COUNTS", "bayesfit.Merge", "counts with noise do not merge")
	}
	c.Rows += o.Rows
	for v := range c.parents {
		for i, n := range o.tables[v] {
			c.tables[v][i] += n
		}
		for q := range c.moments[v] {
			a, b := &c.moments[v][q], &o.moments[v][q]
			a.n += b.n
			for i, x := range b.product {
				a.product[i] += x
			}
		}
	}
	return nil
}

// Count streams a source.
func Count(src table.Source, parents [][]int) (*Counts, error) {
	c, err := NewCounts(src.Schema(), parents)
	if err != nil {
		return nil, err
	}
	t := table.New(src.Schema(), chunkRows)
	for {
		rows, err := src.Next(t)
		c.Add(t, rows)
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Table is the counts of a categorical field, [Q, R]; it must not be changed.
func (c *Counts) Table(v int) []int64 { return c.tables[v] }
