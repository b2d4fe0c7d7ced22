package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
)

// question is a probability as people write it: P(left | right), where left is fields or an event and right is what is
// known, some of it set by do().
type question struct {
	targets          []string
	event, given, do []*tabularv1.Condition
}

// token is a word, or one of the signs of a question.
type token struct {
	text   string
	quoted bool // never a sign
}

// tokens divides a question. Words go to the next sign or, in double quotes, to the closing quote.
func tokens(s string) ([]token, error) {
	var all []token
	var word strings.Builder
	flush := func() {
		if w := strings.TrimSpace(word.String()); w != "" {
			all = append(all, token{text: w})
		}
		word.Reset()
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			end := strings.IndexByte(s[i+1:], '"')
			if end < 0 {
				return nil, fmt.Errorf("the quote at %q is not closed", s[i:])
			}
			flush()
			all = append(all, token{s[i+1 : i+1+end], true})
			i += end + 1
		case strings.HasPrefix(s[i:], ">="):
			flush()
			all = append(all, token{text: ">="})
			i++
		case strings.IndexByte("|,()=</", c) >= 0:
			flush()
			all = append(all, token{text: string(c)})
		default:
			word.WriteByte(c)
		}
	}
	flush()
	return all, nil
}

// parser reads the tokens of a question; fields are those of the model.
type parser struct {
	tokens []token
	fields []*tabularv1.Field
}

// sign takes the next token if it is that sign.
func (p *parser) sign(text string) bool {
	if len(p.tokens) > 0 && p.tokens[0].text == text && !p.tokens[0].quoted {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

// word takes the next token, which must be no sign.
func (p *parser) word(what string) (string, error) {
	if len(p.tokens) == 0 {
		return "", fmt.Errorf("the question ends where %s should be", what)
	}
	t := p.tokens[0]
	if r, n := utf8.DecodeRuneInString(t.text); !t.quoted && (n == len(t.text) && strings.ContainsRune("|,()=</", r) ||
		t.text == ">=") {
		return "", fmt.Errorf("%q stands where %s should be", t.text, what)
	}
	p.tokens = p.tokens[1:]
	return t.text, nil
}

// parseQuestion reads P(left | right); the P( ) may be left out.
func parseQuestion(s string, fields []*tabularv1.Field) (*question, error) {
	text := strings.TrimSpace(s)
	if strings.HasPrefix(text, "P(") && strings.HasSuffix(text, ")") {
		text = text[2 : len(text)-1]
	}
	all, err := tokens(text)
	if err != nil {
		return nil, err
	}
	p, q := &parser{all, fields}, &question{}
	for first := true; first || p.sign(","); first = false {
		if err := p.left(q); err != nil {
			return nil, err
		}
	}
	if p.sign("|") {
		if err := p.right(q); err != nil {
			return nil, err
		}
	}
	if len(p.tokens) > 0 {
		return nil, fmt.Errorf("%q is too much; a question is P(left | right), as in Survived | Sex=female",
			p.tokens[0].text)
	}
	if len(q.targets) > 0 && len(q.event) > 0 {
		return nil, fmt.Errorf("%s and %s: before the | stand either fields or conditions", q.targets[0],
			q.event[0].GetField())
	}
	return q, nil
}

func (p *parser) left(q *question) error {
	name, err := p.word("a field")
	if err != nil {
		return err
	}
	if len(p.tokens) == 0 || p.tokens[0].quoted || !slices.Contains([]string{"=", "<", ">="}, p.tokens[0].text) {
		q.targets = append(q.targets, name)
		return nil
	}
	return p.condition(name, &q.event)
}

func (p *parser) right(q *question) error {
	for first := true; first || p.sign(","); first = false {
		name, err := p.word("a condition")
		if err != nil {
			return err
		}
		if name != "do" || !p.sign("(") {
			if err := p.condition(name, &q.given); err != nil {
				return err
			}
			continue
		}
		for first := true; first || p.sign(","); first = false {
			if name, err = p.word("a field"); err != nil {
				return err
			}
			if err := p.condition(name, &q.do); err != nil {
				return err
			}
		}
		if !p.sign(")") {
			return fmt.Errorf("do( is not closed")
		}
	}
	return nil
}

// condition reads what follows a field's name. Two bounds of a field become one interval.
func (p *parser) condition(name string, to *[]*tabularv1.Condition) error {
	sign := ""
	for _, s := range []string{"=", ">=", "<"} {
		if p.sign(s) {
			sign = s
			break
		}
	}
	if sign == "" {
		return fmt.Errorf("%s needs =, >= or < and a value", name)
	}
	value, err := p.word("a value of " + name)
	if err != nil {
		return err
	}
	c := &tabularv1.Condition{Field: name}
	i := slices.IndexFunc(*to, func(o *tabularv1.Condition) bool { return o.GetField() == name })
	if i >= 0 && sign != "=" {
		c = (*to)[i]
	} else {
		*to = append(*to, c)
	}
	if sign == "=" && !p.numeric(name) {
		c.Levels = []string{value}
		for p.sign("/") {
			if value, err = p.word("a level of " + name); err != nil {
				return err
			}
			c.Levels = append(c.Levels, value)
		}
		return nil
	}
	x, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("%s%s%s: want a number", name, sign, value)
	}
	switch sign {
	case "=":
		c.Equals = &x
	case ">=":
		c.AtLeast = &x
	default:
		c.Below = &x
	}
	return nil
}

func (p *parser) numeric(name string) bool {
	return slices.ContainsFunc(p.fields, func(f *tabularv1.Field) bool {
		return f.GetName() == name && f.GetKind() == tabularv1.Kind_KIND_NUMERIC
	})
}

// parseConditions reads a list of conditions, and of do() where that is allowed.
func parseConditions(s string, fields []*tabularv1.Field) (given, do []*tabularv1.Condition, err error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil, nil
	}
	all, err := tokens(s)
	if err != nil {
		return nil, nil, err
	}
	p, q := &parser{all, fields}, &question{}
	if err := p.right(q); err != nil {
		return nil, nil, err
	}
	if len(p.tokens) > 0 {
		return nil, nil, fmt.Errorf("%q is too much", p.tokens[0].text)
	}
	return q.given, q.do, nil
}

// conditionWords writes a condition as a question has it.
func conditionWords(c *tabularv1.Condition) string {
	name := c.GetField()
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	switch {
	case len(c.GetLevels()) > 0:
		return name + "=" + strings.Join(c.GetLevels(), "/")
	case c.Equals != nil:
		return name + "=" + number(c.GetEquals())
	}
	var l []string
	if c.AtLeast != nil {
		l = append(l, name+">="+number(c.GetAtLeast()))
	}
	if c.Below != nil {
		l = append(l, name+"<"+number(c.GetBelow()))
	}
	return strings.Join(l, ", ")
}

// String is the question as it was understood.
func (q *question) String() string {
	list := func(l []*tabularv1.Condition) string {
		words := make([]string, len(l))
		for i, c := range l {
			words[i] = conditionWords(c)
		}
		return strings.Join(words, ", ")
	}
	text := strings.Join(q.targets, ", ") + list(q.event)
	var right []string
	if len(q.do) > 0 {
		right = append(right, "do("+list(q.do)+")")
	}
	if len(q.given) > 0 {
		right = append(right, list(q.given))
	}
	if len(right) > 0 {
		text += " | " + strings.Join(right, ", ")
	}
	return "P(" + text + ")"
}
