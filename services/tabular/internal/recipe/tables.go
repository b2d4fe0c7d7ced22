package recipe

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"

	"github.com/manifold-gen/manifold/services/tabular/internal/shaped"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// entry is a registered table: drawn, or a file that is found by its checksum.
type entry struct {
	name, title, licence, origin string

	draw     func() []byte // as CSV; nil for a file
	noHeader bool
	header   []string
	declare  table.Declaration // what is known of the columns; a recipe's own words come before it
}

// entries are the registered tables, sorted by name: those that are drawn, and those of shared/dataset.
func entries() []entry {
	all := drawn()
	for _, name := range dataset.TableNames() {
		e, err := dataset.LookupTable(name)
		if err != nil {
			continue // the name is from the list
		}
		r := entry{name: e.Name, title: e.Title, licence: e.Licence, origin: e.Homepage, noHeader: e.Columns != nil,
			header: e.Columns}
		for _, column := range slices.Sorted(maps.Keys(e.Domains)) {
			r.declare.Columns = append(r.declare.Columns, categorical(column, e.Domains[column]...))
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return all
}

func drawn() []entry {
	return []entry{
		{
			name: "dice", title: "the 36 throws of two dice, with their sum", licence: "CC0-1.0", origin: "drawn",
			draw: dice,
			declare: table.Declaration{Columns: []table.ColumnSpec{
				categorical("red", pips(1, 6)...), categorical("blue", pips(1, 6)...), categorical("sum", pips(2, 12)...),
			}},
		},
		{
			name: "straws", title: "three draw straws, one of which is short: the 3 ways it can go", licence: "CC0-1.0",
			origin: "drawn", draw: straws,
			declare: table.Declaration{Columns: []table.ColumnSpec{
				categorical("first", "short", "long"), categorical("second", "short", "long"),
				categorical("third", "short", "long"),
			}},
		},
		{
			name: "titanic-like", title: "2,000 passengers drawn by this project, shaped like those of the Titanic",
			licence: "CC0-1.0", origin: "drawn by this project", draw: passengers, declare: passengerColumns(),
		},
		{
			name: "titanic-1912", title: "the 2,201 people aboard the Titanic by class, sex, age and fate",
			licence: "public domain", draw: aboard,
			origin: "Report on the Loss of the \"Titanic\" (S.S.), British Board of Trade Inquiry, 1912, as R. J. M. " +
				"Dawson tabulates it (Journal of Statistics Education 3, 1995)",
			declare: table.Declaration{Columns: []table.ColumnSpec{
				categorical("class", "first", "second", "third", "crew"), categorical("sex", "female", "male"),
				categorical("age", "child", "adult"), categorical("survived", "no", "yes"),
			}},
		},
	}
}

func categorical(name string, levels ...string) table.ColumnSpec {
	return table.ColumnSpec{Name: name, Kind: "categorical", Levels: levels}
}

func pips(from, to int) []string {
	var l []string
	for i := from; i <= to; i++ {
		l = append(l, fmt.Sprint(i))
	}
	return l
}

// Names lists the registered tables.
func Names() []string {
	var l []string
	for _, e := range entries() {
		l = append(l, e.name)
	}
	return l
}

// Titles says what each of Names holds.
func Titles() []string {
	var l []string
	for _, e := range entries() {
		l = append(l, e.title)
	}
	return l
}

func lookup(name string) (*entry, error) {
	all := entries()
	i := slices.IndexFunc(all, func(e entry) bool { return e.name == name })
	if i < 0 {
		return nil, fault.E(fault.NotFound, "DATASET_NOT_FOUND", "recipe.lookup", "no table %.80q, there are %s", name,
			strings.Join(Names(), ", "))
	}
	return &all[i], nil
}

// describe adds what is known of the columns to what a recipe says.
func (e *entry) describe(d *Data) {
	d.NoHeader, d.Header = e.noHeader, e.header
	d.Columns = slices.Clone(d.Columns)
	for _, c := range e.declare.Columns {
		if !slices.ContainsFunc(d.Columns, func(o table.ColumnSpec) bool { return o.Name == c.Name }) {
			d.Columns = append(d.Columns, c)
		}
	}
	if d.Derive == nil {
		d.Derive = e.declare.Derive
	}
}

// dice are all throws of two dice.
func dice() []byte {
	var b strings.Builder
	b.WriteString("red,blue,sum\n")
	for r := 1; r <= 6; r++ {
		for u := 1; u <= 6; u++ {
			fmt.Fprintf(&b, "%d,%d,%d\n", r, u, r+u)
		}
	}
	return []byte(b.String())
}

// straws are the ways in which three can draw, one of the straws being short.
func straws() []byte {
	return []byte("first,second,third\nshort,long,long\nlong,short,long\nlong,long,short\n")
}

// fates are the people aboard the Titanic, by class; the last is the crew.
var fates = []struct {
	sex, age    string
	lost, saved [4]int
}{
	{"male", "child", [4]int{0, 0, 35, 0}, [4]int{5, 11, 13, 0}},
	{"female", "child", [4]int{0, 0, 17, 0}, [4]int{1, 13, 14, 0}},
	{"male", "adult", [4]int{118, 154, 387, 670}, [4]int{57, 14, 75, 192}},
	{"female", "adult", [4]int{4, 13, 89, 3}, [4]int{140, 80, 76, 20}},
}

// aboard has a row for everybody aboard the Titanic.
func aboard() []byte {
	var b strings.Builder
	b.WriteString("class,sex,age,survived\n")
	for _, f := range fates {
		for c, class := range []string{"first", "second", "third", "crew"} {
			line := class + "," + f.sex + "," + f.age + ","
			b.WriteString(strings.Repeat(line+"no\n", f.lost[c]) + strings.Repeat(line+"yes\n", f.saved[c]))
		}
	}
	return []byte(b.String())
}

// passengers are drawn with seed 1.
func passengers() []byte {
	var b bytes.Buffer
	if err := shaped.WriteTitanic(&b, 2000, 1); err != nil {
		return nil // a buffer takes every write; an empty table is an error where it is read
	}
	return b.Bytes()
}

// passengerColumns are title, class, size of the family and what else describes a passenger, without names.
func passengerColumns() table.Declaration {
	return table.Declaration{
		Columns: []table.ColumnSpec{
			{Name: "PassengerId", Drop: true}, {Name: "Name", Drop: true}, {Name: "Cabin", Drop: true},
			categorical("Survived", "0", "1"), categorical("Pclass", "1", "2", "3"), categorical("Sex", "female", "male"),
		},
		Derive: []table.Derivation{
			{Name: "title", From: "Name", Match: `, ([^.]*)\.`}, {Name: "family", Sum: []string{"SibSp", "Parch"}, Plus: 1},
		},
	}
}
