package service

import (
	"fmt"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// listed is how many names an error lists.
const listed = 20

// unknown says that there is no such name and which ones there are, a near one first.
func unknown(what, name string, known []string) string {
	text := fmt.Sprintf("there is no %s %.80q", what, name)
	if near := nearest(name, known); near != "" {
		text += fmt.Sprintf(", did you mean %q?", near)
	} else {
		text += "."
	}
	return text + " There " + areAll(known)
}

func areAll(known []string) string {
	if len(known) > listed {
		return fmt.Sprintf("are %s and %d more", strings.Join(quoted(known[:listed]), ", "), len(known)-listed)
	}
	if len(known) == 1 {
		return fmt.Sprintf("is %.80q", known[0])
	}
	return "are " + strings.Join(quoted(known), ", ")
}

func quoted(names []string) []string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = fmt.Sprintf("%.80q", n)
	}
	return all
}

// nearest is the name that looks most like another, or "" where none does.
func nearest(name string, known []string) string {
	const longest = 80 // of what is compared
	if len(name) > longest || len(known) > 10_000 {
		return ""
	}
	best, at := 0, -1
	for i, k := range known {
		if len(k) > longest {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(k)); at < 0 || d < best {
			best, at = d, i
		}
	}
	if at < 0 || best > max(2, len([]rune(name))/3) || best >= len([]rune(name)) {
		return ""
	}
	return known[at]
}

// distance is the number of letters to change, add or take away between two texts.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i, c := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j, d := range y {
			cost := diagonal
			if c != d {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}

// names lists the fields of a schema.
func names(s *table.Schema) []string {
	all := make([]string, len(s.Fields))
	for i := range s.Fields {
		all[i] = s.Fields[i].Name
	}
	return all
}

// sorted is a copy of codes in order, each once.
func sorted(codes []int32) []int32 {
	codes = slices.Clone(codes)
	slices.Sort(codes)
	return slices.Compact(codes)
}
