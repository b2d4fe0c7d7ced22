package weights

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads the small part of JSON that headers and shard indices are made of. It allocates only for
// strings with escapes. Errors stick: after the first one every method returns at once.
type scanner struct {
	buf []byte
	pos int
	err string // what is wrong and where, "" while all is well
}

func (s *scanner) fail(format string, args ...any) {
	if s.err == "" {
		s.err = fmt.Sprintf(format, args...) + " at byte " + strconv.Itoa(s.pos) + " of the JSON"
	}
}

func (s *scanner) space() {
	for s.pos < len(s.buf) {
		switch s.buf[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte after white space, or 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos < len(s.buf) {
		return s.buf[s.pos]
	}
	return 0
}

// expect consumes c after white space.
func (s *scanner) expect(c byte) bool {
	if s.err != "" {
		return false
	}
	if s.peek() != c || s.pos >= len(s.buf) {
		s.fail("expected %q, found %s", c, s.found())
		return false
	}
	s.pos++
	return true
}

func (s *scanner) found() string {
	if s.pos >= len(s.buf) {
		return "the end"
	}
	return strconv.QuoteRune(rune(s.buf[s.pos]))
}

// more reports whether another element follows in an object or array that ends with end, consuming the comma
// or the end. n counts the elements seen so far.
func (s *scanner) more(n int, end byte) bool {
	if s.err != "" {
		return false
	}
	c := s.peek()
	if c == end {
		s.pos++
		return false
	}
	if n == 0 {
		return true
	}
	if !s.expect(',') {
		return false
	}
	if s.peek() == end {
		s.fail("a comma before %q", end)
		return false
	}
	return true
}

// str reads a string and returns its content. Without escapes that is a slice of the buffer. Invalid UTF-8,
// control characters and lone surrogates are refused.
func (s *scanner) str() []byte {
	if !s.expect('"') {
		return nil
	}
	start := s.pos
	escaped := false
	for s.pos < len(s.buf) {
		switch c := s.buf[s.pos]; {
		case c == '"':
			raw := s.buf[start:s.pos]
			if !utf8.Valid(raw) {
				s.fail("a string that is not UTF-8")
				return nil
			}
			s.pos++
			if escaped {
				return s.unescape(raw)
			}
			return raw
		case c == '\\':
			escaped = true
			s.pos += 2
		case c < ' ':
			s.fail("control character %#02x in a string", c)
			return nil
		default:
			s.pos++
		}
	}
	s.pos = len(s.buf)
	s.fail("a string without end")
	return nil
}

func (s *scanner) unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case '"', '\\', '/':
			out = append(out, raw[i])
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := hex4(raw[i+1:])
			i += 4
			if ok && utf16.IsSurrogate(r) {
				var low rune
				if i+2 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
					low, ok = hex4(raw[i+3:])
				}
				i += 6
				r = utf16.DecodeRune(r, low)
				ok = ok && r != utf8.RuneError
			}
			if !ok {
				s.fail("a bad \\u escape in a string")
				return nil
			}
			out = utf8.AppendRune(out, r)
		default:
			s.fail("unknown escape %q in a string", raw[i])
			return nil
		}
	}
	return out
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n), err == nil
}

// uint reads a non-negative integer below 2^63, without sign, fraction, exponent or leading zeros.
func (s *scanner) uint() uint64 {
	if s.err != "" {
		return 0
	}
	s.space()
	start := s.pos
	var n uint64
	for ; s.pos < len(s.buf) && s.buf[s.pos] >= '0' && s.buf[s.pos] <= '9'; s.pos++ {
		d := uint64(s.buf[s.pos] - '0')
		if n > (1<<63-1-d)/10 {
			s.fail("an integer of 2^63 or more")
			return 0
		}
		n = n*10 + d
	}
	switch {
	case s.pos == start:
		s.fail("expected a non-negative integer, found %s", s.found())
	case s.pos > start+1 && s.buf[start] == '0':
		s.fail("an integer with leading zeros")
	case s.pos < len(s.buf) && (s.buf[s.pos] == '.' || s.buf[s.pos] == 'e' || s.buf[s.pos] == 'E'):
		s.fail("a number that is not an integer")
	}
	return n
}

// skip passes over any value, nested at most depth deep.
func (s *scanner) skip(depth int) {
	if s.err != "" {
		return
	}
	switch c := s.peek(); {
	case c == '"':
		s.str()
	case c == '{' || c == '[':
		if depth == 0 {
			s.fail("values nested too deep")
			return
		}
		s.pos++
		for n := 0; s.more(n, c+2); n++ { // '{'+2 is '}', '['+2 is ']'
			if c == '{' {
				s.str()
				s.expect(':')
			}
			s.skip(depth - 1)
		}
	default:
		start := s.pos
		for s.pos < len(s.buf) && isWord(s.buf[s.pos]) {
			s.pos++
		}
		if word := s.buf[start:s.pos]; len(word) > 64 || !json.Valid(word) {
			s.fail("a bad value %s", quote(word))
		}
	}
}

func isWord(c byte) bool {
	return c == '-' || c == '+' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// end checks that only white space is left.
func (s *scanner) end() {
	if s.err == "" && s.peek() != 0 || s.err == "" && s.pos < len(s.buf) {
		s.fail("more after the value: %s", s.found())
	}
}
