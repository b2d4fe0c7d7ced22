package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
)

// CSV says how a file of separated values is read.
type CSV struct {
	Comma    rune     // the separator; 0 is a comma
	NoHeader bool     // the first line is data; the columns are then named "0", "1", ...
	Label    string   // name of the column that holds the class of each row, or ""
	Missing  []string // cells that mean "unknown", after trimming; nil is DefaultMissing
	Limits   Limits   // Items bounds rows, Bytes the cells' text
}

// DefaultMissing are the cells of a file of separated values that mean "unknown", where nothing else is said.
func DefaultMissing() []string { return []string{"", "?", "NA", "NaN"} }

// Column is one column of a Table, as numbers.
type Column struct {
	Name   string
	Levels []string  // the distinct texts of a column that is not numeric, in order; nil for a numeric one
	Values []float64 // one a row: the number, or the index into Levels; NaN where it is missing
}

// Table is rows of numbers and categories, without the label column.
type Table struct {
	Columns []Column
	Rows    int
	Labels  []int32  // class of each row, nil without a label column
	Classes []string // distinct labels: in numeric order when all are integers, otherwise in order of bytes
	hash    string
}

// Hash is the SHA-256 of names, levels, values, classes and labels.
func (t *Table) Hash() string { return t.hash }

// OpenCSV reads the file at path; see ReadCSV.
func OpenCSV(path string, c CSV) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.E(fault.NotFound, "DATA_NOT_FOUND", "dataset.OpenCSV", "%w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	return ReadCSV(f, c)
}

// ReadCSV reads a table (RFC 4180; white space around cells is dropped). A column whose cells are all finite numbers
// or missing is numeric, any other has levels. Every row must have as many cells as the first, names must differ,
// and a missing label is an error. Errors are of kind fault.Corrupt, or fault.Invalid when there is no column Label.
func ReadCSV(r io.Reader, c CSV) (*Table, error) {
	names, cells, err := readCells(r, c)
	if err != nil {
		return nil, err
	}
	const op = "dataset.ReadCSV"
	t := &Table{Rows: len(cells[0])}
	missing := c.Missing
	if missing == nil {
		missing = DefaultMissing()
	}
	found := c.Label == ""
	for i, name := range names {
		if name != c.Label || c.Label == "" {
			t.Columns = append(t.Columns, column(name, cells[i], missing))
			continue
		}
		found = true
		t.Labels, t.Classes = labelColumn(cells[i])
		if at := slices.IndexFunc(cells[i], func(s string) bool { return slices.Contains(missing, s) }); at >= 0 {
			return nil, corrupt(op, "row %d has no label", at+1)
		}
	}
	if !found {
		return nil, fault.E(fault.Invalid, "NO_SUCH_COLUMN", op, "no column %q, there are %q", c.Label, names)
	}
	t.hash = t.digest()
	return t, nil
}

// readCells returns the names of the columns and their cells.
func readCells(r io.Reader, c CSV) (names []string, cells [][]string, err error) {
	const op = "dataset.ReadCSV"
	limits := c.Limits.orDefault()
	in := csv.NewReader(io.LimitReader(r, limits.Bytes+1))
	in.TrimLeadingSpace = true
	in.ReuseRecord = true
	if c.Comma != 0 {
		in.Comma = c.Comma
	}
	for rows := 0; ; rows++ {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, corrupt(op, "%w", err)
		}
		if in.InputOffset() > limits.Bytes || rows > limits.Items {
			return nil, nil, corrupt(op, "more than %d rows or %d bytes", limits.Items, limits.Bytes)
		}
		if rows == 0 {
			cells = make([][]string, len(rec))
			names, err = columnNames(rec, c.NoHeader)
			if err != nil {
				return nil, nil, err
			}
			if !c.NoHeader {
				continue
			}
		}
		for i, s := range rec {
			cells[i] = append(cells[i], strings.Clone(strings.TrimSpace(s)))
		}
	}
	if len(cells) == 0 || len(cells[0]) == 0 {
		return nil, nil, corrupt(op, "no rows")
	}
	return names, cells, nil
}

func columnNames(rec []string, number bool) ([]string, error) {
	names := make([]string, len(rec))
	for i, s := range rec {
		names[i] = strings.Clone(strings.TrimSpace(strings.TrimPrefix(s, "\ufeff")))
		if number {
			names[i] = strconv.Itoa(i)
		}
		if at := slices.Index(names[:i], names[i]); at >= 0 {
			return nil, corrupt("dataset.ReadCSV", "columns %d and %d are both named %q", at, i, names[i])
		}
	}
	return names, nil
}

