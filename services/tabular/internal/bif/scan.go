package bif

import (
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
)

// token is a word, a quoted string or a punctuation mark.
type token struct {
	text   string
	quoted bool
	line   int
}

const marks = "{}()[],;|"

// scanner cuts a text into tokens.
type scanner struct {
	text string
	at   int
	line int
}

func (s *scanner) fail(line int, format string, args ...any) error {
	return fault.E(fault.Invalid, "INVALID_BIF", "bif.Read", "line %d: "+format, append([]any{line}, args...)...)
}

// skip passes white space and comments.
func (s *scanner) skip() error {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case rest[0] == '\n':
			s.line++
			s.at++
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r':
			s.at++
		case strings.HasPrefix(rest, "//"):
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				s.at += end
			} else {
				s.at = len(s.text)
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return s.fail(s.line, "a comment that does not end")
			}
			s.line += strings.Count(rest[:end+4], "\n")
			s.at += end + 4
		default:
			return nil
		}
	}
	return nil
}

// next is the next token; its text is empty, and it is not quoted, at the end.
func (s *scanner) next() (token, error) {
	if err := s.skip(); err != nil {
		return token{}, err
	}
	t := token{line: s.line}
	if s.at == len(s.text) {
		return t, nil
	}
	rest := s.text[s.at:]
	if rest[0] == '"' {
		end := strings.IndexAny(rest[1:], "\"\n")
		if end < 0 || rest[1+end] == '\n' {
			return t, s.fail(s.line, "a quoted name that does not end on its line")
		}
		t.text, t.quoted = rest[1:1+end], true
		s.at += end + 2
		return t, nil
	}
	if strings.IndexByte(marks, rest[0]) >= 0 {
		t.text = rest[:1]
		s.at++
		return t, nil
	}
	end := 0
	for end < len(rest) && !strings.ContainsRune(marks+" \t\r\n\"", rune(rest[end])) &&
		!strings.HasPrefix(rest[end:], "//") && !strings.HasPrefix(rest[end:], "/*") {
		if rest[end] < 0x20 || rest[end] == 0x7f {
			return t, s.fail(s.line, "the control character %#x", rest[end])
		}
		end++
	}
	t.text = rest[:end]
	s.at += end
	return t, nil
}
