// Package design turns rows of a table into vectors of numbers: numbers standardised, levels one-hot.
package design

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Columns says which numbers a row becomes. A number that is missing is its mean, that is 0; a level that is missing is
// a level of its own if the data that it was made from lack any, and otherwise no level.
type Columns struct {
	Width  int      `json:"width"`
	Fields []Column `json:"fields"` // one a field of the schema
}

// Column is one field's part of a vector.
type Column struct {
	From    int     `json:"from"`              // its first number; -1 where the field is left out
	Levels  int     `json:"levels,omitempty"`  // of a categorical field
	Missing bool    `json:"missing,omitempty"` // one more number, for a missing level
	Mean    float64 `json:"mean,omitempty"`
	Scale   float64 `json:"scale,omitempty"` // the standard deviation (over n), 1 where it is 0
}

// Fit looks at a table; the fields of skip are left out. Sums go from the first row to the last.
func Fit(t *table.Table, skip ...int) Columns {
	d := Columns{Fields: make([]Column, len(t.Columns))}
	for j := range t.Columns {
		c := &d.Fields[j]
		c.From = d.Width
		for _, s := range skip {
			if s == j {
				c.From = -1
			}
		}
		if c.From < 0 {
			continue
		}
		if codes := t.Columns[j].Codes; codes != nil {
			c.Levels = len(t.Schema.Fields[j].Levels)
			for _, k := range codes {
				c.Missing = c.Missing || k < 0
			}
			d.Width += c.Levels
			if c.Missing {
				d.Width++
			}
			continue
		}
		c.Mean, c.Scale = moments(t.Columns[j].Numbers)
		d.Width++
	}
	return d
}

func moments(x []float64) (mean, deviation float64) {
	n, sum := 0, 0.0
	for _, v := range x {
		if v == v {
			n++
			sum += v
		}
	}
	if n == 0 {
		return 0, 1
	}
	mean = sum / float64(n)
	square := 0.0
	for _, v := range x {
		if v == v {
			d := v - mean
			square += float64(d * d)
		}
	}
	if deviation = math.Sqrt(square / float64(n)); !(deviation > float64(1e-12*math.Abs(mean))) {
		return mean, 1
	}
	return mean, deviation
}

// Check refuses stored columns that do not fit a schema.
func (d *Columns) Check(s *table.Schema) error {
	width := 0
	ok := len(d.Fields) == len(s.Fields)
	for j := 0; ok && j < len(d.Fields); j++ {
		c := &d.Fields[j]
		if c.From < 0 {
			continue
		}
		ok = c.From == width && c.Mean-c.Mean == 0
		if s.Fields[j].Kind == table.Categorical {
			ok = ok && c.Levels == len(s.Fields[j].Levels)
			width += c.Levels
			if c.Missing {
				width++
			}
			continue
		}
		ok = ok && c.Scale > 0 && !math.IsInf(c.Scale, 1)
		width++
	}
	if !ok || width != d.Width {
		return fault.E(fault.Corrupt, "BAD_DESIGN", "design.Check", "columns that do not fit the schema")
	}
	return nil
}

// Entry is one number of a vector that is not 0.
type Entry struct {
	At    int
	Value float64
}

// Row appends the vector of a row, without its zeros, to dst; one entry a field at most.
func (d *Columns) Row(dst []Entry, t *table.Table, row int) []Entry {
	for j := range d.Fields {
		if e, ok := d.Cell(t, row, j); ok {
			dst = append(dst, e)
		}
	}
	return dst
}

// Cell is a field's part of a row's vector.
func (d *Columns) Cell(t *table.Table, row, j int) (e Entry, ok bool) {
	c := &d.Fields[j]
	if c.From < 0 {
		return e, false
	}
	if codes := t.Columns[j].Codes; codes != nil {
		k := int(codes[row])
		if k < 0 {
			k = c.Levels
		}
		return Entry{c.From + k, 1}, k < c.Levels || c.Missing
	}
	x := (t.Columns[j].Numbers[row] - c.Mean) / c.Scale
	return Entry{c.From, x}, x == x
}
