package naivebayes

import (
	"errors"
	"io"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// blockRows is how many rows are summed at a time. It is part of what a fit is.
const blockRows = 4096

// Statistics are all that a model needs to know of its data. Those of two parts of a table can be added.
type Statistics struct {
	Rows    int64        `json:"rows"`    // with a known class
	Classes []int64      `json:"classes"` // rows of each class
	Fields  []Sufficient `json:"fields"`  // one a field of the schema; the target's is empty
}

// Sufficient is what is known of one field. Which parts are used depends on its kind.
type Sufficient struct {
	Counts []int64   `json:"counts,omitempty"` // [C, levels], of categories and of bits
	N      []int64   `json:"n,omitempty"`      // [C], known cells of a Gaussian field
	Mean   []float64 `json:"mean,omitempty"`   // [C]
	M2     []float64 `json:"m2,omitempty"`     // [C], sum of squared distances from the mean
	Sum    []float64 `json:"sum,omitempty"`    // [C], of a field of counts
}

func newStatistics(s *table.Schema, c *Config) *Statistics {
	classes := len(s.Fields[c.Target].Levels)
	st := &Statistics{Classes: make([]int64, classes), Fields: make([]Sufficient, len(s.Fields))}
	for j := range s.Fields {
		f := &st.Fields[j]
		switch c.Kinds[j] {
		case Categorical:
			f.Counts = make([]int64, classes*len(s.Fields[j].Levels))
		case Bernoulli:
			f.Counts = make([]int64, classes*2)
		case Gaussian:
			f.N, f.Mean, f.M2 = make([]int64, classes), make([]float64, classes), make([]float64, classes)
		case Multinomial, Complement:
			f.Sum = make([]float64, classes)
		}
	}
	return st
}

// Merge is the statistics of the rows of both, a's first. Counts do not depend on how rows were divided; means may
// differ in their last bit.
func Merge(a, b *Statistics) *Statistics {
	m := &Statistics{Rows: a.Rows, Classes: slices.Clone(a.Classes), Fields: slices.Clone(a.Fields)}
	for j := range m.Fields {
		f := &m.Fields[j]
		f.Counts, f.N, f.Sum = slices.Clone(f.Counts), slices.Clone(f.N), slices.Clone(f.Sum)
		f.Mean, f.M2 = slices.Clone(f.Mean), slices.Clone(f.M2)
	}
	m.add(b)
	return m
}

func (s *Statistics) add(b *Statistics) {
	s.Rows += b.Rows
	addInts(s.Classes, b.Classes)
	for j := range s.Fields {
		f, g := &s.Fields[j], &b.Fields[j]
		addInts(f.Counts, g.Counts)
		for c := range f.Sum {
			f.Sum[c] += g.Sum[c]
		}
		for c := range f.N {
			f.N[c], f.Mean[c], f.M2[c] = pool(f.N[c], f.Mean[c], f.M2[c], g.N[c], g.Mean[c], g.M2[c])
		}
	}
}

// pool joins two groups of numbers.
func pool(na int64, ma, sa float64, nb int64, mb, sb float64) (n int64, mean, m2 float64) {
	n = na + nb
	if na == 0 || nb == 0 {
		return n, ma + mb, sa + sb // those of no rows are 0
	}
	d, share := mb-ma, float64(nb)/float64(n)
	return n, ma + float64(d*share), sa + sb + float64(float64(d*d)*float64(float64(na)*share))
}

func addInts(a, b []int64) {
	for i := range a {
		a[i] += b[i]
	}
}

// collect sums a source.
func collect(src table.Source, c *Config) (*Statistics, error) {
	s := src.Schema()
	all, block := newStatistics(s, c), table.New(s, blockRows)
	part := newStatistics(s, c)
	for at := int64(0); ; at += blockRows {
		n, err := table.Fill(src, block)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		part.reset()
		if err := part.sum(block, n, c, at); err != nil {
			return nil, err
		}
		all.add(part)
	}
}

func (s *Statistics) reset() {
	s.Rows = 0
	clear(s.Classes)
	for j := range s.Fields {
		f := &s.Fields[j]
		clear(f.Counts)
		clear(f.N)
		clear(f.Mean)
		clear(f.M2)
		clear(f.Sum)
	}
}

// sum adds the first n rows of a block to statistics that are zero.
func (s *Statistics) sum(t *table.Table, n int, c *Config, at int64) error {
	class := t.Columns[c.Target].Codes[:n]
	for _, k := range class {
		if k >= 0 {
			s.Classes[k]++
			s.Rows++
		}
	}
	for j := range s.Fields {
		f, col := &s.Fields[j], &t.Columns[j]
		switch c.Kinds[j] {
		case Categorical:
			levels := int32(len(t.Schema.Fields[j].Levels))
			for i, v := range col.Codes[:n] {
				if k := class[i]; k >= 0 && v >= 0 {
					f.Counts[k*levels+v]++
				}
			}
		case Bernoulli:
			for i, x := range col.Numbers[:n] {
				if k := class[i]; k >= 0 && x == x {
					f.Counts[2*k+bit(x, c.Threshold)]++
				}
			}
		case Gaussian:
			f.moments(col.Numbers[:n], class)
		case Multinomial, Complement:
			for i, x := range col.Numbers[:n] {
				if x < 0 {
					return fault.E(fault.Invalid, "NEGATIVE_COUNT", "naivebayes.Fit",
						"row %d, column %.80q: %g, a multinomial field has counts of at least 0", at+int64(i)+1,
						t.Schema.Fields[j].Name, x)
				}
				if k := class[i]; k >= 0 && x == x {
					f.Sum[k] += x
				}
			}
		}
	}
	return nil
}

// moments takes the mean, and then the squared distances from it, of each class.
func (f *Sufficient) moments(x []float64, class []int32) {
	for i, v := range x {
		if k := class[i]; k >= 0 && v == v {
			f.N[k]++
			f.Mean[k] += v
		}
	}
	for k, n := range f.N {
		if n > 0 {
			f.Mean[k] /= float64(n)
		}
	}
	for i, v := range x {
		if k := class[i]; k >= 0 && v == v {
			d := v - f.Mean[k]
			f.M2[k] += float64(d * d)
		}
	}
}

func bit(x, threshold float64) int32 {
	if x > threshold {
		return 1
	}
	return 0
}
