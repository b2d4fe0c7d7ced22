package bif

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Write writes a network of categorical fields. Names that are no plain words are quoted; one with a quotation mark, a
// control character or more than MaxName bytes, and an empty one, cannot be written. Numbers have as many digits as
// they need to be read to the same bits.
func Write(w io.Writer, f *File) error {
	s := f.Network.Schema()
	quoted := func(name string) error {
		if name == "" || len(name) > MaxName || !utf8.ValidString(name) || strings.ContainsFunc(name, forbidden) {
			return fault.E(fault.Invalid, "INVALID_NAME", "bif.Write", "%q cannot be written; names have 1 to %d bytes, no "+
				"quotation marks and no control characters", name, MaxName)
		}
		return nil
	}
	for i := range s.Fields {
		d := &s.Fields[i]
		if d.Kind != table.Categorical {
			return fault.E(fault.Invalid, "NUMERIC_FIELD", "bif.Write",
				"the field %q is numeric; the format knows categories only", d.Name)
		}
		for _, name := range append([]string{d.Name}, d.Levels...) {
			if err := quoted(name); err != nil {
				return err
			}
		}
	}
	b := bufio.NewWriter(w)
	b.WriteString("network ") //nolint:errcheck // Flush tells
	if quoted(f.Name) == nil {
		b.WriteString(quote(f.Name)) //nolint:errcheck // Flush tells
	} else {
		b.WriteString("unknown") //nolint:errcheck // Flush tells
	}
	b.WriteString(" {\n}\n") //nolint:errcheck // Flush tells
	for i := range s.Fields {
		d := &s.Fields[i]
		b.WriteString("variable " + quote(d.Name) + " {\n  type discrete [ " + //nolint:errcheck // Flush tells
			strconv.Itoa(len(d.Levels)) + " ] { " + names(d.Levels) + " };\n}\n")
	}
	for v := range s.Fields {
		writeTable(b, s, f.Network.Nodes(), v)
	}
	return fault.Wrap("bif.Write", b.Flush())
}

func writeTable(b *bufio.Writer, s *table.Schema, nodes []bayesnet.Node, v int) {
	node, r := &nodes[v], len(s.Fields[v].Levels)
	parents := make([]string, len(node.Parents))
	for i, p := range node.Parents {
		parents[i] = s.Fields[p].Name
	}
	head := quote(s.Fields[v].Name)
	if len(parents) > 0 {
		head += " | " + names(parents)
	}
	b.WriteString("probability ( " + head + " ) {\n") //nolint:errcheck // Flush tells
	at := make([]int, len(parents))
	levels := make([]string, len(parents))
	for c := 0; c < len(node.Table); c += r {
		b.WriteString("  ") //nolint:errcheck // Flush tells
		if len(parents) == 0 {
			b.WriteString("table ") //nolint:errcheck // Flush tells
		} else {
			for i, p := range node.Parents {
				levels[i] = s.Fields[p].Levels[at[i]]
			}
			b.WriteString("(" + names(levels) + ") ") //nolint:errcheck // Flush tells
		}
		for i, p := range node.Table[c : c+r] {
			if i > 0 {
				b.WriteString(", ") //nolint:errcheck // Flush tells
			}
			b.WriteString(strconv.FormatFloat(p, 'g', -1, 64)) //nolint:errcheck // Flush tells
		}
		b.WriteString(";\n") //nolint:errcheck // Flush tells
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < len(s.Fields[node.Parents[i]].Levels) {
				break
			}
			at[i] = 0
		}
	}
	b.WriteString("}\n") //nolint:errcheck // Flush tells
}

func forbidden(r rune) bool { return r == '"' || r < 0x20 || r == 0x7f }

func names(list []string) string {
	quoted := make([]string, len(list))
	for i, name := range list {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, ", ")
}

// quote leaves plain words as they are.
func quote(name string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.+<>=", r)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return `"` + name + `"`
	}
	return name
}
