package rules

import (
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
)

// element is one place of a pattern.
type element struct {
	any  bool
	word []string // words in small letters, any of which fits
	hole bool     // counts for {1}, {2}
}

// say is an answer with its weight.
type say struct {
	parts  []part
	weight float64
}

// rule answers where its pattern fits, or hands on to a keyword.
type rule struct {
	pattern []element
	says    []say
	to      string // keyword, "next" or ""
	at      *yaml.Node
}

// keyword is a word, or several, with its rules.
type keyword struct {
	words []string
	rank  float64
	rules []rule
}

// transform is a file of transformations.
type transform struct {
	before, swap   map[string]string
	groups         map[string][]string
	keywords       []keyword
	byWord         map[string]int
	memory         []rule
	chance         float64
	none, greeting []say
}

func low(s string) string { return strings.ToLower(s) }

func readTransform(n *yaml.Node, l []field) *transform {
	t := &transform{before: map[string]string{}, swap: map[string]string{}, groups: map[string][]string{},
		byWord: map[string]int{}, chance: 1}
	pairs := func(n *yaml.Node, into map[string]string) {
		for _, f := range fields(n) {
			into[low(f.key)] = str(f.v)
		}
	}
	for _, f := range l {
		switch f.key {
		case "before":
			pairs(f.v, t.before)
		case "swap":
			pairs(f.v, t.swap)
		case "groups":
			for _, g := range fields(f.v) {
				for _, w := range words(g.v) {
					t.groups[g.key] = append(t.groups[g.key], low(w))
				}
			}
		case "none":
			t.none = says(f.v, 0)
		case "greeting":
			t.greeting = says(f.v, 0)
		}
	}
	for _, f := range l {
		switch f.key {
		case "keywords":
			for _, k := range list(f.v) {
				t.readKeyword(k)
			}
		case "memory":
			for _, m := range fields(f.v, "chance", "rules") {
				if m.key == "chance" {
					t.chance = number(m.v, 0, 1)
				} else {
					t.memory = t.readRules(m.v, false)
				}
			}
		}
	}
	if t.none == nil {
		fail(n, "transformations without none: what to say where nothing applies")
	}
	if t.greeting == nil {
		t.greeting = t.none
	}
	t.checkGoto()
	return t
}

// says are answers with up to so many holes.
func says(n *yaml.Node, holes int) []say {
	var l []say
	for _, d := range alternatives(n) {
		g := grammar{}
		l = append(l, say{g.split(d.at, d.text, holes), d.weight})
	}
	return l
}

func (t *transform) readKeyword(n *yaml.Node) {
	plain(n)
	k := keyword{rank: 1}
	for _, f := range fields(n, "words", "rank", "rules") {
		switch f.key {
		case "words":
			for _, w := range words(f.v) {
				k.words = append(k.words, low(w))
			}
		case "rank":
			k.rank = number(f.v, -1e6, 1e6)
		case "rules":
			k.rules = t.readRules(f.v, true)
		}
	}
	if len(k.words) == 0 || len(k.rules) == 0 {
		fail(n, "a keyword needs words and rules")
	}
	for _, w := range k.words {
		if _, ok := t.byWord[w]; ok || w == "next" || len(split(w)) != 1 {
			fail(n, "the keyword %.60q is there twice, is next, or not one word", w)
		}
		t.byWord[w] = len(t.keywords)
	}
	t.keywords = append(t.keywords, k)
}

