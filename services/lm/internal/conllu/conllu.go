// Package conllu reads treebanks in the CoNLL-U format of Universal Dependencies, version 2: sentences of words with
// their parts of speech (https://universaldependencies.org/format.html).
//
// Invariants: a file that breaks the format is an error that names its line; nothing is skipped or repaired. Lines of
// multiword tokens (3-4) and of empty nodes (5.1) are checked and left out: what remains are the syntactic words.
package conllu

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/manifold-gen/manifold/shared/fault"
)

// The limits of a file.
const (
	MaxBytes = 1 << 30
	MaxLine  = 1 << 16
	MaxWords = 1 << 12 // of a sentence
)

// Tags are the universal parts of speech in alphabetical order.
func Tags() []string {
	return []string{"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT",
		"SCONJ", "SYM", "VERB", "X"}
}

// Word is a syntactic word; a field that the file leaves open is empty.
type Word struct {
	Form, Lemma string
	UPOS, XPOS  string
}

// Sentence is a sentence with its sent_id, if it has one.
type Sentence struct {
	ID    string
	Words []Word
}

// Read reads a whole file. Errors are of kind Invalid and have the reason BAD_CONLLU.
func Read(data []byte) ([]Sentence, error) {
	if len(data) > MaxBytes {
		return nil, fault.E(fault.Invalid, "BAD_CONLLU", "conllu.Read", "%d bytes, at most %d", len(data), MaxBytes)
	}
	r := reader{tags: Tags()}
	for number := 1; len(data) > 0; number++ {
		line, rest, found := bytes.Cut(data, []byte("\n"))
		data = rest
		if !found {
			return nil, bad(number, "the file ends in the middle of a line")
		}
		if err := r.line(number, bytes.TrimSuffix(line, []byte("\r"))); err != nil {
			return nil, err
		}
		r.number = number
	}
	if r.open {
		return nil, bad(r.number, "the last sentence has no empty line after it")
	}
	return r.done, nil
}

func bad(line int, format string, args ...any) error {
	e := fault.E(fault.Invalid, "BAD_CONLLU", "conllu.Read", format, args...)
	return fault.E(fault.Invalid, "BAD_CONLLU", "conllu.Read", "line %d: %w", line, e.Err)
}

type reader struct {
	tags   []string
	done   []Sentence
	now    Sentence
	open   bool
	number int
	until  int // the last word of the present multiword token
	empty  int // the last empty node after the present word
}

func (r *reader) line(number int, line []byte) error {
	switch {
	case len(line) > MaxLine:
		return bad(number, "%d bytes, at most %d", len(line), MaxLine)
	case !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0:
		return bad(number, "not UTF-8 text")
	case len(line) == 0:
		return r.finish(number)
	case line[0] == '#':
		if len(r.now.Words) > 0 || r.empty > 0 || r.until > 0 {
			return bad(number, "a comment inside a sentence")
		}
		r.open = true
		if id, ok := strings.CutPrefix(string(line), "# sent_id = "); ok {
			r.now.ID = id
		}
		return nil
	}
	r.open = true
	f := strings.Split(string(line), "\t")
	if len(f) != 10 {
		return bad(number, "%d columns, want 10 with a tab between them", len(f))
	}
	for i, v := range f {
		if v == "" {
			return bad(number, "column %d is empty, want _ where there is nothing", i+1)
		}
	}
	n := len(r.now.Words)
	if a, b, ok := strings.Cut(f[0], "-"); ok {
		from, to := whole(a), whole(b)
		if from != n+1 || to <= from || to > MaxWords || r.until > n {
			return bad(number, "multiword token %.40s after word %d", f[0], n)
		}
		r.until = to
		return nil
	}
	if a, b, ok := strings.Cut(f[0], "."); ok {
		if whole(a) != n || whole(b) != r.empty+1 {
			return bad(number, "empty node %.40s after word %d", f[0], n)
		}
		r.empty++
		return nil
	}
	if whole(f[0]) != n+1 {
		return bad(number, "word %.40s after word %d", f[0], n)
	}
	if n == MaxWords {
		return bad(number, "more than %d words in a sentence", MaxWords)
	}
	if f[3] != "_" && !slices.Contains(r.tags, f[3]) {
		return bad(number, "part of speech %.40q is none of %s", f[3], strings.Join(r.tags, " "))
	}
	if f[6] != "_" && (whole(f[6]) < 0 || whole(f[6]) > MaxWords) {
		return bad(number, "head %.40q, want a number of a word", f[6])
	}
	w := Word{Form: f[1], Lemma: f[2], UPOS: f[3], XPOS: f[4]}
	for _, p := range []*string{&w.UPOS, &w.XPOS} {
		if *p == "_" {
			*p = ""
		}
	}
	if w.Lemma == "_" && w.Form != "_" {
		w.Lemma = ""
	}
	r.now.Words = append(r.now.Words, w)
	r.empty = 0
	return nil
}

// whole is a number without sign or leading zero, or -1.
func whole(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s {
		return -1
	}
	return n
}

func (r *reader) finish(number int) error {
	if len(r.now.Words) == 0 {
		return bad(number, "an empty line without a sentence before it")
	}
	if r.until > len(r.now.Words) {
		return bad(number, "the sentence ends at word %d, inside a multiword token up to %d", len(r.now.Words), r.until)
	}
	r.done = append(r.done, r.now)
	r.now, r.open, r.until, r.empty = Sentence{}, false, 0, 0
	return nil
}
