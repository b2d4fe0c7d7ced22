package main

import (
	"fmt"
	"strings"
)

// generic shows any report of a command: what it was made by, and its results as a table.
func generic(name string, v *value) (page, error) {
	if v.kind != '{' {
		return page{}, fmt.Errorf("want an object with the fields command and results")
	}
	var b strings.Builder
	title := strings.ReplaceAll(name, "-", " ")
	fmt.Fprintf(&b, "# %s%s\n\n", strings.ToUpper(title[:1]), title[1:])
	fmt.Fprintf(&b, "Made from [%s.json](%s.json) by `go run ./tools/results`; not edited by hand.\n\n", name, name)
	facts, tables := "", ""
	for _, f := range v.fields {
		switch {
		case f.value.flat() && f.value.text != "":
			facts += fmt.Sprintf("| %s | %s |\n", words(f.name), f.value.cell())
		case f.value.kind == '[' && len(f.value.items) > 0 && f.value.items[0].kind == '{':
			tables += heading(f.name) + table(f.value.items) + "\n"
		case f.value.kind == '{' && len(f.value.fields) > 0:
			tables += heading(f.name) + table([]*value{f.value}) + "\n"
		case !f.value.flat() && f.value.cell() != "":
			facts += fmt.Sprintf("| %s | %s |\n", words(f.name), f.value.cell())
		}
	}
	if facts != "" {
		b.WriteString("| | |\n|---|---|\n" + facts + "\n")
	}
	b.WriteString(tables)
	r := v.get("results")
	if r == nil || r.flat() {
		return page{strings.TrimRight(b.String(), "\n") + "\n", ""}, nil
	}
	if r.kind == '{' {
		r = &value{kind: '[', items: []*value{r}}
	}
	return page{strings.TrimRight(b.String(), "\n") + "\n", table(r.items)}, nil
}

func heading(field string) string {
	if field == "results" {
		return ""
	}
	return "## " + strings.ToUpper(field[:1]) + words(field[1:]) + "\n\n"
}

// table shows objects as rows. A single object with many fields becomes a table of two columns.
func table(rows []*value) string {
	var names []string
	seen := map[string]bool{}
	for _, r := range rows {
		for _, f := range r.fields {
			if !seen[f.name] {
				seen[f.name] = true
				names = append(names, f.name)
			}
		}
	}
	var b strings.Builder
	if len(rows) == 1 && len(names) > 8 {
		b.WriteString("| | |\n|---|---|\n")
		for _, f := range rows[0].fields {
			fmt.Fprintf(&b, "| %s | %s |\n", words(f.name), f.value.cell())
		}
		return b.String()
	}
	for _, n := range names {
		b.WriteString("| " + words(n) + " ")
	}
	b.WriteString("|\n")
	for _, n := range names {
		align := "---"
		if allNumbers(rows, n) {
			align = "--:"
		}
		b.WriteString("|" + align)
	}
	b.WriteString("|\n")
	for _, r := range rows {
		for _, n := range names {
			cell := ""
			if v := r.get(n); v != nil {
				cell = v.cell()
			}
			b.WriteString("| " + cell + " ")
		}
		b.WriteString("|\n")
	}
	return b.String()
}

func allNumbers(rows []*value, name string) bool {
	for _, r := range rows {
		if v := r.get(name); v != nil && v.kind != 'n' {
			return false
		}
	}
	return true
}

// units are the names of fields that a table writes otherwise.
var units = map[string]string{
	"gf_per_s": "GF/s", "gflops": "GF/s", "peak_gf_per_s": "peak GF/s", "per_second": "pictures/s", "flops": "flop",
	"seconds": "s", "best": "best s", "row_flop": "flop a row", "share_of_peak": "share of peak",
	"steps_per_second": "steps/s", "samples_per_second": "samples/s", "pictures_per_second": "pictures/s",
}

// words are the name of a field as a person reads it.
func words(name string) string {
	if u, ok := units[name]; ok {
		return u
	}
	return strings.ReplaceAll(name, "_", " ")
}
