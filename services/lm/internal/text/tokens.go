package text

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Kind is what a token is.
type Kind uint8

// The kinds of tokens.
const (
	// Characters are code points.
	Characters Kind = iota
	// Bytes need no valid UTF-8.
	Bytes
	// Words: a word is a run of letters, marks and digits, with apostrophes and hyphens inside; every other code point
	// is a token of its own. One space before a token is part of it; a run of white space with one line break is the
	// token "\n", with more of them "\n\n", and other runs count as one space. A text begins as if a space went before.
	Words
	// Given are what lies between spaces, tabs and line breaks.
	Given
)

var kinds = [...]string{"characters", "bytes", "words", "given"}

// Kinds are the names of all kinds.
func Kinds() []string { return slices.Clone(kinds[:]) }

// String is the kind's name.
func (k Kind) String() string { return kinds[k] }

// ParseKind is the kind of that name.
func ParseKind(name string) (Kind, error) {
	i := slices.Index(kinds[:], name)
	if i < 0 {
		return 0, fault.E(fault.Invalid, "UNKNOWN_UNIT", "text.ParseKind", "unit %q: one of %v is needed", name, kinds)
	}
	return Kind(i), nil
}

// Tokens is a vocabulary with the way to split a text. It implements model.Tokens.
type Tokens struct {
	kind  Kind
	vocab *Vocab
	ascii [128]int32 // of the tokens that are one such byte
}

// NewTokens makes Tokens of a vocabulary that does not change any more.
func NewTokens(kind Kind, vocab *Vocab) *Tokens {
	t := &Tokens{kind: kind, vocab: vocab}
	for c := range t.ascii {
		t.ascii[c] = max(vocab.Find([]byte{byte(c)}), Unknown)
	}
	return t
}

// Kind is the way to split.
func (t *Tokens) Kind() Kind { return t.kind }

// Vocab is the vocabulary.
func (t *Tokens) Vocab() *Vocab { return t.vocab }

// Size implements model.Tokens.
func (t *Tokens) Size() int { return t.vocab.Len() }

// End implements model.Tokens.
func (t *Tokens) End() int32 { return Finish }

// Piece implements model.Tokens.
func (t *Tokens) Piece(token int32) string {
	if token < 0 || int(token) >= t.vocab.Len() {
		return "<none>"
	}
	return string(t.vocab.Bytes(token))
}

// Append implements model.Tokens. <unk> is written as the replacement character where tokens are characters or bytes.
func (t *Tokens) Append(dst []byte, token int32, first bool) []byte {
	if token < 0 || int(token) >= t.vocab.Len() || token == Begin || token == Finish {
		return dst
	}
	s := t.vocab.Bytes(token)
	if token == Unknown && t.kind <= Bytes {
		s = []byte("\uFFFD")
	}
	switch {
	case t.kind == Given && !first, t.kind == Words && token == Unknown && !first:
		dst = append(dst, ' ')
	case t.kind == Words && first && len(s) > 1 && s[0] == ' ':
		s = s[1:]
	}
	return append(dst, s...)
}

// Encode implements model.Tokens. The errors are of kind fault.Invalid: text that is not UTF-8, but for Bytes, and
// given tokens <s> and </s>.
func (t *Tokens) Encode(text string) ([]int32, error) {
	return t.AppendEncoded(nil, []byte(text))
}

// AppendEncoded is Encode of bytes, behind dst.
func (t *Tokens) AppendEncoded(dst []int32, text []byte) ([]int32, error) {
	const op = "text.Encode"
	if t.kind != Bytes && !utf8.Valid(text) {
		return dst, notUTF8(op, text)
	}
	if t.kind == Characters {
		for i := 0; i < len(text); {
			c := text[i]
			if c < utf8.RuneSelf {
				dst = append(dst, t.ascii[c])
				i++
				continue
			}
			_, n := utf8.DecodeRune(text[i:])
			dst = append(dst, t.regular(text[i:i+n]))
			i += n
		}
		return dst, nil
	}
	s := Splitter{Kind: t.kind, Text: text}
	next := s.Next
	if t.kind == Given {
		next = s.given
	}
	for tok := next(); tok != nil; tok = next() {
		id := t.vocab.Find(tok)
		switch {
		case id < 0:
			id = Unknown
		case id == Begin || id == Finish:
			return dst, fault.E(fault.Invalid, "RESERVED_TOKEN", op,
				"the text has the token %s, which is the model's own", tok)
		}
		dst = append(dst, id)
	}
	return dst, nil
}

