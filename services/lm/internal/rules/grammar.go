package rules

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// The limits of a reply.
const (
	MaxExpansions = 10_000
	MaxReply      = 64 << 10 // bytes
	MaxPrompt     = 64 << 10
)

// part is a stretch of text, or a symbol.
type part struct {
	text   string
	symbol int    // -1 for text; -2-k for what the k-th * of a pattern stood for
	bind   string // the name under which the symbol's text stays the same
	change string
}

// alternative is one way to write a symbol.
type alternative struct {
	parts  []part
	weight float64
	need   int // levels under it: 0 where there are no symbols in it
	line   int
}

type symbol struct {
	name string
	alts []alternative
	need int // levels of its shallowest alternative and itself
	at   *yaml.Node
}

// never is the need of what cannot end.
const never = math.MaxInt32

// grammar is a weighted context-free grammar whose nesting is bounded.
type grammar struct {
	symbols []symbol
	index   map[string]int
	drafts  [][]draft
	start   int
	depth   int
	total   int
}

func nameOK(s string) bool {
	for i, r := range s {
		if !(r == '_' || unicode.IsLetter(r) || i > 0 && (r == '-' || unicode.IsDigit(r))) {
			return false
		}
	}
	return len(s) <= 60
}

// define adds a symbol; its texts are taken apart when all symbols are known.
func (g *grammar) define(at *yaml.Node, name string, l []draft) {
	if g.index == nil {
		g.index = map[string]int{}
	}
	if !nameOK(name) {
		fail(at, "a symbol's name is %.60q, want up to 60 letters, digits, - and _, a letter first", name)
	}
	if _, ok := g.index[name]; ok {
		fail(at, "%.60q is defined twice", name)
	}
	if g.total += len(l); g.total > MaxAlternatives {
		fail(at, "more than %d alternatives", MaxAlternatives)
	}
	g.index[name] = len(g.symbols)
	g.symbols = append(g.symbols, symbol{name: name, at: at})
	g.drafts = append(g.drafts, l)
}

// finish takes the texts apart and finds out how deep every symbol must go.
func (g *grammar) finish(start *yaml.Node) {
	for i := range g.symbols {
		for _, d := range g.drafts[i] {
			a := alternative{parts: g.split(d.at, d.text, 0), weight: d.weight, line: d.at.Line}
			g.symbols[i].alts = append(g.symbols[i].alts, a)
		}
		g.symbols[i].need = never
	}
	g.drafts = nil
	for changed := true; changed; {
		changed = false
		for i := range g.symbols {
			s := &g.symbols[i]
			for k := range s.alts {
				a := &s.alts[k]
				a.need = 0
				for _, p := range a.parts {
					if p.symbol >= 0 {
						a.need = max(a.need, g.symbols[p.symbol].need)
					}
				}
				if a.need < never && a.need+1 < s.need {
					s.need, changed = a.need+1, true
				}
			}
		}
	}
	for _, s := range g.symbols {
		if s.need == never {
			fail(s.at, "%.60q never ends: every alternative leads to itself or to another such symbol", s.name)
		}
	}
	for _, s := range g.symbols {
		for _, a := range s.alts {
			if a.need == never {
				panic(problem{a.line, "this alternative of " + s.name + " never ends"})
			}
		}
	}
	if s := g.symbols[g.start]; s.need > g.depth {
		fail(start, "the shallowest reply is %d levels deep, more than the depth of %d", s.need, g.depth)
	}
}

var changes = []string{"capital", "upper", "a"}

// split takes a text apart. holes is the number of * in a pattern whose matches {1}, {2} stand for.
func (g *grammar) split(at *yaml.Node, s string, holes int) []part {
	var l []part
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			l = append(l, part{text: text.String(), symbol: -1})
			text.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c:
			text.WriteByte(c)
			i++
		case c == '}':
			fail(at, "a } without its {; write }} for a brace")
		case c == '{':
			end := strings.IndexByte(s[i:], '}')
			if end < 0 {
				fail(at, "a { without its }; write {{ for a brace")
			}
			flush()
			l = append(l, g.reference(at, s[i+1:i+end], holes))
			i += end
		default:
			text.WriteByte(c)
		}
	}
	flush()
	return l
}

