package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/manifold-gen/manifold/shared/fault"
)

// The limits of a file.
const (
	MaxFile         = 256 << 10
	MaxAlternatives = 1 << 14
	MaxDepth        = 64
)

// Rules are a file of rules. They do not change. They implement model.Replier.
type Rules struct {
	name, about string
	kind        string
	grammar     grammar
	slots       []Slot
	transform   *transform
}

// Slot is a value that the prompt gives to a template.
type Slot struct {
	Name, Help string
	Default    string
	Required   bool
}

// Name is the rules' name, About what they are.
func (r *Rules) Name() string { return r.name }

// About says what the rules are.
func (r *Rules) About() string { return r.about }

// Kind is grammar, template or transform.
func (r *Rules) Kind() string { return r.kind }

// Slots are a template's, in the file's order.
func (r *Rules) Slots() []Slot { return r.slots }

// problem is an error at a line; parsing gives up by a panic with it, which Parse turns into its error.
type problem struct {
	line int
	text string
}

func fail(n *yaml.Node, format string, args ...any) {
	panic(problem{n.Line, fmt.Sprintf(format, args...)})
}

// Parse reads a file of rules. Errors are of kind Invalid and have the reason BAD_RULES.
func Parse(text []byte) (r *Rules, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case problem:
			r, err = nil, fault.E(fault.Invalid, "BAD_RULES", "rules.Parse", "line %d: %s", p.line, p.text)
		default:
			panic(p)
		}
	}()
	if len(text) > MaxFile {
		return nil, fault.E(fault.Invalid, "BAD_RULES", "rules.Parse", "%d bytes, at most %d", len(text), MaxFile)
	}
	if !utf8.Valid(text) {
		return nil, fault.E(fault.Invalid, "BAD_RULES", "rules.Parse", "the file is not UTF-8")
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return nil, fault.E(fault.Invalid, "BAD_RULES", "rules.Parse", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fault.E(fault.Invalid, "BAD_RULES", "rules.Parse", "more than one document")
	}
	return file(doc.Content[0]), nil
}

// field is a key with its value.
type field struct {
	key   string
	at, v *yaml.Node
}

// fields are those of a mapping, all of which must be known where known is given.
func fields(n *yaml.Node, known ...string) []field {
	if n.Kind != yaml.MappingNode {
		fail(n, "want fields (name: value)")
	}
	l := make([]field, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		name := str(k)
		if len(known) > 0 && !slices.Contains(known, name) {
			fail(k, "no field %.60q here; known are %s", name, strings.Join(known, ", "))
		}
		for _, f := range l {
			if f.key == name {
				fail(k, "%.60q is there twice", name)
			}
		}
		l = append(l, field{name, k, v})
	}
	return l
}

// plain refuses anchors, of which a few bytes can stand for a lot.
func plain(n *yaml.Node) {
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		fail(n, "anchors and aliases are not allowed")
	}
}

func str(n *yaml.Node) string {
	plain(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		fail(n, "want a text")
	}
	return n.Value
}

func number(n *yaml.Node, lo, hi float64) float64 {
	v, err := strconv.ParseFloat(str(n), 64)
	if err != nil || math.IsNaN(v) || v < lo || v > hi {
		fail(n, "%.40q, want a number from %v to %v", n.Value, lo, hi)
	}
	return v
}

func list(n *yaml.Node) []*yaml.Node {
	plain(n)
	if n.Kind != yaml.SequenceNode {
		fail(n, "want a list")
	}
	return n.Content
}

// words is a list of texts, or one text.
func words(n *yaml.Node) []string {
	if n.Kind == yaml.ScalarNode {
		return []string{str(n)}
	}
	var l []string
	for _, c := range list(n) {
		l = append(l, str(c))
	}
	return l
}

var everywhere = []string{"rules", "name", "about", "kind"}

