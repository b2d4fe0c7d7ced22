package text

import (
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

func vocabOf(kind Kind, s string) *Tokens {
	v := NewVocab()
	sp := Splitter{Kind: kind, Text: []byte(s)}
	for w := sp.Next(); w != nil; w = sp.Next() {
		v.Add(w)
	}
	v, _ = v.Sorted()
	return NewTokens(kind, v)
}

func TestTextIsMadeAgain(t *testing.T) {
	const s = "Well, said she — \"I don't know (yet)\".\nA well-kept 'secret', naïve? 3.14\n\nThe end's here-"
	for k := Characters; k <= Given; k++ {
		tok := vocabOf(k, s)
		ids, err := tok.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		var b []byte
		for i, id := range ids {
			b = tok.Append(b, id, i == 0)
		}
		want := s
		if k == Given {
			want = strings.Join(strings.Fields(s), " ")
		}
		if string(b) != want {
			t.Errorf("%s: %q", k, b)
		}
		if tok.Size() != tok.Vocab().Len() || !tok.Vocab().InOrder() || tok.End() != Finish {
			t.Errorf("%s: the vocabulary is out of order", k)
		}
		arena, ends := tok.Vocab().Tables()
		if v := FromTables(arena, ends); v == nil || v.Len() != tok.Size() {
			t.Errorf("%s: the vocabulary cannot be read again", k)
		}
		if ids, err = tok.Encode("☃"); err != nil || ids[len(ids)-1] != Unknown {
			t.Errorf("%s: %v %v", k, ids, err)
		}
	}
}

func TestWords(t *testing.T) {
	var l []string
	s := Splitter{Kind: Words, Text: []byte("  It's  a test-case, isn't it?\n \nYes -\t'tis.\n")}
	for w := s.Next(); w != nil; w = s.Next() {
		l = append(l, string(w))
	}
	want := "It's| a| test-case|,| isn't| it|?|\n\n|Yes| -| '|tis|.|\n"
	if got := strings.Join(l, "|"); got != " "+want {
		t.Errorf("%q", got)
	}
}

func TestCorporaThatAreWrong(t *testing.T) {
	for _, c := range []struct {
		data, reason string
		split        Split
	}{
		{"", "EMPTY_CORPUS", Lines},
		{" \n\t\n", "EMPTY_CORPUS", Whole},
		{"\n\n", "EMPTY_CORPUS", Paragraphs},
		{"a\x00b", "NUL_BYTE", Lines},
		{"a\xffb", "INVALID_UTF8", Lines},
		{strings.Repeat("a", MaxLine+1), "LINE_TOO_LONG", Lines},
	} {
		if _, err := Documents([]byte(c.data), c.split, Given); fault.ReasonOf(err) != c.reason {
			t.Errorf("%.10q: %v", c.data, err)
		}
	}
	if _, err := Read(strings.NewReader("abc"), 2); fault.ReasonOf(err) != "CORPUS_TOO_LARGE" {
		t.Error(err)
	}
	if _, err := vocabOf(Given, "a").Encode("a </s>"); fault.ReasonOf(err) != "RESERVED_TOKEN" {
		t.Error(err)
	}
	if _, err := vocabOf(Characters, "a").Encode("a\xff"); fault.ReasonOf(err) != "INVALID_UTF8" {
		t.Error(err)
	}
}

func TestDocuments(t *testing.T) {
	const s = "one\r\ntwo\n\n \nthree\nfour\n"
	for split, want := range []string{"one|two|three|four", "one\r\ntwo|three\nfour", s} {
		docs, err := Documents([]byte(s), Split(split), Given)
		if err != nil {
			t.Fatal(err)
		}
		var l []string
		for _, d := range docs {
			l = append(l, string(d))
		}
		if got := strings.Join(l, "|"); got != want {
			t.Errorf("%s: %q", Split(split), got)
		}
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add("it's a\n\n test-")
	f.Fuzz(func(t *testing.T, s string) {
		for k := Characters; k <= Given; k++ {
			tok := NewTokens(k, NewVocab())
			ids, err := tok.Encode(s)
			if err == nil && len(ids) > 2*len(s)+1 {
				t.Errorf("%s: %d tokens of %d bytes", k, len(ids), len(s))
			}
		}
	})
}
