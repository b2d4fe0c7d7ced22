package engine

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// writer makes text of the bytes of tokens: it lets go of whole characters only, and of nothing that may still turn out
// to be the beginning of a stop text.
type writer struct {
	stops   [][]byte
	pending []byte // not let go of
}

func newWriter(stop []string) *writer {
	w := new(writer)
	for _, s := range stop {
		w.stops = append(w.stops, []byte(s))
	}
	return w
}

// add takes in bytes and gives the text that is certain now. stopped says that a stop text came: the text ends before
// the first one.
func (w *writer) add(b []byte) (text string, stopped bool) {
	w.pending = append(w.pending, b...)
	first := -1
	for _, s := range w.stops {
		if i := bytes.Index(w.pending, s); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		text, w.pending = valid(w.pending[:first]), nil
		return text, true
	}
	return w.release(len(w.pending) - w.held()), false
}

// flush gives what is left at the end.
func (w *writer) flush() string { return w.release(len(w.pending)) }

func (w *writer) release(n int) string {
	text := valid(w.pending[:n])
	w.pending = append(w.pending[:0], w.pending[n:]...)
	return text
}

// held is the number of last bytes that must wait.
func (w *writer) held() int {
	hold := 0
	for n := 1; n < utf8.UTFMax && n <= len(w.pending); n++ { // the beginning of a character
		if tail := w.pending[len(w.pending)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				hold = n
			}
			break
		}
	}
	for _, s := range w.stops {
		for n := min(len(s)-1, len(w.pending)); n > hold; n-- {
			if bytes.HasSuffix(w.pending, s[:n]) {
				hold = n
				break
			}
		}
	}
	return hold
}

// valid puts the replacement character in the place of every byte that belongs to no character.
func valid(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		s.WriteRune(r)
		b = b[n:]
	}
	return s.String()
}
