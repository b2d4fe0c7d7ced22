package bif

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// The limits of a file.
const (
	MaxBytes = 64 << 20
	MaxName  = 256     // bytes of a name or level
	MaxCells = 1 << 24 // probabilities of all tables together
)

// File is a network with its name.
type File struct {
	Name    string
	Network *bayesnet.Network
}

// reader is the state of reading a file.
type reader struct {
	scanner
	peeked *token
	name   string
	named  bool
	schema table.Schema
	index  map[string]int
	nodes  []bayesnet.Node
	lines  []int // of each variable's probability block; 0 where there is none yet
	later  []block
	cells  int
}

// block is a probability block, kept until all variables are known.
type block struct {
	child   token
	parents []token
	entries []entry
}

// entry is a line of a block: a table, the default, or the row of a configuration.
type entry struct {
	kind   string // "table", "default" or "("
	levels []token
	values []float64
	line   int
}

// Read reads a network. Fields lie in the order in which the file declares the variables. Errors have the reason
// INVALID_BIF, or those of bayesnet.New.
func Read(r io.Reader) (*File, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fault.Wrap("bif.Read", err)
	}
	b := &reader{scanner: scanner{text: string(text), line: 1}, index: map[string]int{}}
	if len(text) > MaxBytes {
		return nil, b.fail(1, "the file has more than %d bytes", MaxBytes)
	}
	if !utf8.Valid(text) {
		return nil, b.fail(1, "the file is no UTF-8 text")
	}
	if err := b.file(); err != nil {
		return nil, err
	}
	if err := b.resolve(); err != nil {
		return nil, err
	}
	n, err := bayesnet.New(&b.schema, b.nodes)
	if err != nil {
		return nil, err
	}
	return &File{Name: b.name, Network: n}, nil
}

func (b *reader) next() (token, error) {
	if t := b.peeked; t != nil {
		b.peeked = nil
		return *t, nil
	}
	return b.scanner.next()
}

func (b *reader) peek() (token, error) {
	if b.peeked == nil {
		t, err := b.scanner.next()
		if err != nil {
			return t, err
		}
		b.peeked = &t
	}
	return *b.peeked, nil
}

// is says whether the token is a bare word or mark.
func (t token) is(text string) bool { return t.text == text && !t.quoted }

func (t token) end() bool { return t.text == "" && !t.quoted }

func (t token) mark() bool { return !t.quoted && len(t.text) == 1 && strings.Contains(marks, t.text) }

func (b *reader) want(text string) error {
	t, err := b.next()
	if err == nil && !t.is(text) {
		err = b.fail(t.line, "%q where %q is expected", t.text, text)
	}
	return err
}

func (b *reader) word(what string) (token, error) {
	t, err := b.next()
	if err != nil {
		return t, err
	}
	if t.text == "" || t.mark() {
		return t, b.fail(t.line, "%q where %s is expected", t.text, what)
	}
	if len(t.text) > MaxName {
		return t, b.fail(t.line, "%s of %d bytes, at most %d", what, len(t.text), MaxName)
	}
	return t, nil
}

// file reads all declarations.
func (b *reader) file() error {
	for {
		t, err := b.next()
		if err != nil {
			return err
		}
		switch {
		case t.end():
			return nil
		case t.is("network"):
			err = b.network(t.line)
		case t.is("variable"):
			err = b.variable()
		case t.is("probability"):
			err = b.probability()
		default:
			err = b.fail(t.line, "%q where network, variable or probability is expected", t.text)
		}
		if err != nil {
			return err
		}
	}
}

func (b *reader) network(line int) error {
	if b.named {
		return b.fail(line, "a second network block")
	}
	b.named = true
	t, err := b.peek()
	if err != nil {
		return err
	}
	if !t.is("{") {
		if t, err = b.word("the network's name"); err != nil {
			return err
		}
		b.name = t.text
	}
	return b.braces(func(t token) error { return b.fail(t.line, "%q in a network block, which has properties", t.text) })
}

// braces reads { ... }, passing over properties; entry reads what begins with any other token.
func (b *reader) braces(entry func(t token) error) error {
	if err := b.want("{"); err != nil {
		return err
	}
	for {
		t, err := b.next()
		if err != nil {
			return err
		}
		switch {
		case t.is("}"):
			return nil
		case t.end():
			return b.fail(t.line, "the file ends within a block")
		case t.is("property"):
			for !t.is(";") {
				if t, err = b.next(); err != nil {
					return err
				}
				if t.end() {
					return b.fail(t.line, "a property that does not end with a semicolon")
				}
			}
		default:
			if err := entry(t); err != nil {
				return err
			}
		}
	}
}