// reference reads what stands between braces.
func (g *grammar) reference(at *yaml.Node, s string, holes int) part {
	p := part{}
	name, change, ok := strings.Cut(s, "|")
	if ok {
		if !slices.Contains(changes, change) {
			fail(at, "{%.60s} has the change %.40q, want one of %s", s, change, strings.Join(changes, ", "))
		}
		p.change = change
	}
	if holes > 0 {
		if len(name) == 1 && name[0] >= '1' && int(name[0]-'0') <= holes {
			p.symbol = -1 - int(name[0]-'0')
			return p
		}
		fail(at, "{%.60s}, want {1} to {%d}", s, holes)
	}
	if bind, symbol, ok := strings.Cut(name, ":"); ok {
		if p.bind = bind; bind == "" || !nameOK(bind) {
			fail(at, "{%.60s} has no proper name before the colon", s)
		}
		name = symbol
	}
	i, ok := g.index[name]
	if !ok || name == "" {
		fail(at, "{%.60s}: there is no symbol %.60q", s, name)
	}
	p.symbol = i
	return p
}

// drawer hands out uniform numbers of one reply.
type drawer struct {
	s      rng.Stream
	sample uint64
	n      int
	room   [64]float64
}

func (d *drawer) uniform() float64 {
	if d.n%len(d.room) == 0 {
		d.s.Uniform64(d.room[:], d.sample, uint32(d.n/len(d.room)), rng.Choice)
	}
	u := d.room[d.n%len(d.room)]
	d.n++
	return u
}

// choose draws an index in proportion to the weights and gives the logarithm of its probability. One weight alone takes
// no draw.
func (d *drawer) choose(weights []float64) (int, float64) {
	some, at, sum := 0, 0, 0.0
	for i, w := range weights {
		if w > 0 {
			some, at = some+1, i
		}
		sum += w
	}
	if some == 1 {
		return at, 0
	}
	u := float64(d.uniform() * sum)
	for i, w := range weights {
		if w > 0 {
			if u -= w; u < 0 {
				at = i
				break
			}
		}
	}
	return at, tensor.LogF64(weights[at] / sum)
}

// reply is a reply under construction.
type reply struct {
	g      *grammar
	d      drawer
	bound  map[string]string
	filled map[int]string // texts of slots
	pieces []model.Piece
	nats   float64 // of choices since the last piece
	used   int
	bytes  int
}

func tooLong(what string, n int) error {
	return fault.E(fault.Invalid, "REPLY_TOO_LONG", "rules.Reply", "the rules led to more than %d %s", n, what)
}

// put adds text.
func (r *reply) put(s string) error {
	if r.bytes += len(s); r.bytes > MaxReply {
		return tooLong("bytes", MaxReply)
	}
	r.pieces = append(r.pieces, model.Piece{Text: s, Nats: r.nats})
	r.nats = 0
	return nil
}

// done gives the pieces; choices that no text followed belong to the last of them.
func (r *reply) done() []model.Piece {
	if len(r.pieces) == 0 {
		r.pieces = append(r.pieces, model.Piece{})
	}
	r.pieces[len(r.pieces)-1].Nats += r.nats
	return r.pieces
}

// write writes a symbol with so many levels left.
func (r *reply) write(i, depth int) error {
	if s, ok := r.filled[i]; ok {
		return r.put(s)
	}
	if r.used++; r.used > MaxExpansions {
		return tooLong("expansions", MaxExpansions)
	}
	k, nats := r.d.choose(r.g.weights(i, depth))
	r.nats += nats
	return r.parts(r.g.symbols[i].alts[k].parts, depth-1)
}

