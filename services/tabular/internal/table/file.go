package table

import (
	"errors"
	"io"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Options say how a file is read.
type Options struct {
	Comma    rune     // the separator of a CSV; 0 is a comma
	NoHeader bool     // the first line of a CSV is data
	Names    []string // of the columns of a CSV without a header; nil: "0", "1", ...
	Limits   Limits
}

// File is a table in a file. It may be read by many at a time, if the reader that it was made of allows that.
type File struct {
	in      io.ReaderAt
	size    int64
	options Options
	parquet bool
	names   []string
}

// Open looks at the start of a file of size bytes: Parquet is known by its first four bytes, everything else is CSV
// (UTF-8, RFC 4180; white space around cells is dropped, empty lines are skipped).
func Open(in io.ReaderAt, size int64, o Options) (*File, error) {
	f := &File{in: in, size: size, options: o}
	var magic [4]byte
	if n, _ := in.ReadAt(magic[:], 0); n == 4 && string(magic[:]) == "PAR1" {
		f.parquet = true
	}
	r, err := f.Records()
	if err != nil {
		return nil, err
	}
	f.names = r.Names()
	return f, nil
}

// Names of the columns, in the order of the file.
func (f *File) Names() []string { return f.names }

// Records reads the file from its start.
func (f *File) Records() (Records, error) {
	if f.parquet {
		return newParquet(f.in, f.size, f.options.Limits)
	}
	return newCSV(io.NewSectionReader(f.in, 0, f.size), f.options)
}

// Source reads the file from its start as rows of the schema. Every field must be a column of the file, or be derived
// of such; columns that are no fields are left out.
func (f *File) Source(s *Schema) (Source, error) {
	r, err := f.Records()
	if err != nil {
		return nil, err
	}
	e, err := NewEncoder(s, f.names, true)
	if err != nil {
		return nil, err
	}
	return &fileSource{schema: s, records: r, encoder: e}, nil
}

// fileSource encodes records.
type fileSource struct {
	schema  *Schema
	records Records
	encoder *Encoder
	err     error // of an earlier call
}

// Schema implements Source.
func (s *fileSource) Schema() *Schema { return s.schema }

// Next implements Source.
func (s *fileSource) Next(t *Table) (int, error) {
	n := 0
	for ; n < t.Rows && s.err == nil; n++ {
		var cells []Cell
		cells, s.err = s.records.Next()
		if s.err != nil {
			break
		}
		s.err = s.encoder.Encode(t, n, cells, s.records.Line())
		if s.err != nil {
			return 0, s.err
		}
	}
	if s.err != nil && (n == 0 || !errors.Is(s.err, io.EOF)) {
		return 0, s.err
	}
	return n, nil
}

// ReadAll reads what is left of a source into one table, of at most limit rows.
func ReadAll(s Source, limit int) (*Table, error) {
	all := New(s.Schema(), 0)
	chunk := New(s.Schema(), 4096)
	for {
		n, err := s.Next(chunk)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if all.Rows+n > limit {
			return nil, fault.E(fault.Invalid, "TOO_MANY_ROWS", "table.ReadAll", "more than %d rows", limit)
		}
		for i := range all.Columns {
			all.Columns[i].append(&chunk.Columns[i], n)
		}
		all.Rows += n
	}
}

func (c *Column) append(from *Column, n int) {
	if from.Codes != nil {
		c.Codes = append(c.Codes, from.Codes[:n]...)
		return
	}
	c.Numbers = append(c.Numbers, from.Numbers[:n]...)
}

// memory is a table as a source.
type memory struct {
	t  *Table
	at int
}

// FromTable is a source of the rows of a table in memory.
func FromTable(t *Table) Source { return &memory{t: t} }

// Schema implements Source.
func (m *memory) Schema() *Schema { return m.t.Schema }

// Next implements Source.
func (m *memory) Next(t *Table) (int, error) {
	n := min(t.Rows, m.t.Rows-m.at)
	if n == 0 && t.Rows > 0 {
		return 0, io.EOF
	}
	for i := range t.Columns {
		from, to := &m.t.Columns[i], &t.Columns[i]
		if from.Codes != nil {
			copy(to.Codes, from.Codes[m.at:m.at+n])
		} else {
			copy(to.Numbers, from.Numbers[m.at:m.at+n])
		}
	}
	m.at += n
	return n, nil
}

// Take copies some rows of a table, in the order of their indices.
func (t *Table) Take(rows []int) *Table {
	out := New(t.Schema, len(rows))
	for i := range t.Columns {
		from, to := &t.Columns[i], &out.Columns[i]
		for j, r := range rows {
			if from.Codes != nil {
				to.Codes[j] = from.Codes[r]
			} else {
				to.Numbers[j] = from.Numbers[r]
			}
		}
	}
	return out
}

// View is the rows of t from up to, not including, to; it shares their memory.
func (t *Table) View(from, to int) *Table {
	v := &Table{Schema: t.Schema, Rows: to - from, Columns: make([]Column, len(t.Columns))}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Codes != nil {
			v.Columns[i].Codes = c.Codes[from:to]
		} else {
			v.Columns[i].Numbers = c.Numbers[from:to]
		}
	}
	return v
}

// Fill calls Next until t is full or the source has ended, so that how many rows a Next gives does not matter. It
// returns io.EOF with no rows after the last.
func Fill(s Source, t *Table) (int, error) {
	n := 0
	for n < t.Rows {
		k, err := s.Next(t.View(n, t.Rows))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		n += k
	}
	if n == 0 && t.Rows > 0 {
		return 0, io.EOF
	}
	return n, nil
}
