package table

import (
	"regexp"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Declaration is what a user says about a table instead of having it inferred. The zero value infers everything.
type Declaration struct {
	// Columns override what is inferred for columns of the file and for derived ones.
	Columns []ColumnSpec `json:"columns,omitempty" yaml:"columns,omitempty"`
	// Derive makes further columns; they come after those of the file, in this order.
	Derive []Derivation `json:"derive,omitempty" yaml:"derive,omitempty"`
	// Missing are cells that mean "unknown"; nil is "", "?", "NA" and "NaN".
	Missing []string `json:"missing,omitempty" yaml:"missing,omitempty"`
	// Only leaves out every column that Columns does not name.
	Only bool `json:"only,omitempty" yaml:"only,omitempty"`
}

// ColumnSpec says what a column is.
type ColumnSpec struct {
	Name string `json:"name" yaml:"name"`
	// Kind is "categorical", "numeric", or "" to infer it.
	Kind string `json:"kind,omitempty" yaml:"kind,omitempty"`
	// Levels are the whole domain in its order, also levels that the data do not have; nil to infer them. Other is
	// the one of them that stands for every other text.
	Levels []string `json:"levels,omitempty" yaml:"levels,omitempty"`
	Other  string   `json:"other,omitempty" yaml:"other,omitempty"`
	// Missing are cells that mean "unknown" in this column only.
	Missing []string `json:"missing,omitempty" yaml:"missing,omitempty"`
	// Drop leaves the column out; a derived column may still use it.
	Drop bool `json:"drop,omitempty" yaml:"drop,omitempty"`
	// Edges, ascending, or a number of Quantiles of about equal counts cut a column of numbers into levels.
	Edges     []float64 `json:"edges,omitempty" yaml:"edges,omitempty"`
	Quantiles int       `json:"quantiles,omitempty" yaml:"quantiles,omitempty"`
}

// Derivation makes a column of others: the text that a pattern finds in one, or the sum of several. It is missing
// where one of them is, or where the pattern does not match.
type Derivation struct {
	Name string `json:"name" yaml:"name"`
	// From is the column that Match looks at: the text of its first group, or of the whole match if it has none.
	From  string `json:"from,omitempty" yaml:"from,omitempty"`
	Match string `json:"match,omitempty" yaml:"match,omitempty"`
	// Rename puts one found text in the place of another.
	Rename map[string]string `json:"rename,omitempty" yaml:"rename,omitempty"`
	// Sum are columns of numbers that are added up, in this order, to Plus.
	Sum  []string `json:"sum,omitempty" yaml:"sum,omitempty"`
	Plus float64  `json:"plus,omitempty" yaml:"plus,omitempty"`
}

// maxPattern is the longest pattern of a derivation.
const maxPattern = 1000

// maxEdges bounds the bins of a column.
const maxEdges = 1000

// Validate returns every contradiction of a declaration in one error, or nil.
func (d *Declaration) Validate() error {
	var bad []fault.Violation
	add := func(field, description string) {
		bad = append(bad, fault.Violation{Field: field, Description: description})
	}
	names := map[string]bool{}
	for i := range d.Columns {
		c := &d.Columns[i]
		at := "columns." + c.Name
		if c.Name == "" || names[c.Name] {
			add(at, "a column needs a name of its own")
		}
		names[c.Name] = true
		c.check(at, add)
	}
	names = map[string]bool{}
	for i := range d.Derive {
		v := &d.Derive[i]
		if v.Name == "" || names[v.Name] {
			add("derive."+v.Name, "a derived column needs a name of its own")
		}
		names[v.Name] = true
		v.check("derive."+v.Name, add)
	}
	return fault.InvalidFields("table.Declaration", bad...).AsError()
}

func (c *ColumnSpec) check(at string, add func(field, description string)) {
	binned := len(c.Edges) > 0 || c.Quantiles > 0
	if !slices.Contains([]string{"", "categorical", "numeric"}, c.Kind) {
		add(at+".kind", "must be categorical, numeric, or empty to infer it")
	}
	if c.Kind == "numeric" && (binned || c.Levels != nil || c.Other != "") {
		add(at+".kind", "a numeric column has neither levels nor bins")
	}
	if binned && (c.Levels != nil || c.Other != "") {
		add(at+".levels", "a column that is cut into bins has their levels")
	}
	if len(c.Edges) > 0 && c.Quantiles != 0 {
		add(at+".quantiles", "give edges or quantiles")
	}
	if c.Quantiles != 0 && (c.Quantiles < 2 || c.Quantiles > maxEdges) {
		add(at+".quantiles", "must be 2 to 1000")
	}
	if len(c.Edges) > maxEdges || !strictlyAscending(c.Edges) {
		add(at+".edges", "must be at most 1000 finite numbers, ascending")
	}
	if c.Other != "" && c.Levels != nil && !slices.Contains(c.Levels, c.Other) {
		add(at+".other", "must be one of the levels")
	}
	if dup := duplicate(c.Levels); dup >= 0 {
		add(at+".levels", "level "+quote(c.Levels[dup])+" is there twice")
	}
}

func (v *Derivation) check(at string, add func(field, description string)) {
	pattern := v.From != "" || v.Match != ""
	switch {
	case pattern == (len(v.Sum) > 0):
		add(at, "needs either from and match, or sum")
	case pattern && (v.From == "" || v.Match == ""):
		add(at, "a pattern needs from and match")
	case len(v.Match) > maxPattern:
		add(at+".match", "is longer than 1000 bytes")
	case len(v.Sum) > 0 && v.Rename != nil:
		add(at+".rename", "goes with match")
	case v.Plus-v.Plus != 0:
		add(at+".plus", "must be finite")
	}
	if _, err := regexp.Compile(v.Match); err != nil {
		add(at+".match", "is no regular expression")
	}
}

// column finds what is declared of a column; nil for nothing.
func (d *Declaration) column(name string) *ColumnSpec {
	for i := range d.Columns {
		if d.Columns[i].Name == name {
			return &d.Columns[i]
		}
	}
	return nil
}

// strictlyAscending also refuses what is not finite.
func strictlyAscending(x []float64) bool {
	for i, v := range x {
		if v-v != 0 || (i > 0 && !(v > x[i-1])) {
			return false
		}
	}
	return true
}

// duplicate is the index of a text that occurred before, or -1.
func duplicate(texts []string) int {
	seen := make(map[string]bool, len(texts))
	for i, s := range texts {
		if seen[s] {
			return i
		}
		seen[s] = true
	}
	return -1
}