// file reads the whole document.
func file(n *yaml.Node) *Rules {
	plain(n)
	r := &Rules{}
	version := false
	for _, f := range fields(n) {
		switch f.key {
		case "rules":
			if str(f.v) != "1" {
				fail(f.v, "version %.20q of the format, want 1", f.v.Value)
			}
			version = true
		case "name":
			r.name = str(f.v)
		case "about":
			r.about = str(f.v)
		case "kind":
			r.kind = str(f.v)
		}
	}
	if !version || r.name == "" {
		fail(n, "want rules: 1 and a name")
	}
	switch r.kind {
	case "grammar":
		r.readGrammar(n, fields(n, append(everywhere, "start", "depth", "symbols")...))
	case "template":
		r.readTemplate(n, fields(n, append(everywhere, "slots", "texts", "depth", "symbols")...))
	case "transform":
		r.transform = readTransform(n, fields(n, append(everywhere, "greeting", "before", "swap", "groups", "keywords",
			"memory", "none")...))
	default:
		fail(n, "kind %.40q, want grammar, template or transform", r.kind)
	}
	return r
}

// readSymbols fills the grammar.
func (g *grammar) readSymbols(n *yaml.Node) {
	for _, f := range fields(n) {
		g.define(f.at, f.key, alternatives(f.v))
	}
}

// draft is an alternative as it was read.
type draft struct {
	at     *yaml.Node
	text   string
	weight float64
}

// alternatives are texts with weights.
func alternatives(n *yaml.Node) []draft {
	if n.Kind == yaml.ScalarNode {
		return []draft{{n, str(n), 1}}
	}
	var l []draft
	for _, c := range list(n) {
		if c.Kind == yaml.ScalarNode {
			l = append(l, draft{c, str(c), 1})
			continue
		}
		plain(c)
		d := draft{at: c, weight: 1}
		text := false
		for _, f := range fields(c, "text", "weight") {
			if f.key == "text" {
				d.text, text = str(f.v), true
			} else {
				d.weight = number(f.v, 1e-9, 1e9)
			}
		}
		if !text {
			fail(c, "an alternative without text")
		}
		l = append(l, d)
	}
	if len(l) == 0 {
		fail(n, "a list of no alternatives")
	}
	return l
}

func (r *Rules) readGrammar(n *yaml.Node, l []field) {
	g := &r.grammar
	g.depth = 32
	start := n
	name := ""
	for _, f := range l {
		switch f.key {
		case "start":
			start, name = f.v, str(f.v)
		case "depth":
			g.depth = int(number(f.v, 1, MaxDepth))
		case "symbols":
			g.readSymbols(f.v)
		}
	}
	i, ok := g.index[name]
	if !ok {
		fail(start, "the start %.60q is not among the symbols", name)
	}
	g.start = i
	g.finish(start)
}

func (r *Rules) readTemplate(n *yaml.Node, l []field) {
	g := &r.grammar
	g.depth = 32
	var texts *yaml.Node
	for _, f := range l {
		switch f.key {
		case "depth":
			g.depth = int(number(f.v, 1, MaxDepth))
		case "symbols":
			g.readSymbols(f.v)
		case "texts":
			texts = f.v
		}
	}
	for _, f := range l {
		if f.key != "slots" {
			continue
		}
		for _, s := range fields(f.v) {
			slot := Slot{Name: s.key, Required: true}
			for _, p := range fields(s.v, "help", "default") {
				if p.key == "help" {
					slot.Help = str(p.v)
				} else {
					slot.Default, slot.Required = str(p.v), false
				}
			}
			r.slots = append(r.slots, slot)
			g.define(s.at, s.key, []draft{{s.at, strings.NewReplacer("{", "{{", "}", "}}").Replace(slot.Default), 1}})
		}
	}
	if texts == nil {
		fail(n, "a template without texts")
	}
	g.define(texts, "", alternatives(texts))
	g.start = g.index[""]
	g.finish(texts)
}
