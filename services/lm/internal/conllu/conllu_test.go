package conllu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

const good = "# sent_id = a-1\n# text = Don't go\n" +
	"1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_\n" +
	"1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_\n" +
	"2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_\n" +
	"2.1\tthere\t_\t_\t_\t_\t_\t_\t_\t_\n" +
	"3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_\n\n"

func TestRead(t *testing.T) {
	l, err := Read([]byte(good + strings.ReplaceAll(good, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if len(l) != 2 || l[0].ID != "a-1" || len(l[0].Words) != 3 || l[1].Words[1] != (Word{"n't", "not", "PART", "RB"}) {
		t.Errorf("%+v", l)
	}
}

func TestBad(t *testing.T) {
	for _, c := range [][2]string{
		{"1\ta\n\n", "line 1: 2 columns"},
		{good[:len(good)-1], "line 7: the last sentence has no empty line"},
		{good[:len(good)-2], "line 7: the file ends in the middle"},
		{"\n", "line 1: an empty line without a sentence"},
		{strings.Replace(good, "VERB", "VRB", 1), `line 7: part of speech "VRB"`},
		{strings.Replace(good, "3\tgo", "4\tgo", 1), "line 7: word 4 after word 2"},
		{strings.Replace(good, "\tgo\tgo", "\t\tgo", 1), "line 7: column 2 is empty"},
		{strings.Replace(good, "1-2", "1-9", 1), "inside a multiword token"},
		{strings.Replace(good, "2.1", "2.2", 1), "line 6: empty node 2.2"},
		{strings.Replace(good, "n't", "\xff", 2), "not UTF-8"},
		{strings.Replace(good, "n't\tnot", "\x00\tnot", 1), "not UTF-8"},
		{strings.Replace(good, "\t0\troot", "\t-1\troot", 1), "line 7: head"},
		{"1\ta\ta\tX\t_\t_\t0\t_\t_\t_\n# late\n\n", "line 2: a comment inside"},
	} {
		_, err := Read([]byte(c[0]))
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%v, want %s", err, c[1])
		}
	}
}

// TestTreebank reads the whole development set of UD-EWT.
func TestTreebank(t *testing.T) {
	dir := os.Getenv("MANIFOLD_DATA")
	if dir == "" {
		if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
			t.Fatal("MANIFOLD_DATA is not set")
		}
		t.Skip("MANIFOLD_DATA is not set")
	}
	data, err := os.ReadFile(filepath.Join(dir, "hmm", "en_ewt-ud-dev.conllu"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	words := 0
	for _, s := range l {
		words += len(s.Words)
	}
	if len(l) != 2001 || words != 25_147 {
		t.Errorf("%d sentences of %d words", len(l), words)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("1\ta\ta\tX\t_\t_\t0\t_\t_\t_\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Read(data)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Error(err)
		}
		for _, s := range l {
			if len(s.Words) == 0 {
				t.Error("a sentence without words")
			}
		}
	})
}
