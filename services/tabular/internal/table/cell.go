package table

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Form says how a file holds a cell.
type Form uint8

// The forms.
const (
	Text   Form = iota // as text, which may be that of a number
	Number             // as a number
	Null               // not at all
)

// Cell is a value of a file before it is known what its column is. Its text may be overwritten by the next row's.
type Cell struct {
	Form   Form
	Text   []byte
	Number float64
}

// Records are the rows of a file.
type Records interface {
	// Names of the columns.
	Names() []string
	// Next is the next row, one cell a column, valid until the next call; io.EOF after the last.
	Next() ([]Cell, error)
	// Line is where the row of the last Next began, from 1.
	Line() int64
}

// Limits bounds what is read from a file that is not trusted. Zero fields mean the defaults.
type Limits struct {
	Rows    int64 // default 2^40
	Columns int   // default 4,096
	Cell    int   // bytes of a cell; default 1 MiB
	Levels  int   // distinct texts of a column that has levels; default 1,000
}

func (l Limits) orDefault() Limits {
	if l.Rows == 0 {
		l.Rows = 1 << 40
	}
	if l.Columns == 0 {
		l.Columns = 4096
	}
	if l.Cell == 0 {
		l.Cell = 1 << 20
	}
	if l.Levels == 0 {
		l.Levels = 1000
	}
	return l
}

// maxLevelText is the longest text of a level, in bytes.
const maxLevelText = 1024

// number reads a cell as a finite number.
func (c *Cell) number() (float64, bool) {
	if c.Form == Number {
		return c.Number, c.Number-c.Number == 0
	}
	return parseNumber(c.Text)
}

// text is the cell as a level would be written.
func (c *Cell) text(buf []byte) []byte {
	if c.Form == Number {
		return appendNumber(buf[:0], c.Number)
	}
	return c.Text
}

// appendNumber writes the shortest decimal that is x, whole numbers without a point.
func appendNumber(buf []byte, x float64) []byte {
	if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
		return strconv.AppendInt(buf, int64(x), 10)
	}
	return strconv.AppendFloat(buf, x, 'g', -1, 64)
}

// FormatNumber is the shortest decimal that is x.
func FormatNumber(x float64) string { return string(appendNumber(nil, x)) }

var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// parseNumber reads a decimal. Up to 15 digits without an exponent are exact as a whole number, and one division by an
// exact power of ten then rounds correctly; everything else goes through strconv.
func parseNumber(b []byte) (float64, bool) {
	i, negative := 0, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		i = 1
	}
	if len(b)-i == 0 || len(b)-i > 16 {
		return parseSlow(b)
	}
	var m uint64
	point, digits := -1, 0
	for ; i < len(b); i++ {
		d := b[i] - '0'
		if d < 10 {
			m = m*10 + uint64(d)
			digits++
			continue
		}
		if b[i] != '.' || point >= 0 {
			return parseSlow(b)
		}
		point = digits
	}
	if digits == 0 || digits > 15 {
		return parseSlow(b)
	}
	x := float64(m)
	if point >= 0 {
		x /= powers[digits-point]
	}
	if negative {
		x = -x
	}
	return x, true
}

func parseSlow(b []byte) (float64, bool) {
	if len(b) == 0 || len(b) > 64 {
		return 0, false
	}
	for _, c := range b { // neither hexadecimal nor "inf" nor "1_000"
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	x, err := strconv.ParseFloat(string(b), 64)
	return x, err == nil && x-x == 0
}

// checkText refuses what cannot be the text of a level.
func checkText(b []byte) error {
	switch {
	case len(b) > maxLevelText:
		return fault.E(fault.Corrupt, "CELL_TOO_LONG", "table.Read", "%d bytes, a category has at most %d", len(b),
			maxLevelText)
	case bytes.IndexByte(b, 0) >= 0:
		return fault.E(fault.Corrupt, "NUL_BYTE", "table.Read", "a NUL byte")
	case !utf8.Valid(b):
		return fault.E(fault.Corrupt, "NOT_UTF8", "table.Read", "text that is not UTF-8")
	}
	return nil
}

// quote shows a cell of a file in an error, without its end if it is long.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}

// corrupt is an error about the content of a file, at a line and in a column.
func corrupt(reason string, line int64, column, format string, args ...any) *fault.Error {
	at := fault.E(fault.Corrupt, reason, "", format, args...)
	if column == "" {
		return fault.E(fault.Corrupt, reason, "table.Read", "line %d: %s", line, at.Message())
	}
	return fault.E(fault.Corrupt, reason, "table.Read", "line %d, column %s: %s", line, quote(column), at.Message()).
		With("line", strconv.FormatInt(line, 10)).With("column", column)
}