// regular is the number of a token that is not a special one.
func (t *Tokens) regular(s []byte) int32 { return max(t.vocab.Find(s), Unknown) }

func notUTF8(op string, text []byte) error {
	at := 0
	for {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n <= 1 {
			return fault.E(fault.Invalid, "INVALID_UTF8", op, "byte %d of the text, %#02x, is not UTF-8", at, text[at])
		}
		at += n
	}
}

// Splitter gives the tokens of a text one after the other. The text has to be valid UTF-8, but for Bytes.
type Splitter struct {
	Kind Kind
	Text []byte

	at    int
	word  []byte // where a token is not a piece of the text
	after bool   // Words: what went before was a line break
}

// Next is the next token, nil at the end. It is valid until the next call.
func (s *Splitter) Next() []byte {
	switch s.Kind {
	case Given:
		return s.given()
	case Words:
		return s.words()
	case Bytes:
		if s.at == len(s.Text) {
			return nil
		}
		s.at++
		return s.Text[s.at-1 : s.at]
	}
	if s.at == len(s.Text) {
		return nil
	}
	from, n := s.at, 1
	if s.Text[from] >= utf8.RuneSelf {
		_, n = utf8.DecodeRune(s.Text[from:])
	}
	s.at += n
	return s.Text[from:s.at]
}

// separator marks what lies between given tokens, as KenLM has it: NUL, tab, line breaks and space.
var separator = [256]bool{0: true, '\t': true, '\n': true, '\r': true, ' ': true}

func (s *Splitter) given() []byte {
	t, at := s.Text, s.at
	for at < len(t) && separator[t[at]] {
		at++
	}
	from := at
	for at < len(t) && !separator[t[at]] {
		at++
	}
	s.at = at
	if from == at {
		return nil
	}
	return t[from:at]
}

func (s *Splitter) words() []byte {
	start := s.at == 0
	space, breaks := false, 0
	for s.at < len(s.Text) {
		r, n := utf8.DecodeRune(s.Text[s.at:])
		if !unicode.IsSpace(r) {
			break
		}
		if r == '\n' {
			breaks++
		}
		space = true
		s.at += n
	}
	switch {
	case breaks > 1:
		s.after = true
		return []byte("\n\n")
	case breaks == 1:
		s.after = true
		return []byte("\n")
	case s.at == len(s.Text):
		return nil
	}
	space = start || space && !s.after
	s.after = false
	from := s.at
	s.at += wordLen(s.Text[from:])
	if !space {
		return s.Text[from:s.at]
	}
	s.word = append(append(s.word[:0], ' '), s.Text[from:s.at]...)
	return s.word
}

// wordLen is the length of the token, without its space, at the beginning of text.
func wordLen(text []byte) int {
	r, n := utf8.DecodeRune(text)
	if !inWord(r) {
		return n
	}
	for n < len(text) {
		r, k := utf8.DecodeRune(text[n:])
		if r == '\'' || r == '’' || r == '-' {
			next, _ := utf8.DecodeRune(text[n+k:])
			if !inWord(next) {
				return n
			}
		} else if !inWord(r) {
			return n
		}
		n += k
	}
	return n
}

func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r|32 && r|32 <= 'z' || '0' <= r && r <= '9'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r))
}

// Unit says what a token is.
func (t *Tokens) Unit() string { return t.kind.String() }
