package table

import (
	"math"
	"regexp"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Encoder writes cells of named columns as rows of a schema. It is for one goroutine.
type Encoder struct {
	schema *Schema
	fields []fieldEncoder
}

// fieldEncoder makes the cells of one field.
type fieldEncoder struct {
	field   *Field
	column  int      // of the cells, -1 for none
	derive  *deriver // where the field is derived
	codes   map[string]int32
	other   int32
	missing []string
	buf     []byte
}

// deriver computes the cells of a derived column.
type deriver struct {
	Derivation
	pattern *regexp.Regexp
	columns []int
	missing [][]string
}

// NewEncoder makes an encoder for cells that come in the order of names. A field that is neither among them nor can be
// derived from them is an error where all are wanted; otherwise it stays missing. A field's name among the names goes
// before its derivation.
func NewEncoder(s *Schema, names []string, all bool) (*Encoder, error) {
	e := &Encoder{schema: s, fields: make([]fieldEncoder, len(s.Fields))}
	at := make(map[string]int, len(names))
	for i, name := range names {
		at[name] = i
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		c := &e.fields[i]
		*c = fieldEncoder{field: f, column: -1, missing: append(slices.Clone(s.Missing), f.Missing...), other: Missing}
		if f.Kind == Categorical && f.Edges == nil {
			c.codes = make(map[string]int32, len(f.Levels))
			for j, l := range f.Levels {
				c.codes[l] = int32(j)
			}
			if code, ok := c.codes[f.Other]; ok && f.Other != "" {
				c.other = code
			}
		}
		if j, ok := at[f.Name]; ok {
			c.column = j
			continue
		}
		j := slices.IndexFunc(s.Derive, func(d Derivation) bool { return d.Name == f.Name })
		var err error
		if j >= 0 {
			c.derive, err = newDeriver(&s.Derive[j], s, at)
		} else {
			err = fault.E(fault.Invalid, "NO_SUCH_COLUMN", "table.NewEncoder", "no column %s", quote(f.Name))
		}
		if err != nil && (all || reasonOf(err) != "NO_SUCH_COLUMN") {
			return nil, err
		}
	}
	return e, nil
}

func newDeriver(d *Derivation, s *Schema, at map[string]int) (*deriver, error) {
	r := &deriver{Derivation: *d}
	columns := d.Sum
	if d.Match != "" {
		var err error
		r.pattern, err = regexp.Compile(d.Match)
		if err != nil || len(d.Match) > maxPattern {
			return nil, fault.E(fault.Invalid, "BAD_PATTERN", "table.Derive", "%s is no regular expression", quote(d.Match))
		}
		columns = []string{d.From}
	}
	for _, name := range columns {
		j, ok := at[name]
		if !ok {
			return nil, fault.E(fault.Invalid, "NO_SUCH_COLUMN", "table.Derive", "no column %s, of which %s is made",
				quote(name), quote(d.Name))
		}
		missing := s.Missing
		if i := s.Index(name); i >= 0 {
			missing = append(slices.Clone(missing), s.Fields[i].Missing...)
		}
		r.columns = append(r.columns, j)
		r.missing = append(r.missing, missing)
	}
	return r, nil
}

// cell computes the derived cell of a row.
func (d *deriver) cell(cells []Cell) (Cell, error) {
	if d.pattern != nil {
		c := &cells[d.columns[0]]
		if c.isMissing(d.missing[0]) {
			return Cell{Form: Null}, nil
		}
		found := d.pattern.FindSubmatch(c.text(nil))
		if found == nil {
			return Cell{Form: Null}, nil
		}
		text := found[min(1, len(found)-1)]
		if to, ok := d.Rename[string(text)]; ok {
			text = []byte(to)
		}
		return Cell{Text: text}, nil
	}
	sum := d.Plus
	for i, j := range d.columns {
		c := &cells[j]
		if c.isMissing(d.missing[i]) {
			return Cell{Form: Null}, nil
		}
		x, ok := c.number()
		if !ok {
			return Cell{}, fault.E(fault.Corrupt, "NOT_A_NUMBER", "table.Derive", "%s of column %s is no finite number",
				quote(string(c.text(nil))), quote(d.Sum[i]))
		}
		sum += x
	}
	return Cell{Form: Number, Number: sum}, nil
}

// isMissing says whether a cell is not known.
func (c *Cell) isMissing(markers []string) bool {
	if c.Form != Text {
		return c.Form == Null
	}
	for _, m := range markers {
		if string(c.Text) == m {
			return true
		}
	}
	return false
}

// Encode writes a row of cells into row i of t. line is named in errors.
func (e *Encoder) Encode(t *Table, i int, cells []Cell, line int64) error {
	for j := range e.fields {
		f := &e.fields[j]
		var c *Cell
		switch {
		case f.column >= 0:
			c = &cells[f.column]
		case f.derive != nil:
			made, err := f.derive.cell(cells)
			if err != nil {
				return corrupt(reasonOf(err), line, f.field.Name, "%s", messageOf(err))
			}
			c = &made
		default:
			c = &Cell{Form: Null}
		}
		if f.field.Kind == Numeric {
			x, err := f.number(c)
			if err != nil {
				return corrupt(reasonOf(err), line, f.field.Name, "%s", messageOf(err))
			}
			t.Columns[j].Numbers[i] = x
			continue
		}
		code, err := f.code(c)
		if err != nil {
			return corrupt(reasonOf(err), line, f.field.Name, "%s", messageOf(err))
		}
		t.Columns[j].Codes[i] = code
	}
	return nil
}

// number is the cell of a numeric field.
func (f *fieldEncoder) number(c *Cell) (float64, error) {
	if c.isMissing(f.missing) {
		return math.NaN(), nil
	}
	x, ok := c.number()
	if !ok {
		return 0, fault.E(fault.Corrupt, "NOT_A_NUMBER", "table.Encode", "%s is no finite number",
			quote(string(c.text(nil))))
	}
	return x, nil
}

// code is the cell of a categorical field.
func (f *fieldEncoder) code(c *Cell) (int32, error) {
	if f.codes != nil && c.Form == Text {
		if code, ok := f.codes[string(c.Text)]; ok {
			return code, nil
		}
	}
	if c.isMissing(f.missing) {
		return Missing, nil
	}
	x, isNumber := c.number()
	if f.field.Edges != nil {
		if !isNumber {
			return 0, fault.E(fault.Corrupt, "NOT_A_NUMBER", "table.Encode", "%s is no finite number",
				quote(string(c.text(nil))))
		}
		return bin(f.field.Edges, x), nil
	}
	if isNumber { // 3.0 is the level 3
		f.buf = appendNumber(f.buf[:0], x)
		if code, ok := f.codes[string(f.buf)]; ok {
			return code, nil
		}
	}
	if f.other >= 0 {
		return f.other, nil
	}
	return 0, fault.E(fault.Corrupt, "UNKNOWN_LEVEL", "table.Encode", "%s is none of the %d levels %s",
		quote(string(c.text(nil))), len(f.field.Levels), list(f.field.Levels))
}

// bin is the level of a number among edges.
func bin(edges []float64, x float64) int32 {
	at, found := slices.BinarySearch(edges, x)
	if found {
		at++
	}
	return int32(at)
}

// list shows the first of some texts.
func list(texts []string) string {
	const most = 12
	var b []byte
	for i, s := range texts {
		if i == most {
			return string(b) + ", ..."
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, quote(s)...)
	}
	return string(b)
}

// Cell encodes one cell of a field: a code and NaN, or Missing and a number. It is what a row of a file would get.
func (f *Field) Cell(c Cell, missing []string) (code int32, number float64, err error) {
	s := &Schema{Fields: []Field{*f}, Missing: missing}
	e, err := NewEncoder(s, []string{f.Name}, true)
	if err != nil {
		return Missing, math.NaN(), err
	}
	if f.Kind == Numeric {
		number, err = e.fields[0].number(&c)
		return Missing, number, err
	}
	code, err = e.fields[0].code(&c)
	return code, math.NaN(), err
}