func (t *transform) readRules(n *yaml.Node, jump bool) []rule {
	var l []rule
	for _, c := range list(n) {
		plain(c)
		r := rule{at: c}
		var answer *yaml.Node
		for _, f := range fields(c, "when", "say", "goto") {
			switch f.key {
			case "when":
				r.pattern = t.pattern(f.v)
			case "say":
				answer = f.v
			case "goto":
				r.to = low(str(f.v))
			}
		}
		holes := 0
		for _, e := range r.pattern {
			if e.hole {
				holes++
			}
		}
		if r.pattern == nil || (answer == nil) == (r.to == "") || !jump && r.to != "" {
			fail(c, "a rule needs when and one of say and goto (say alone in the memory)")
		}
		if holes > 9 {
			fail(c, "a pattern with %d places of * and @, at most 9", holes)
		}
		if answer != nil {
			r.says = says(answer, max(1, holes))
			if holes == 0 {
				for _, s := range r.says {
					if slices.ContainsFunc(s.parts, func(p part) bool { return p.symbol < -1 }) {
						fail(answer, "the pattern has no * that {1} could stand for")
					}
				}
			}
		}
		l = append(l, r)
	}
	if len(l) == 0 || len(l) > 1000 {
		fail(n, "%d rules, want 1 to 1000", len(l))
	}
	return l
}

// pattern reads "* my @family *".
func (t *transform) pattern(n *yaml.Node) []element {
	var l []element
	for _, w := range strings.Fields(str(n)) {
		switch {
		case w == "*":
			if len(l) > 0 && l[len(l)-1].any {
				fail(n, "two * side by side")
			}
			l = append(l, element{any: true, hole: true})
		case w[0] == '@':
			g, ok := t.groups[w[1:]]
			if !ok {
				fail(n, "there is no group %.60q", w[1:])
			}
			l = append(l, element{word: g, hole: true})
		default:
			l = append(l, element{word: []string{low(w)}})
		}
	}
	if len(l) == 0 || len(l) > 32 {
		fail(n, "a pattern of %d places, want 1 to 32", len(l))
	}
	return l
}

// checkGoto refuses jumps to nowhere and jumps that lead back to where they came from.
func (t *transform) checkGoto() {
	const open, closed = 1, 2
	state := make([]int, len(t.keywords))
	var visit func(i int)
	visit = func(i int) {
		state[i] = open
		for _, r := range t.keywords[i].rules {
			if r.to == "" || r.to == "next" {
				continue
			}
			j, ok := t.byWord[r.to]
			if !ok {
				fail(r.at, "goto %.60q, which is no keyword", r.to)
			}
			if state[j] == open {
				fail(r.at, "goto %.60q leads back to where it came from", r.to)
			}
			if state[j] == 0 {
				visit(j)
			}
		}
		state[i] = closed
	}
	for i := range t.keywords {
		if state[i] == 0 {
			visit(i)
		}
	}
}

// split is a line's words: letters, digits and what holds them together.
func split(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && r != '-' && r != '’'
	})
}

// clauses are the parts of a line between its signs, as words after the replacements.
func (t *transform) clauses(line string) [][]string {
	var l [][]string
	for _, c := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(".,;:!?()\"", r) }) {
		var clause []string
		for _, w := range split(strings.ReplaceAll(c, "’", "'")) {
			if b, ok := t.before[low(w)]; ok {
				clause = append(clause, split(b)...)
			} else {
				clause = append(clause, w)
			}
		}
		if len(clause) > 0 {
			l = append(l, clause)
		}
	}
	return l
}

// MaxWords is the most words of a clause that are looked at.
const MaxWords = 512

// match fits words to a pattern; every * takes as few words as it can. It gives what the holes stood for.
func match(pattern []element, words []string) ([][]string, bool) {
	if len(words) > MaxWords {
		words = words[:MaxWords]
	}
	p, w := len(pattern), len(words)
	fits := make([]bool, (p+1)*(w+1)) // whether pattern[i:] fits words[j:]
	fits[p*(w+1)+w] = true
	for i := p - 1; i >= 0; i-- {
		for j := w; j >= 0; j-- {
			e, next := pattern[i], i+1
			switch {
			case e.any:
				fits[i*(w+1)+j] = fits[next*(w+1)+j] || j < w && fits[i*(w+1)+j+1]
			case j < w:
				fits[i*(w+1)+j] = slices.Contains(e.word, low(words[j])) && fits[next*(w+1)+j+1]
			}
		}
	}
	if !fits[0] {
		return nil, false
	}
	var holes [][]string
	j := 0
	for i, e := range pattern {
		from := j
		if e.any {
			for !fits[(i+1)*(w+1)+j] {
				j++
			}
		} else {
			j++
		}
		if e.hole {
			holes = append(holes, words[from:j])
		}
	}
	return holes, true
}