func (b *reader) variable() error {
	name, err := b.word("a variable's name")
	if err != nil {
		return err
	}
	if _, ok := b.index[name.text]; ok {
		return b.fail(name.line, "the variable %q is declared twice", name.text)
	}
	if len(b.schema.Fields) == bayesnet.MaxFields {
		return b.fail(name.line, "more than %d variables", bayesnet.MaxFields)
	}
	f := table.Field{Name: name.text}
	err = b.braces(func(t token) error {
		if !t.is("type") || f.Levels != nil {
			return b.fail(t.line, "%q in the block of the variable %q, which has one type and properties", t.text, name.text)
		}
		f.Levels, err = b.levels()
		return err
	})
	if err != nil {
		return err
	}
	if f.Levels == nil {
		return b.fail(name.line, "the variable %q has no type", name.text)
	}
	b.index[name.text] = len(b.schema.Fields)
	b.schema.Fields = append(b.schema.Fields, f)
	return nil
}

// levels reads "discrete [ 2 ] { yes, no };".
func (b *reader) levels() ([]string, error) {
	kind, err := b.word("discrete")
	if err != nil {
		return nil, err
	}
	if !kind.is("discrete") {
		return nil, b.fail(kind.line, "a variable of type %q; variables are discrete", kind.text)
	}
	if err := b.want("["); err != nil {
		return nil, err
	}
	t, err := b.word("the number of levels")
	if err != nil {
		return nil, err
	}
	count, err := strconv.Atoi(t.text)
	if err != nil || count < 1 || count > bayesnet.MaxLevels {
		return nil, b.fail(t.line, "%q levels; allowed are 1 to %d", t.text, bayesnet.MaxLevels)
	}
	for _, mark := range []string{"]", "{"} {
		if err := b.want(mark); err != nil {
			return nil, err
		}
	}
	words, err := b.list("}", "a level")
	if err != nil {
		return nil, err
	}
	if len(words) != count {
		return nil, b.fail(t.line, "%d levels are listed, %d were announced", len(words), count)
	}
	levels := make([]string, count)
	seen := make(map[string]bool, count)
	for i, w := range words {
		if seen[w.text] {
			return nil, b.fail(w.line, "the level %q twice", w.text)
		}
		seen[w.text] = true
		levels[i] = w.text
	}
	return levels, b.want(";")
}

// list reads words up to the closing mark; commas between them may be left out, as some files do.
func (b *reader) list(closing, what string) ([]token, error) {
	var out []token
	for {
		t, err := b.peek()
		if err != nil {
			return nil, err
		}
		if t.is(closing) {
			b.peeked = nil
			return out, nil
		}
		if t.is(",") && len(out) > 0 {
			b.peeked = nil
		}
		if t, err = b.word(what); err != nil {
			return nil, err
		}
		out = append(out, t)
		if len(out) > MaxCells {
			return nil, b.fail(t.line, "more than %d entries in a list", MaxCells)
		}
	}
}

func (b *reader) probability() error {
	if err := b.want("("); err != nil {
		return err
	}
	child, err := b.word("a variable's name")
	if err != nil {
		return err
	}
	p := block{child: child}
	t, err := b.next()
	if err == nil && (t.is("|") || t.is(",")) {
		p.parents, err = b.list(")", "a parent's name")
	} else if err == nil && !t.is(")") {
		err = b.fail(t.line, "%q where | or ) is expected", t.text)
	}
	if err != nil {
		return err
	}
	err = b.braces(func(t token) error {
		e := entry{line: t.line, kind: t.text}
		switch {
		case t.is("("):
			if e.levels, err = b.list(")", "a parent's level"); err != nil {
				return err
			}
		case t.is("table") || t.is("default"):
		default:
			return b.fail(t.line, "%q in a probability block, which has table, default, rows and properties", t.text)
		}
		values, err := b.list(";", "a probability")
		if err != nil {
			return err
		}
		if b.cells += len(values); b.cells > MaxCells {
			return b.fail(t.line, "more than %d probabilities", MaxCells)
		}
		e.values = make([]float64, len(values))
		for i, v := range values {
			if e.values[i], err = strconv.ParseFloat(v.text, 64); err != nil || !(e.values[i] >= 0 && e.values[i] <= 1) {
				return b.fail(v.line, "the probability %q; allowed are numbers from 0 to 1", v.text)
			}
		}
		p.entries = append(p.entries, e)
		return nil
	})
	b.later = append(b.later, p)
	return err
}