// weights are those of the alternatives that can end within depth levels.
func (g *grammar) weights(i, depth int) []float64 {
	w := make([]float64, len(g.symbols[i].alts))
	for k, a := range g.symbols[i].alts {
		if a.need < depth {
			w[k] = a.weight
		}
	}
	return w
}

func (r *reply) parts(l []part, depth int) error {
	for _, p := range l {
		switch {
		case p.symbol < 0:
			if err := r.put(p.text); err != nil {
				return err
			}
		case p.bind == "" && p.change == "":
			if err := r.write(p.symbol, depth); err != nil {
				return err
			}
		default:
			s, ok := r.bound[p.bind]
			if !ok || p.bind == "" {
				pieces, bytes := r.pieces, r.bytes
				r.pieces = nil
				if err := r.write(p.symbol, depth); err != nil {
					return err
				}
				var b strings.Builder
				for _, q := range r.pieces {
					b.WriteString(q.Text)
					r.nats += q.Nats
				}
				r.pieces, r.bytes, s = pieces, bytes, b.String()
				if p.bind != "" {
					r.bound[p.bind] = s
				}
			}
			if err := r.put(changed(s, p.change)); err != nil {
				return err
			}
		}
	}
	return nil
}

// changed applies a change to a text.
func changed(s, change string) string {
	switch change {
	case "upper":
		return strings.ToUpper(s)
	case "capital":
		r, n := utf8.DecodeRuneInString(s)
		return string(unicode.ToUpper(r)) + s[n:]
	case "a":
		if s != "" && strings.ContainsRune("aeiouAEIOU", rune(s[0])) {
			return "an " + s
		}
		return "a " + s
	}
	return s
}

// Reply implements model.Replier.
func (r *Rules) Reply(prompt string, s rng.Stream, sample uint64) ([]model.Piece, error) {
	if len(prompt) > MaxPrompt {
		return nil, fault.E(fault.Invalid, "PROMPT_TOO_LONG", "rules.Reply", "%d bytes, at most %d", len(prompt), MaxPrompt)
	}
	if !utf8.ValidString(prompt) {
		return nil, fault.E(fault.Invalid, "BAD_PROMPT", "rules.Reply", "the prompt is not UTF-8")
	}
	d := drawer{s: s, sample: sample}
	if r.kind == "transform" {
		return r.transform.reply(prompt, &d)
	}
	w := &reply{g: &r.grammar, d: d, bound: map[string]string{}}
	if r.kind == "template" {
		var err error
		if w.filled, err = r.fill(prompt); err != nil {
			return nil, err
		}
	}
	if err := w.write(r.grammar.start, r.grammar.depth); err != nil {
		return nil, err
	}
	return w.done(), nil
}

// fill reads the values of slots.
func (r *Rules) fill(prompt string) (map[int]string, error) {
	const op = "rules.Reply"
	filled := map[int]string{}
	for line := range strings.Lines(prompt) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		i, known := r.grammar.index[strings.TrimSpace(name)]
		if !ok || !known || !slices.ContainsFunc(r.slots, func(s Slot) bool { return s.Name == strings.TrimSpace(name) }) {
			var l []string
			for _, s := range r.slots {
				l = append(l, s.Name)
			}
			return nil, fault.E(fault.Invalid, "UNKNOWN_SLOT", op, "%.60q fills no slot; write a line of name: value for "+
				"each of %s", line, strings.Join(l, ", "))
		}
		if _, ok := filled[i]; ok {
			return nil, fault.E(fault.Invalid, "UNKNOWN_SLOT", op, "the slot %s is filled twice", name)
		}
		filled[i] = strings.TrimSpace(value)
	}
	for _, s := range r.slots {
		if _, ok := filled[r.grammar.index[s.Name]]; s.Required && !ok {
			return nil, fault.E(fault.Invalid, "MISSING_SLOT", op, "the slot %s is not filled: write a line of %s: value",
				s.Name, s.Name)
		}
	}
	return filled, nil
}
