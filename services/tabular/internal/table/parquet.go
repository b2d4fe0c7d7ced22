package table

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
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
	if err := checkFooter(in, size); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(in, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return nil, fault.E(fault.Corrupt, "BAD_PARQUET", op, "%w", err)
	}
	r = &parquetReader{file: f, limits: l.orDefault(), batch: make([]parquet.Row, parquetBatch)}
	if f.NumRows() > r.limits.Rows {
		return nil, fault.E(fault.Corrupt, "TOO_MANY_ROWS", op, "%d rows, at most %d are allowed", f.NumRows(),
			r.limits.Rows)
	}
	if err := checkPages(f, in, size); err != nil {
		return nil, err
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

// maxFooter bounds the description of a file, in bytes.
const maxFooter = 64 << 20

// checkFooter looks at the length of the description, for which the library takes memory before it looks itself.
func checkFooter(in io.ReaderAt, size int64) error {
	var end [8]byte
	if size < 12 {
		return fault.E(fault.Corrupt, "BAD_PARQUET", "table.Open", "a file of %d bytes", size)
	}
	if _, err := in.ReadAt(end[:], size-8); err != nil && !errors.Is(err, io.EOF) {
		return fault.Wrap("table.Open", err)
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if string(end[4:]) != "PAR1" || n > size-12 || n > maxFooter {
		return fault.E(fault.Corrupt, "BAD_PARQUET", "table.Open",
			"the Parquet file of %d bytes ends in a footer of %d, at most %d", size, n, min(size-12, maxFooter))
	}
	return nil
}

// maxPage bounds a page before and after it is unpacked, in bytes. Writers make pages of about 1 MiB.
const maxPage = 256 << 20

// maxPageHeader bounds the description of a page, in bytes; it may hold two values of a column.
const maxPageHeader = 1 << 20

// checkPages walks over the descriptions of all pages, since the library takes as much memory as they say.
func checkPages(f *parquet.File, in io.ReaderAt, size int64) error {
	bad := func(what string) error {
		return fault.E(fault.Corrupt, "BAD_PARQUET", "table.Open", "the file is damaged: %s", what)
	}
	for _, group := range f.Metadata().RowGroups {
		for i := range group.Columns {
			m := &group.Columns[i].MetaData
			if m.Codec == format.Lz4Raw {
				return fault.E(fault.Corrupt, "UNKNOWN_TYPE", "table.Open",
					"LZ4 is not read; write the file with Snappy or ZSTD")
			}
			at := m.DataPageOffset
			if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < at {
				at = m.DictionaryPageOffset
			}
			if at < 4 || m.TotalCompressedSize < 0 || at > size || m.TotalCompressedSize > size-at {
				return bad("a column lies outside of it")
			}
			for end := at + m.TotalCompressedSize; at < end; {
				section := bufio.NewReaderSize(io.NewSectionReader(in, at, min(end-at, maxPageHeader)), 512)
				counted := &countingReader{r: section}
				var h format.PageHeader
				if err := thrift.NewDecoder((&thrift.CompactProtocol{}).NewReader(counted)).Decode(&h); err != nil {
					return bad("a page's header")
				}
				if h.CompressedPageSize < 0 || h.UncompressedPageSize < 0 || h.CompressedPageSize > maxPage ||
					h.UncompressedPageSize > maxPage || int64(h.CompressedPageSize) > end-at-counted.n {
					return bad("a page's size")
				}
				at += counted.n + int64(h.CompressedPageSize)
			}
		}
	}
	return nil
}

// countingReader knows how far it was read.
type countingReader struct {
	r *bufio.Reader
	n int64
}

// Read implements io.Reader.
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// ReadByte implements io.ByteReader, so that no more is read than is decoded.
func (c *countingReader) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
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