// resolve turns the blocks into tables.
func (b *reader) resolve() error {
	F := len(b.schema.Fields)
	if F == 0 {
		return b.fail(b.line, "the file declares no variable")
	}
	b.nodes, b.lines = make([]bayesnet.Node, F), make([]int, F)
	total := 0
	for i := range b.later {
		p := &b.later[i]
		v, ok := b.index[p.child.text]
		if !ok {
			return b.fail(p.child.line, "the variable %q is not declared", p.child.text)
		}
		if b.lines[v] != 0 {
			return b.fail(p.child.line, "the variable %q has a second probability block, after that of line %d",
				p.child.text, b.lines[v])
		}
		b.lines[v] = p.child.line
		if err := b.table(v, p, &total); err != nil {
			return err
		}
	}
	for v, line := range b.lines {
		if line == 0 {
			return b.fail(b.line, "the variable %q has no probability block", b.schema.Fields[v].Name)
		}
	}
	return nil
}

// table fills the table of v from its block.
func (b *reader) table(v int, p *block, total *int) error {
	r, q := len(b.schema.Fields[v].Levels), 1
	var parents []int
	for _, t := range p.parents {
		u, ok := b.index[t.text]
		if !ok {
			return b.fail(t.line, "the parent %q of %q is not declared", t.text, p.child.text)
		}
		if u == v || slices.Contains(parents, u) {
			return b.fail(t.line, "the parent %q of %q is the variable itself, or there twice", t.text, p.child.text)
		}
		parents = append(parents, u)
		if q *= len(b.schema.Fields[u].Levels); q > MaxCells/r {
			return b.fail(t.line, "the table of %q has more than %d probabilities", p.child.text, MaxCells)
		}
	}
	if *total += q * r; *total > MaxCells {
		return b.fail(p.child.line, "all tables together have more than %d probabilities", MaxCells)
	}
	node := bayesnet.Node{Parents: parents, Table: make([]float64, q*r)}
	set := make([]bool, q)
	var rest *entry
	for i := range p.entries {
		e := &p.entries[i]
		switch {
		case e.kind == "default":
			if rest != nil || len(e.values) != r {
				return b.fail(e.line, "a default of %d probabilities; one of %d is allowed", len(e.values), r)
			}
			rest = e
		case e.kind == "table":
			if len(p.entries) > 1 || len(e.values) != q*r {
				return b.fail(e.line, "a table of %d probabilities; one of %d, and nothing else, is allowed", len(e.values),
					q*r)
			}
			for k, x := range e.values { // the child's levels change slowest
				node.Table[k%q*r+k/q] = x
			}
			for c := range set {
				set[c] = true
			}
		default:
			if err := b.row(e, parents, r, node.Table, set); err != nil {
				return err
			}
		}
	}
	for c := range set {
		if set[c] {
			continue
		}
		if rest == nil {
			return b.fail(p.child.line, "the block of %q lists not all of its %d rows and has no default", p.child.text, q)
		}
		copy(node.Table[c*r:], rest.values)
	}
	b.nodes[v] = node
	return nil
}

// row fills the row of a configuration.
func (b *reader) row(e *entry, parents []int, r int, cells []float64, set []bool) error {
	if len(e.levels) != len(parents) || len(e.values) != r {
		return b.fail(e.line, "a row of %d levels and %d probabilities; %d and %d are needed", len(e.levels), len(e.values),
			len(parents), r)
	}
	c := 0
	for i, u := range parents {
		f := &b.schema.Fields[u]
		k := slices.Index(f.Levels, e.levels[i].text)
		if k < 0 {
			return b.fail(e.levels[i].line, "%q is no level of %q", e.levels[i].text, f.Name)
		}
		c = c*len(f.Levels) + k
	}
	if set[c] {
		return b.fail(e.line, "a second row for the same levels")
	}
	set[c] = true
	copy(cells[c*r:], e.values)
	return nil
}
