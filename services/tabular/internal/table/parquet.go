package table

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/manifold-gen/manifold/shared/fault"
)

// parquetBatch is how many rows are read at a time.
const parquetBatch = 256

// parquetReader reads the flat columns of a Parquet file.
type parquetReader struct {
	file    *parquet.File
	limits  Limits
	names   []string
	leaves  []leaf
	group   int
	rows    parquet.Rows
	batch   []parquet.Row
	at, n   int
	row     int64
	numbers []Cell
}

// leaf is how the values of a column are read.
type leaf struct {
	kind     parquet.Kind
	unsigned bool
	scale    float64 // of a decimal, a power of ten; otherwise 1
}

func newParquet(in io.ReaderAt, size int64, l Limits) (r *parquetReader, err error) {
	const op = "table.Open"
	defer guard(op, &err)
	f, err := parquet.OpenFile(in, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return nil, fault.E(fault.Corrupt, "BAD_PARQUET", op, "%w", err)
	}
	r = &parquetReader{file: f, limits: l.orDefault(), batch: make([]parquet.Row, parquetBatch)}
	if f.NumRows() > r.limits.Rows {
		return nil, fault.E(fault.Corrupt, "TOO_MANY_ROWS", op, "%d rows, at most %d are allowed", f.NumRows(),
			r.limits.Rows)
	}
	for _, path := range f.Schema().Columns() {
		name := strings.Join(path, ".")
		c, _ := f.Schema().Lookup(path...)
		if c.MaxRepetitionLevel > 0 {
			return nil, fault.E(fault.Corrupt, "NESTED_COLUMN", op, "column %s holds lists, only flat columns are read",
				quote(name))
		}
		v := leaf{kind: c.Node.Type().Kind(), scale: 1}
		if v.kind == parquet.Int96 {
			return nil, fault.E(fault.Corrupt, "UNKNOWN_TYPE", op, "column %s is of the type INT96", quote(name))
		}
		if logical := c.Node.Type().LogicalType(); logical != nil {
			if err := v.logical(logical, name); err != nil {
				return nil, err
			}
		}
		r.names = append(r.names, name)
		r.leaves = append(r.leaves, v)
	}
	r.numbers = make([]Cell, len(r.names))
	return r, checkNames(r.names, r.limits)
}

// logical takes what changes the meaning of a number.
func (v *leaf) logical(t *format.LogicalType, name string) error {
	switch t := t.Value.(type) {
	case *format.IntType:
		v.unsigned = !t.IsSigned
	case *format.DecimalType:
		if v.kind != parquet.Int32 && v.kind != parquet.Int64 || t.Scale < 0 || int(t.Scale) >= len(powers) {
			return fault.E(fault.Corrupt, "UNKNOWN_TYPE", "table.Open", "column %s is a decimal that is not read",
				quote(name))
		}
		v.scale = powers[t.Scale]
	}
	return nil
}

// guard turns a panic of the Parquet library, which trusts what it decodes, into an error about the file.
func guard(op string, err *error) {
	if p := recover(); p != nil {
		*err = fault.E(fault.Corrupt, "BAD_PARQUET", op, "the file is damaged: %.200s", fmt.Sprint(p))
	}
}

// Names implements Records.
func (r *parquetReader) Names() []string { return r.names }

// Line implements Records: the row, from 1.
func (r *parquetReader) Line() int64 { return r.row }

// Next implements Records.
func (r *parquetReader) Next() (cells []Cell, err error) {
	defer guard("table.Read", &err)
	for r.at == r.n {
		if err := r.more(); err != nil {
			return nil, err
		}
	}
	row := r.batch[r.at]
	r.at++
	r.row++
	if len(row) != len(r.names) {
		return nil, corrupt("RAGGED_ROW", r.row, "", "%d cells, there are %d columns", len(row), len(r.names))
	}
	for i := range row {
		c := row[i].Column()
		if c != i {
			return nil, corrupt("BAD_PARQUET", r.row, "", "cells out of order")
		}
		r.numbers[i] = r.leaves[i].cell(&row[i])
		if len(r.numbers[i].Text) > r.limits.Cell {
			return nil, corrupt("CELL_TOO_LONG", r.row, r.names[i], "more than %d bytes", r.limits.Cell)
		}
	}
	return r.numbers, nil
}

// more reads the next rows.
func (r *parquetReader) more() error {
	groups := r.file.RowGroups()
	if r.rows == nil {
		if r.group == len(groups) {
			return io.EOF
		}
		r.rows = groups[r.group].Rows()
		r.group++
	}
	n, err := r.rows.ReadRows(r.batch)
	r.at, r.n = 0, n
	if errors.Is(err, io.EOF) {
		err = r.rows.Close()
		r.rows = nil
	} else if err == nil && n == 0 {
		err = io.ErrNoProgress
	}
	if err != nil {
		return fault.E(fault.Corrupt, "BAD_PARQUET", "table.Read", "row %d: %w", r.row+1, err)
	}
	return nil
}

// cell reads a value.
func (v *leaf) cell(x *parquet.Value) Cell {
	if x.IsNull() {
		return Cell{Form: Null}
	}
	switch v.kind {
	case parquet.Boolean:
		if x.Boolean() {
			return Cell{Text: []byte("true")}
		}
		return Cell{Text: []byte("false")}
	case parquet.Int32:
		if v.unsigned {
			return Cell{Form: Number, Number: float64(x.Uint32())}
		}
		return Cell{Form: Number, Number: float64(x.Int32()) / v.scale}
	case parquet.Int64:
		if v.unsigned {
			return Cell{Form: Number, Number: float64(x.Uint64())}
		}
		return Cell{Form: Number, Number: float64(x.Int64()) / v.scale}
	case parquet.Float:
		return floatCell(float64(x.Float()))
	case parquet.Double:
		return floatCell(x.Double())
	default:
		return Cell{Text: trim(x.ByteArray())}
	}
}

func floatCell(x float64) Cell {
	if math.IsNaN(x) {
		return Cell{Form: Null}
	}
	return Cell{Form: Number, Number: x}
}
