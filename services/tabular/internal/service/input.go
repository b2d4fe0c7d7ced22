package service

import (
	"fmt"
	"math"
	"slices"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/wire"
)

// Limits of requests, as the protobuf comments state them.
const (
	maxTargets     = 8
	maxCells       = 100_000
	maxTerms       = 64
	maxIndependent = 6 // terms of an event whose independence is asked for
	minSamples     = 100
	maxSamples     = 2_000_000
	defaultSamples = 20_000
	maxSampled     = 10_000_000
	defaultSampled = 100
	maxChunk       = 10_000
	defaultChunk   = 500
	maxExplained   = 1024
	maxScored      = 100_000
	maxFitted      = 100_000
	minReported    = 20
	maxReported    = 100_000
	maxShown       = 100
	defaultShown   = 10
)

// whole checks an optional number and fills in its default.
func whole[T int32 | int64](bad *wire.Violations, field string, v *T, low, top, def int64) int64 {
	if v == nil {
		return def
	}
	if n := int64(*v); n < low || n > top {
		bad.Addf(field, "%d, want %d to %d", n, low, top)
		return def
	}
	return int64(*v)
}

func checkID(op, id string) error {
	var bad wire.Violations
	bad.RequestID(id)
	return bad.Err(op)
}

// field finds a field by its name.
func (c *call) field(at, name string) (int, error) {
	if i := c.schema().Index(name); i >= 0 {
		return i, nil
	}
	return 0, fault.E(fault.Invalid, "UNKNOWN_FIELD", c.op, "%s", unknown("field", name, names(c.schema()))).
		WithField(at, "unknown field %.80q", name)
}

// level finds a level of a categorical field.
func (c *call) level(at string, f *table.Field, name string) (int32, error) {
	k := slices.Index(f.Levels, name)
	if k < 0 && f.Other != "" {
		k = slices.Index(f.Levels, f.Other)
	}
	if k >= 0 {
		return int32(k), nil
	}
	return 0, fault.E(fault.Invalid, "UNKNOWN_LEVEL", c.op, "%s", unknown("level", name, f.Levels)+
		fmt.Sprintf(" in the field %.80q", f.Name)).WithField(at, "unknown level %.80q", name)
}

// terms reads conditions, at most one a field.
func (c *call) terms(at string, conditions []*tabularv1.Condition) ([]model.Term, error) {
	if len(conditions) > maxTerms {
		return nil, fault.InvalidField(c.op, at, "%d conditions, want at most %d", len(conditions), maxTerms)
	}
	all := make([]model.Term, 0, len(conditions))
	for i, cond := range conditions {
		t, err := c.term(fmt.Sprintf("%s[%d]", at, i), cond)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o model.Term) bool { return o.Field == t.Field }) {
			return nil, fault.InvalidField(c.op, fmt.Sprintf("%s[%d].field", at, i), "%.80q has a condition already",
				cond.GetField())
		}
		all = append(all, t)
	}
	return all, nil
}

func (c *call) term(at string, cond *tabularv1.Condition) (model.Term, error) {
	i, err := c.field(at+".field", cond.GetField())
	if err != nil {
		return model.Term{}, err
	}
	f, t := &c.schema().Fields[i], model.Term{Field: i}
	interval := cond.AtLeast != nil || cond.Below != nil
	given := 0
	for _, is := range []bool{len(cond.GetLevels()) > 0, cond.Equals != nil, interval} {
		if is {
			given++
		}
	}
	if given != 1 {
		return t, fault.InvalidField(c.op, at, "want exactly one of levels, equals, and at_least or below")
	}
	for _, v := range []*float64{cond.Equals, cond.AtLeast, cond.Below} {
		if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
			return t, fault.InvalidField(c.op, at, "%g, want a finite number", *v)
		}
	}
	if f.Kind == table.Numeric {
		if len(cond.GetLevels()) > 0 {
			return t, fault.InvalidField(c.op, at+".levels", "%.80q is numeric, %g to %g: give equals, at_least or below",
				f.Name, f.Min, f.Max)
		}
		t.Lo, t.Hi = math.Inf(-1), math.Inf(1)
		if cond.Equals != nil {
			t.Lo, t.Hi = *cond.Equals, *cond.Equals
			return t, nil
		}
		if cond.AtLeast != nil {
			t.Lo = *cond.AtLeast
		}
		if cond.Below != nil {
			t.Hi = *cond.Below
		}
		if t.Lo >= t.Hi {
			return t, fault.InvalidField(c.op, at, "no number is at least %g and below %g", t.Lo, t.Hi)
		}
		return t, nil
	}
	t.Codes, err = c.codes(at, f, cond)
	return t, err
}

// codes are the levels that a condition on a categorical field names. Numbers stand for the levels that are written so,
// or for the bins that they lie in.
func (c *call) codes(at string, f *table.Field, cond *tabularv1.Condition) ([]int32, error) {
	if cond.Equals != nil {
		k, err := c.number(at+".equals", f, *cond.Equals)
		return []int32{k}, err
	}
	if cond.AtLeast != nil || cond.Below != nil {
		return c.bins(at, f, cond)
	}
	codes := make([]int32, 0, len(cond.GetLevels()))
	for j, name := range cond.GetLevels() {
		k, err := c.level(fmt.Sprintf("%s.levels[%d]", at, j), f, name)
		if err != nil {
			return nil, err
		}
		codes = append(codes, k)
	}
	return sorted(codes), nil
}

// number is the level that a number of a categorical field has.
func (c *call) number(at string, f *table.Field, x float64) (int32, error) {
	if len(f.Edges) > 0 {
		k, found := slices.BinarySearch(f.Edges, x)
		if found {
			k++
		}
		return int32(k), nil
	}
	return c.level(at, f, table.FormatNumber(x))
}

