package table

import (
	"errors"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Note is something that a user should know of a column.
type Note struct {
	Column string
	Reason string // IDENTIFIER, CONSTANT or ALL_MISSING; all but CONSTANT leave the column out
	Text   string
}

// Inferred is what one pass over a file finds.
type Inferred struct {
	Schema *Schema
	Rows   int64
	Notes  []Note
}

const (
	// fewCodes is the largest number of distinct whole numbers that are taken for codes of categories.
	fewCodes = 10
	// fewRows is the number of rows from which on a column is suspected of naming them.
	fewRows = 20
)

// Infer finds the schema of a file, with what d declares, in one pass. What d does not say is inferred:
//   - cells that are all finite numbers make a numeric field; unless they are 0 and 1, or at most ten different whole
//     numbers with ten rows each on average, which are levels in the order of the numbers;
//   - texts make a categorical field, with its levels in the order of their bytes (of their numbers, if all are);
//   - texts of which more than half differ, or more than Limits.Levels, and whole numbers that count the rows, are
//     identifiers; those and columns without any cell are left out, and a Note says so.
func (f *File) Infer(d Declaration) (*Inferred, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	limits := f.options.Limits.orDefault()
	columns, err := f.columns(&d, limits)
	if err != nil {
		return nil, err
	}
	r, err := f.Records()
	if err != nil {
		return nil, err
	}
	out := &Inferred{Schema: &Schema{Missing: markers(&d)}}
	for {
		cells, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, c := range columns {
			if err := c.take(cells, out.Rows, r.Line()); err != nil {
				return nil, err
			}
		}
		out.Rows++
	}
	if out.Rows == 0 {
		return nil, fault.E(fault.Corrupt, "EMPTY_TABLE", "table.Infer", "the file has no rows")
	}
	for _, c := range columns {
		field, note, err := c.field(limits)
		if err != nil {
			return nil, err
		}
		if note != nil {
			out.Notes = append(out.Notes, *note)
		}
		if field != nil {
			out.Schema.Fields = append(out.Schema.Fields, *field)
		}
	}
	for _, v := range d.Derive {
		if out.Schema.Index(v.Name) >= 0 {
			out.Schema.Derive = append(out.Schema.Derive, v)
		}
	}
	if len(out.Schema.Fields) == 0 {
		return nil, fault.E(fault.Invalid, "EMPTY_TABLE", "table.Infer",
			"no column is left: all are dropped, identifiers or empty")
	}
	return out, nil
}

// markers are the cells that mean "unknown".
func markers(d *Declaration) []string {
	if d.Missing != nil {
		return d.Missing
	}
	return dataset.DefaultMissing()
}

// columns are those that d keeps, the file's and then the derived.
func (f *File) columns(d *Declaration, limits Limits) ([]*columnStats, error) {
	var columns []*columnStats
	at := make(map[string]int, len(f.names))
	s := &Schema{Missing: markers(d)} // what the derived columns know of markers
	for i, name := range f.names {
		at[name] = i
		spec := d.column(name)
		if spec != nil {
			s.Fields = append(s.Fields, Field{Name: name, Missing: spec.Missing})
		}
		if (spec != nil && spec.Drop) || (spec == nil && d.Only) {
			continue
		}
		columns = append(columns, newStats(name, i, spec, s.Missing, limits))
	}
	for i := range d.Derive {
		v := &d.Derive[i]
		if _, ok := at[v.Name]; ok {
			return nil, fault.InvalidField("table.Infer", "derive."+v.Name, "the file has a column of that name")
		}
		r, err := newDeriver(v, s, at)
		if err != nil {
			return nil, err
		}
		c := newStats(v.Name, -1, d.column(v.Name), s.Missing, limits)
		if c.spec.Drop {
			continue
		}
		c.derive = r
		columns = append(columns, c)
	}
	for i := range d.Columns {
		name := d.Columns[i].Name
		_, ok := at[name]
		if !ok && !slices.ContainsFunc(d.Derive, func(v Derivation) bool { return v.Name == name }) {
			return nil, fault.E(fault.Invalid, "NO_SUCH_COLUMN", "table.Infer", "no column %s, there are %s", quote(name),
				list(f.names))
		}
	}
	return columns, nil
}

// columnStats is what is known of a column so far.
type columnStats struct {
	name    string
	index   int // in the file; -1 for a derived column
	derive  *deriver
	spec    ColumnSpec
	missing []string
	domain  map[string]bool // declared levels
	levels  int             // at most so many texts are kept

	rows, present    int64
	textLine         int64 // of the first cell that is no number, 0 for none
	text             string
	integer, serial  bool
	min, max, before float64
	texts            map[string]struct{}
	manyLine         int64 // where there were too many texts, 0 for nowhere
	sketch           *Sketch
	buf              []byte
}

func newStats(name string, index int, spec *ColumnSpec, missing []string, limits Limits) *columnStats {
	c := &columnStats{name: name, index: index, missing: missing, integer: true, serial: true, levels: limits.Levels,
		min: math.Inf(1), max: math.Inf(-1), texts: map[string]struct{}{}}
	if spec != nil {
		c.spec = *spec
		c.missing = append(slices.Clone(missing), spec.Missing...)
	}
	if c.spec.Levels != nil {
		c.domain = make(map[string]bool, len(c.spec.Levels))
		for _, l := range c.spec.Levels {
			c.domain[l] = true
		}
	}
	if c.spec.Quantiles > 0 {
		c.sketch = &Sketch{}
	}
	return c
}

// take adds the cell of a row.
func (c *columnStats) take(cells []Cell, row, line int64) error {
	c.rows++
	var cell Cell
	if c.derive == nil {
		cell = cells[c.index]
	} else {
		var err error
		cell, err = c.derive.cell(cells)
		if err != nil {
			return corrupt(reasonOf(err), line, c.name, "%s", messageOf(err))
		}
	}
	if cell.isMissing(c.missing) && (c.domain == nil || cell.Form != Text || !c.domain[string(cell.Text)]) {
		return nil
	}
	c.present++
	x, ok := cell.number()
	if ok {
		c.addNumber(x, row)
	} else if c.textLine == 0 {
		c.textLine = line
		c.text = string(cell.text(nil))
		if cell.Form == Number || c.spec.Kind == "numeric" || c.binned() {
			return corrupt("NOT_A_NUMBER", line, c.name, "%s is no finite number", quote(c.text))
		}
	}
	if c.manyLine != 0 {
		return nil
	}
	text := cell.text(c.buf)
	if cell.Form == Number {
		c.buf = text
	}
	if c.domain != nil {
		return c.checkDomain(text, x, ok, line)
	}
	if _, seen := c.texts[string(text)]; seen {
		return nil
	}
	if len(c.texts) == c.levels {
		c.manyLine = line
		return nil
	}
	if err := checkText(text); err != nil {
		if reasonOf(err) == "CELL_TOO_LONG" && c.spec.Kind == "" {
			c.manyLine = line // long texts are no categories
			return nil
		}
		return corrupt(reasonOf(err), line, c.name, "%s", messageOf(err))
	}
	c.texts[string(text)] = struct{}{}
	return nil
}

func (c *columnStats) binned() bool { return c.spec.Edges != nil || c.spec.Quantiles > 0 }

func (c *columnStats) addNumber(x float64, row int64) {
	c.min, c.max = min(c.min, x), max(c.max, x)
	c.integer = c.integer && x == math.Trunc(x) && math.Abs(x) < 1<<53
	c.serial = c.serial && (c.present == 1 || x == c.before+1)
	c.before = x
	if c.sketch != nil {
		c.sketch.Add(row, x)
	}
}

// checkDomain refuses a text that is none of the declared levels.
func (c *columnStats) checkDomain(text []byte, x float64, isNumber bool, line int64) error {
	if c.domain[string(text)] || c.spec.Other != "" {
		return nil
	}
	if isNumber && c.domain[FormatNumber(x)] {
		return nil
	}
	return corrupt("UNKNOWN_LEVEL", line, c.name, "%s is none of the %d levels %s", quote(string(text)),
		len(c.spec.Levels), list(c.spec.Levels))
}

// field is what the column is; nil where it is left out.
func (c *columnStats) field(limits Limits) (*Field, *Note, error) {
	f := &Field{Name: c.name, Missing: c.spec.Missing}
	numbers := c.textLine == 0 && c.present > 0
	var note *Note
	if c.present == 0 && c.spec.Kind == "" && c.domain == nil {
		return nil, &Note{c.name, "ALL_MISSING", "no cell of the column is known; it is left out"}, nil
	}
	if c.min == c.max && numbers || c.manyLine == 0 && len(c.texts) == 1 {
		note = &Note{c.name, "CONSTANT", "all known cells are the same"}
	}
	switch {
	case c.domain != nil:
		f.Levels, f.Other = c.spec.Levels, c.spec.Other
		if len(f.Levels) > limits.Levels {
			return nil, nil, fault.E(fault.Invalid, "TOO_MANY_LEVELS", "table.Infer",
				"column %s: %d levels, at most %d are allowed", quote(c.name), len(f.Levels), limits.Levels)
		}
	case c.binned():
		f.Edges = c.spec.Edges
		if c.sketch != nil {
			f.Edges = c.sketch.Edges(c.spec.Quantiles)
		}
		f.Levels = binNames(f.Edges)
	case c.spec.Kind == "numeric" || (c.spec.Kind == "" && numbers && !c.codes()):
		if c.spec.Kind == "" && c.serial && c.integer && c.present == c.rows && c.rows >= fewRows {
			return nil, &Note{c.name, "IDENTIFIER", "it counts the rows; it is left out"}, nil
		}
		f.Kind, f.Integer = Numeric, c.integer && c.present > 0
		if c.present > 0 {
			f.Min, f.Max = c.min, c.max
		}
	default:
		if c.spec.Kind == "" && c.identifies() {
			return nil, &Note{c.name, "IDENTIFIER", c.identifierText(limits)}, nil
		}
		if c.manyLine != 0 {
			return nil, nil, corrupt("TOO_MANY_LEVELS", c.manyLine, c.name, "more than %d different texts", limits.Levels)
		}
		f.Levels = c.sortedLevels(numbers)
		if f.Other = c.spec.Other; f.Other != "" && !slices.Contains(f.Levels, f.Other) {
			f.Levels = append(f.Levels, f.Other)
		}
	}
	return f, note, nil
}

// codes says whether numbers are taken for categories.
func (c *columnStats) codes() bool {
	if !c.integer || c.manyLine != 0 || len(c.texts) > 2*fewCodes {
		return false
	}
	n := len(c.sortedLevels(true))
	return n <= fewCodes && c.present >= int64(10*n) || c.min >= 0 && c.max <= 1
}

func (c *columnStats) identifies() bool {
	return c.manyLine != 0 || c.rows >= fewRows && int64(len(c.texts)) > c.present/2 && len(c.texts) > fewRows
}

func (c *columnStats) identifierText(limits Limits) string {
	if c.manyLine != 0 {
		return "more than " + strconv.Itoa(limits.Levels) + " different texts; it is left out"
	}
	return strconv.Itoa(len(c.texts)) + " different texts in " + strconv.FormatInt(c.present, 10) +
		" cells; it is left out"
}

// sortedLevels are the distinct texts in order; those of numbers as their shortest decimals.
func (c *columnStats) sortedLevels(numbers bool) []string {
	levels := make([]string, 0, len(c.texts))
	if !numbers {
		for s := range c.texts {
			levels = append(levels, s)
		}
		slices.Sort(levels)
		return levels
	}
	values := make([]float64, 0, len(c.texts))
	for s := range c.texts {
		x, _ := parseNumber([]byte(s))
		values = append(values, x+0) // -0 is 0
	}
	slices.Sort(values)
	for _, x := range slices.Compact(values) {
		levels = append(levels, FormatNumber(x))
	}
	return levels
}

// binNames are the levels of a column that is cut at edges.
func binNames(edges []float64) []string {
	if len(edges) == 0 {
		return []string{"all"}
	}
	names := []string{"< " + FormatNumber(edges[0])}
	for i := 1; i < len(edges); i++ {
		names = append(names, "["+FormatNumber(edges[i-1])+", "+FormatNumber(edges[i])+")")
	}
	return append(names, ">= "+FormatNumber(edges[len(edges)-1]))
}
