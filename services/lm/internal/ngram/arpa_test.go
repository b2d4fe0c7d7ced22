package ngram

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

const goodARPA = `
\data\
ngram 1=5
ngram 2=3
ngram 3=1

\1-grams:
-1	<unk>
-99	<s>	-0.3
-0.7	</s>
-0.5	a	-0.2
-0.6	b	-0.1

\2-grams:
-0.3	<s> a	-0.05
-0.4	a b	-0.01
-0.2	b </s>

\3-grams:
-0.1	<s> a b

\end\
`

func TestARPAsThatAreWrong(t *testing.T) {
	if _, err := ReadARPA(strings.NewReader(goodARPA), text.Given); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, with, reason string }{
		{"\\data\\", "", "ARPA_SYNTAX"},
		{"\\end\\", "", "ARPA_SYNTAX"},
		{"ngram 2=3", "ngram 3=3", "ARPA_SYNTAX"},
		{"ngram 2=3", "ngram 2=999999999999", "ARPA_SYNTAX"},
		{"ngram 2=3", "ngram 2=4", "ARPA_COUNTS"},
		{"ngram 2=3", "ngram 2=2", "ARPA_COUNTS"},
		{"\\2-grams:", "\\4-grams:", "ARPA_SYNTAX"},
		{"-0.5\ta", "0.5\ta", "ARPA_PROBABILITY"},
		{"-0.5\ta", "NaN\ta", "ARPA_PROBABILITY"},
		{"-0.5\ta", "x\ta", "ARPA_PROBABILITY"},
		{"a b\t-0.01", "a b\tInf", "ARPA_PROBABILITY"},
		{"a b\t-0.01", "a b c d\t-0.01", "ARPA_SYNTAX"},
		{"a b\t-0.01", "a z\t-0.01", "ARPA_HOLE"},
		{"<s> a\t-0.05", "b a\t-0.05", "ARPA_HOLE"},
		{"-0.6\tb", "-0.6\ta", "ARPA_TWICE"},
		{"a b\t-0.01", "<s> a\t-0.01", "ARPA_TWICE"},
	} {
		s := strings.Replace(goodARPA, c.old, c.with, 1)
		if _, err := ReadARPA(strings.NewReader(s), text.Given); fault.ReasonOf(err) != c.reason {
			t.Errorf("%q for %q: %v", c.with, c.old, err)
		}
	}
	if _, err := ReadARPA(strings.NewReader("\x1f\x8bxx"), text.Given); fault.ReasonOf(err) != "ARPA_SYNTAX" {
		t.Error(err)
	}
}

// TestARPAsOfEveryUnit: models of characters and words, spaces and all, come back as they were; packed ones too.
func TestARPAsOfEveryUnit(t *testing.T) {
	docs := lines("a b%20, c\u00a0d\n100% of it\nit's a b")
	for kind := text.Characters; kind <= text.Given; kind++ {
		m := train(t, docs, Config{Order: 3, Unit: kind.String(), Smoothing: WittenBell})
		var packed, again, plain bytes.Buffer
		z := gzip.NewWriter(&packed)
		if err := m.WriteARPA(z); err != nil {
			t.Fatal(err)
		}
		z.Close()
		if err := m.WriteARPA(&plain); err != nil {
			t.Fatal(err)
		}
		r, err := ReadARPA(&packed, kind)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if err := r.WriteARPA(&again); err != nil || !bytes.Equal(plain.Bytes(), again.Bytes()) {
			t.Errorf("%s: the model is another", kind)
		}
		a, _ := scoreText(t, m, "100% of c")
		b, _ := scoreText(t, r, "100% of c")
		for i := range a {
			if a[i] != b[i] {
				t.Errorf("%s: token %d: %v and %v", kind, i, a[i], b[i])
			}
		}
	}
}

func FuzzARPA(f *testing.F) {
	f.Add([]byte(goodARPA))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ReadARPA(bytes.NewReader(b), text.Given)
		if err != nil {
			return
		}
		row := make([]float64, m.tokens.Size())
		every(m, func(at uint32) { m.table.row(at, row) })
		var out bytes.Buffer
		if err := m.WriteARPA(&out); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadARPA(&out, text.Given); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}