// bins are those that make up an interval exactly.
func (c *call) bins(at string, f *table.Field, cond *tabularv1.Condition) ([]int32, error) {
	if len(f.Edges) == 0 {
		return nil, fault.InvalidField(c.op, at, "%.80q is categorical: give levels; there %s", f.Name, areAll(f.Levels))
	}
	first, last := 0, len(f.Edges) // bins
	for _, b := range []struct {
		v    *float64
		to   *int
		plus int
	}{{cond.AtLeast, &first, 1}, {cond.Below, &last, 0}} {
		if b.v == nil {
			continue
		}
		k, found := slices.BinarySearch(f.Edges, *b.v)
		if !found {
			return nil, fault.InvalidField(c.op, at, "%.80q is kept in bins: want one of their borders %v, not %g", f.Name,
				f.Edges[:min(len(f.Edges), listed)], *b.v)
		}
		*b.to = k + b.plus
	}
	var codes []int32
	for k := first; k <= last; k++ {
		codes = append(codes, int32(k))
	}
	if len(codes) == 0 {
		return nil, fault.InvalidField(c.op, at, "no number is at least %g and below %g", cond.GetAtLeast(),
			cond.GetBelow())
	}
	return codes, nil
}

// under is the model with fields set by intervention.
func (c *call) under(do []*tabularv1.Condition) (model.Model, error) {
	if len(do) == 0 {
		return c.m.Model, nil
	}
	m, ok := c.m.Model.(model.Intervener)
	if !ok {
		return nil, c.unsupported("intervene: it has no causal structure")
	}
	set, err := c.settings(do)
	if err != nil {
		return nil, err
	}
	under, err := m.Intervene(set)
	return under, fault.Wrap(c.op, err)
}

// settings are terms that each say one level or one number.
func (c *call) settings(do []*tabularv1.Condition) ([]model.Term, error) {
	set, err := c.terms("do", do)
	if err != nil {
		return nil, err
	}
	for i, t := range set {
		if len(t.Codes) > 1 || t.Codes == nil && t.Lo != t.Hi {
			return nil, fault.InvalidField(c.op, fmt.Sprintf("do[%d]", i),
				"an intervention sets a field to one level or one number")
		}
	}
	return set, nil
}

// table reads rows as the model takes them.
func (c *call) table(rows *tabularv1.Rows, most int) (*table.Table, error) {
	if n := len(rows.GetRows()); n < 1 || n > most {
		return nil, fault.InvalidField(c.op, "rows.rows", "%d rows, want 1 to %d", n, most)
	}
	s := c.schema()
	at := make([]int, len(rows.GetColumns()))
	for j, name := range rows.GetColumns() {
		i, err := c.field(fmt.Sprintf("rows.columns[%d]", j), name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(at[:j], i) {
			return nil, fault.InvalidField(c.op, fmt.Sprintf("rows.columns[%d]", j), "%.80q is there twice", name)
		}
		at[j] = i
	}
	t := table.New(s, len(rows.GetRows()))
	for r, row := range rows.GetRows() {
		if len(row.GetValues()) != len(at) {
			return nil, fault.InvalidField(c.op, fmt.Sprintf("rows.rows[%d]", r), "%d values for %d columns",
				len(row.GetValues()), len(at))
		}
		for j, v := range row.GetValues() {
			if err := c.cell(t, r, at[j], v); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

// cell writes a value into a table.
func (c *call) cell(t *table.Table, row, field int, v *tabularv1.Value) error {
	f := &c.schema().Fields[field]
	at := fmt.Sprintf("rows.rows[%d].values of %.80q", row, f.Name)
	switch v := v.GetKind().(type) {
	case *tabularv1.Value_Missing:
		if !v.Missing {
			return fault.InvalidField(c.op, at, "missing: false says nothing; give a category or a number")
		}
		return nil
	case *tabularv1.Value_Category:
		if f.Kind == table.Numeric {
			return fault.InvalidField(c.op, at, "the category %.80q, want a number: the field is numeric", v.Category)
		}
		k, err := c.level(at, f, v.Category)
		if err == nil {
			t.Columns[field].Codes[row] = k
		}
		return err
	case *tabularv1.Value_Number:
		if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
			return fault.InvalidField(c.op, at, "%g, want a finite number, or missing", v.Number)
		}
		if f.Kind == table.Numeric {
			t.Columns[field].Numbers[row] = v.Number
			return nil
		}
		k, err := c.number(at, f, v.Number)
		if err == nil {
			t.Columns[field].Codes[row] = k
		}
		return err
	}
	return fault.InvalidField(c.op, at, "nothing, want a category, a number or missing")
}

// valueOf is a cell of a table.
func valueOf(t *table.Table, row, field int) *tabularv1.Value {
	c := &t.Columns[field]
	if c.Codes != nil {
		if k := c.Codes[row]; k >= 0 {
			return &tabularv1.Value{Kind: &tabularv1.Value_Category{Category: t.Schema.Fields[field].Levels[k]}}
		}
	} else if x := c.Numbers[row]; x == x {
		return &tabularv1.Value{Kind: &tabularv1.Value_Number{Number: x}}
	}
	return &tabularv1.Value{Kind: &tabularv1.Value_Missing{Missing: true}}
}

// rowsOf are the rows of a table from one up to another.
func rowsOf(t *table.Table, from, to int) []*tabularv1.Row {
	rows := make([]*tabularv1.Row, to-from)
	for r := range rows {
		rows[r] = &tabularv1.Row{Values: make([]*tabularv1.Value, len(t.Columns))}
		for i := range t.Columns {
			rows[r].Values[i] = valueOf(t, from+r, i)
		}
	}
	return rows
}
