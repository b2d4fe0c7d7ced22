package table

import "math"

// Kind says what the cells of a field are.
type Kind uint8

// The kinds.
const (
	Categorical Kind = iota // one of Levels
	Numeric                 // a finite number
)

// Missing is the code of a categorical cell that is not known; a numeric one is NaN.
const Missing = -1

// Field describes a column. It is part of a model: what it says was declared, or inferred once from the training data.
type Field struct {
	Name    string   `json:"name"`
	Kind    Kind     `json:"kind"`
	Levels  []string `json:"levels,omitempty"`  // the domain of a categorical field, in the order of its codes
	Integer bool     `json:"integer,omitempty"` // a numeric field of whole numbers
	Min     float64  `json:"min,omitempty"`     // least and greatest value of a numeric field
	Max     float64  `json:"max,omitempty"`

	// Edges make levels of a column of numbers: level 0 holds what is below Edges[0], level i what is in
	// [Edges[i-1], Edges[i]), the last level the rest.
	Edges []float64 `json:"edges,omitempty"`
	// Other is the level of every text that is none of Levels, "" for an error.
	Other string `json:"other,omitempty"`
	// Missing are cells that mean "unknown" in this column, besides those of the schema.
	Missing []string `json:"missing,omitempty"`
}

// Schema is the fields of a table; names differ.
type Schema struct {
	Fields []Field `json:"fields"`
	// Missing are the cells that mean "unknown" in every column.
	Missing []string `json:"missing,omitempty"`
	// Derive says how fields are made that no column of a file holds.
	Derive []Derivation `json:"derive,omitempty"`
}

// Index finds a field by its name; -1 where there is none.
func (s *Schema) Index(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Column is the cells of one field: Codes of a categorical one, Numbers of a numeric one.
type Column struct {
	Codes   []int32
	Numbers []float64
}

// Table is some rows.
type Table struct {
	Schema  *Schema
	Rows    int
	Columns []Column // one a field, each of Rows cells
}

// New makes a table of missing cells.
func New(s *Schema, rows int) *Table {
	t := &Table{Schema: s, Rows: rows, Columns: make([]Column, len(s.Fields))}
	for i, f := range s.Fields {
		c := &t.Columns[i]
		if f.Kind == Categorical {
			c.Codes = make([]int32, rows)
			for j := range c.Codes {
				c.Codes[j] = Missing
			}
			continue
		}
		c.Numbers = make([]float64, rows)
		for j := range c.Numbers {
			c.Numbers[j] = math.NaN()
		}
	}
	return t
}

// Source gives a table in chunks, so that one larger than memory can be counted.
type Source interface {
	// Schema of every chunk.
	Schema() *Schema
	// Next fills t, which has the source's schema and room for t.Rows rows, from its start and returns how many rows
	// there are; io.EOF, with none, after the last.
	Next(t *Table) (rows int, err error)
}
