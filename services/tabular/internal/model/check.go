package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Holds says whether a row meets the condition; one whose field is missing does not.
func (t *Term) Holds(rows *table.Table, row int) bool {
	c := &rows.Columns[t.Field]
	if c.Codes != nil {
		_, ok := slices.BinarySearch(t.Codes, c.Codes[row])
		return ok
	}
	x := c.Numbers[row]
	return (x >= t.Lo && x < t.Hi) || (t.Lo == t.Hi && x == t.Lo)
}

// CheckTerms refuses conditions that a schema cannot have; what names them in the error. A field occurs once.
func CheckTerms(s *table.Schema, what string, terms []Term) error {
	var bad []fault.Violation
	seen := map[int]bool{}
	for i := range terms {
		t := &terms[i]
		at := fmt.Sprintf("%s[%d]", what, i)
		add := func(format string, args ...any) {
			bad = append(bad, fault.Violation{Field: at, Description: fmt.Sprintf(format, args...)})
		}
		if t.Field < 0 || t.Field >= len(s.Fields) {
			add("no field %d, there are %d", t.Field, len(s.Fields))
			continue
		}
		f := &s.Fields[t.Field]
		if seen[t.Field] {
			add("field %s is named twice", f.Name)
		}
		seen[t.Field] = true
		if f.Kind == table.Numeric {
			if !(t.Lo <= t.Hi) || len(t.Codes) > 0 {
				add("field %s is of numbers: [%v, %v) must be an interval", f.Name, t.Lo, t.Hi)
			}
			continue
		}
		if len(t.Codes) == 0 {
			add("field %s has no level in the condition", f.Name)
		}
		for j, c := range t.Codes {
			if c < 0 || int(c) >= len(f.Levels) || (j > 0 && t.Codes[j-1] >= c) {
				add("level %d of field %s: levels are 0 to %d, ascending", c, f.Name, len(f.Levels)-1)
			}
		}
	}
	return fault.InvalidFields("model.Check"+strings.ToUpper(what[:1])+what[1:], bad...).AsError()
}

// CheckQuery refuses a query that a schema cannot have: it needs targets or an event, not both, and targets differ.
func CheckQuery(s *table.Schema, q *Query) error {
	const op = "model.CheckQuery"
	if (len(q.Targets) == 0) == (len(q.Event) == 0) {
		return fault.InvalidField(op, "targets", "%d targets and an event of %d terms, one of the two is needed",
			len(q.Targets), len(q.Event))
	}
	for i, t := range q.Targets {
		if t < 0 || t >= len(s.Fields) || slices.Contains(q.Targets[:i], t) {
			return fault.InvalidField(op, "targets", "field %d is named twice or not one of %d", t, len(s.Fields))
		}
	}
	for _, terms := range []struct {
		what  string
		terms []Term
	}{{"event", q.Event}, {"given", q.Given}, {"do", q.Do}} {
		if err := CheckTerms(s, terms.what, terms.terms); err != nil {
			return err
		}
	}
	return nil
}