// column makes numbers of cells.
func column(name string, cells, missing []string) Column {
	col := Column{Name: name, Values: make([]float64, len(cells))}
	numeric := true
	for i, s := range cells {
		if slices.Contains(missing, s) {
			col.Values[i] = math.NaN()
			continue
		}
		v, err := strconv.ParseFloat(s, 64)
		numeric = numeric && err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
		col.Values[i] = v
	}
	if numeric {
		return col
	}
	for _, s := range cells {
		if !slices.Contains(missing, s) {
			col.Levels = append(col.Levels, s)
		}
	}
	slices.Sort(col.Levels)
	col.Levels = slices.Clone(slices.Compact(col.Levels))
	for i, s := range cells {
		if at, ok := slices.BinarySearch(col.Levels, s); ok {
			col.Values[i] = float64(at)
		} else {
			col.Values[i] = math.NaN()
		}
	}
	return col
}

// labelColumn numbers the distinct cells.
func labelColumn(cells []string) ([]int32, []string) {
	classes := slices.Clone(cells)
	slices.Sort(classes)
	classes = slices.Clone(slices.Compact(classes))
	value := make(map[string]int, len(classes))
	for _, s := range classes {
		if v, err := strconv.Atoi(s); err == nil {
			value[s] = v
		}
	}
	if len(value) == len(classes) {
		slices.SortStableFunc(classes, func(a, b string) int { return value[a] - value[b] })
	}
	index := make(map[string]int32, len(classes))
	for i, s := range classes {
		index[s] = int32(i)
	}
	labels := make([]int32, len(cells))
	for i, s := range cells {
		labels[i] = index[s]
	}
	return labels, classes
}

// Pictures takes each row as a picture of h x w x c whole numbers from 0 to 255, in the order of the columns.
func (t *Table) Pictures(h, w, c int) (*Pictures, error) {
	const op = "dataset.Table.Pictures"
	if h < 1 || w < 1 || c < 1 || len(t.Columns) != h*w*c {
		return nil, fault.E(fault.Invalid, "BAD_SHAPE", op, "%d columns are no pictures of %dx%dx%d", len(t.Columns),
			h, w, c)
	}
	data := make([]byte, t.Rows*len(t.Columns))
	for j, col := range t.Columns {
		for i, v := range col.Values {
			if col.Levels != nil || !(v >= 0 && v <= 255) || v != math.Floor(v) {
				return nil, corrupt(op, "column %q of row %d is %v, allowed are whole numbers from 0 to 255", col.Name,
					i+1, show(col, v))
			}
			data[i*len(t.Columns)+j] = byte(v)
		}
	}
	return NewPictures(data, h, w, c, t.Labels, t.Classes)
}

// square finds the side of square pictures, grey or in colour, that fill a row; channels is 0 where it is not known.
// No number is both a square and three times one.
func (t *Table) square(channels int) (side, found int, err error) {
	for _, c := range []int{1, 3} {
		side := int(math.Round(math.Sqrt(float64(len(t.Columns)) / float64(c))))
		if side*side*c == len(t.Columns) && (channels == 0 || channels == c) {
			return side, c, nil
		}
	}
	return 0, 0, fault.E(fault.Invalid, "BAD_SHAPE", "dataset.Table.Pictures",
		"%d columns are no square pictures, grey (size*size) or in colour (3*size*size)", len(t.Columns))
}

func show(c Column, v float64) string {
	if c.Levels != nil && v == v {
		return strconv.Quote(c.Levels[int(v)])
	}
	return fmt.Sprint(v)
}

func (t *Table) digest() string {
	d := newDigest("table", t.Rows, len(t.Columns), len(t.Labels), len(t.Classes))
	for _, c := range t.Columns {
		d.text(c.Name)
		d.number(len(c.Levels))
		for _, l := range c.Levels {
			d.text(l)
		}
		for _, v := range c.Values {
			if v != v {
				v = math.NaN() // one pattern for all
			}
			d.number(int(math.Float64bits(v)))
		}
	}
	for _, s := range t.Classes {
		d.text(s)
	}
	for _, l := range t.Labels {
		d.number(int(l))
	}
	return d.sum()
}