// answer writes one of the answers with the holes filled.
func (t *transform) answer(l []say, holes [][]string, d *drawer) []model.Piece {
	weights := make([]float64, len(l))
	for i, s := range l {
		weights[i] = s.weight
	}
	k, nats := d.choose(weights)
	var b strings.Builder
	for _, p := range l[k].parts {
		if p.symbol == -1 {
			b.WriteString(p.text)
			continue
		}
		var taken []string
		for _, w := range holes[-2-p.symbol] {
			if s, ok := t.swap[low(w)]; ok {
				w = s
			}
			taken = append(taken, w)
		}
		b.WriteString(changed(strings.Join(taken, " "), p.change))
	}
	var pieces []model.Piece
	for i, w := range strings.Fields(b.String()) {
		if i > 0 && !strings.ContainsAny(w[:1], ".,;:!?") {
			w = " " + w
		}
		pieces = append(pieces, model.Piece{Text: w})
	}
	if len(pieces) == 0 {
		pieces = append(pieces, model.Piece{})
	}
	pieces[0].Nats = nats
	return pieces
}

// reply answers the prompt's last line.
func (t *transform) reply(prompt string, d *drawer) ([]model.Piece, error) {
	var lines []string
	for line := range strings.Lines(prompt) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return t.answer(t.greeting, nil, d), nil
	}
	if p := t.keyed(t.clauses(lines[len(lines)-1]), d); p != nil {
		return p, nil
	}
	type memory struct {
		r     *rule
		holes [][]string
	}
	var past []memory
	for _, line := range lines[:len(lines)-1] {
		for _, c := range t.clauses(line) {
			for i := range t.memory {
				if holes, ok := match(t.memory[i].pattern, c); ok {
					past = append(past, memory{&t.memory[i], holes})
					break
				}
			}
		}
	}
	nats := 0.0
	if len(past) > 0 {
		weights := make([]float64, len(past)+1)
		weights[0] = 1 - t.chance
		for i := range past {
			weights[i+1] = t.chance / float64(len(past))
		}
		var k int
		if k, nats = d.choose(weights); k > 0 {
			p := t.answer(past[k-1].r.says, past[k-1].holes, d)
			p[0].Nats += nats
			return p, nil
		}
	}
	p := t.answer(t.none, nil, d)
	p[0].Nats += nats
	return p, nil
}

// keyed answers by the keywords of the clause that has the one of the highest rank; nil where none applies.
func (t *transform) keyed(clauses [][]string, d *drawer) []model.Piece {
	var clause []string
	var found []int
	for _, c := range clauses {
		var l []int
		for _, w := range c {
			if k, ok := t.byWord[low(w)]; ok && !slices.Contains(l, k) {
				l = append(l, k)
			}
		}
		slices.SortStableFunc(l, func(a, b int) int {
			switch x, y := t.keywords[a].rank, t.keywords[b].rank; {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		if len(l) > 0 && (found == nil || t.keywords[l[0]].rank > t.keywords[found[0]].rank) {
			clause, found = c, l
		}
	}
	for _, k := range found {
		if p := t.try(k, clause, d); p != nil {
			return p
		}
	}
	return nil
}

// try goes through a keyword's rules; a goto hands on for good.
func (t *transform) try(k int, clause []string, d *drawer) []model.Piece {
	for _, r := range t.keywords[k].rules {
		holes, ok := match(r.pattern, clause)
		switch {
		case !ok:
		case r.to == "next":
			return nil
		case r.to != "":
			return t.try(t.byWord[r.to], clause, d)
		default:
			return t.answer(r.says, holes, d)
		}
	}
	return nil
}
