package table

import (
	"encoding/csv"
	"io"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Writer takes rows of one schema; Close ends the file and does not close what it is written to.
type Writer interface {
	// Write adds the first rows of a table.
	Write(t *Table, rows int) error
	Close() error
}

// NewCSVWriter writes a header and then rows. A missing cell is the schema's first marker, "" if it has that or none.
func NewCSVWriter(w io.Writer, s *Schema) (Writer, error) {
	c := &csvWriter{w: csv.NewWriter(w), schema: s, record: make([]string, len(s.Fields))}
	if len(s.Missing) > 0 && !slices.Contains(s.Missing, "") {
		c.missing = s.Missing[0]
	}
	for i := range s.Fields {
		c.record[i] = s.Fields[i].Name
	}
	return c, c.w.Write(c.record)
}

type csvWriter struct {
	w       *csv.Writer
	schema  *Schema
	record  []string
	missing string
}

// Write implements Writer.
func (c *csvWriter) Write(t *Table, rows int) error {
	for i := range rows {
		for j := range c.schema.Fields {
			c.record[j] = t.Text(i, j, c.missing)
		}
		if err := c.w.Write(c.record); err != nil {
			return fault.Wrap("table.Write", err)
		}
	}
	return nil
}

// Close implements Writer.
func (c *csvWriter) Close() error {
	c.w.Flush()
	return fault.Wrap("table.Write", c.w.Error())
}

// Text is a cell as text, missing if it is not known.
func (t *Table) Text(row, field int, missing string) string {
	f, c := &t.Schema.Fields[field], &t.Columns[field]
	if f.Kind == Categorical {
		if code := c.Codes[row]; code != Missing {
			return f.Levels[code]
		}
		return missing
	}
	if x := c.Numbers[row]; !math.IsNaN(x) {
		return FormatNumber(x)
	}
	return missing
}

// NewParquetWriter writes categories as strings with a dictionary, whole numbers as INT64, others as DOUBLE, missing
// cells as nulls. The columns are in the order of their names, as the library has it.
func NewParquetWriter(w io.Writer, s *Schema) (Writer, error) {
	group := parquet.Group{}
	for i := range s.Fields {
		f := &s.Fields[i]
		switch {
		case f.Kind == Categorical:
			group[f.Name] = parquet.Optional(parquet.Encoded(parquet.String(), &parquet.RLEDictionary))
		case f.Integer:
			group[f.Name] = parquet.Optional(parquet.Int(64))
		default:
			group[f.Name] = parquet.Optional(parquet.Leaf(parquet.DoubleType))
		}
	}
	schema := parquet.NewSchema("table", group)
	p := &parquetWriter{w: parquet.NewGenericWriter[any](w, schema, parquet.Compression(&parquet.Snappy)), schema: s}
	for _, path := range schema.Columns() {
		p.order = append(p.order, s.Index(path[0]))
	}
	return p, nil
}

type parquetWriter struct {
	w      *parquet.GenericWriter[any]
	schema *Schema
	order  []int // field of each column
	row    parquet.Row
}

// Write implements Writer.
func (p *parquetWriter) Write(t *Table, rows int) error {
	for i := range rows {
		p.row = p.row[:0]
		for at, j := range p.order {
			p.row = append(p.row, p.value(t, i, j, at))
		}
		if _, err := p.w.WriteRows([]parquet.Row{p.row}); err != nil {
			return fault.Wrap("table.Write", err)
		}
	}
	return nil
}

func (p *parquetWriter) value(t *Table, row, field, at int) parquet.Value {
	f, c := &p.schema.Fields[field], &t.Columns[field]
	if f.Kind == Categorical {
		if code := c.Codes[row]; code != Missing {
			return parquet.ByteArrayValue([]byte(f.Levels[code])).Level(0, 1, at)
		}
		return parquet.NullValue().Level(0, 0, at)
	}
	x := c.Numbers[row]
	switch {
	case math.IsNaN(x):
		return parquet.NullValue().Level(0, 0, at)
	case f.Integer:
		return parquet.Int64Value(int64(x)).Level(0, 1, at)
	}
	return parquet.DoubleValue(x).Level(0, 1, at)
}

// Close implements Writer.
func (p *parquetWriter) Close() error { return fault.Wrap("table.Write", p.w.Close()) }
