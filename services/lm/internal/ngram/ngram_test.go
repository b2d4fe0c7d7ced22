package ngram

import (
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

func TestNothingIsFused(t *testing.T) { fusedtest.Check(t, nil, ".") }

var small = lines(`the cat sat on the mat
the cat ate the fish
a dog sat on the cat and the dog ate the mat
the fish sat
the cat sat on the mat
and then the dog and the cat ate a fish on a mat
a a a a a a cat
dog`)

func lines(s string) [][]byte {
	var docs [][]byte
	for l := range strings.Lines(s) {
		docs = append(docs, []byte(strings.TrimRight(l, "\n")))
	}
	return docs
}

func train(t testing.TB, docs [][]byte, c Config) *Model {
	t.Helper()
	m, err := Train(docs, c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// every calls f in every context of the model, the empty one last.
func every(m *Model, f func(at uint32)) {
	for i := range m.table.inner[:len(m.table.inner)-1] {
		f(uint32(i))
	}
	f(none)
}

// TestSumsOfOne adds up the probabilities in every context of small models, and looks every token up alone.
func TestSumsOfOne(t *testing.T) {
	for _, s := range Smoothings() {
		for order := 1; order <= 5; order++ {
			for _, v := range []Config{{}, {Prune: []int{0, 0, 1}}, {MinCount: 3}, {K: 0.1}, {Entropy: 1e-3}} {
				v.Order, v.Unit, v.Smoothing = order, "given", s
				m := train(t, small, v)
				if err := m.table.check(m.tokens.Size()); err != nil {
					t.Fatalf("%+v: %v", v, err)
				}
				row := make([]float64, m.tokens.Size())
				every(m, func(at uint32) {
					m.table.row(at, row)
					sum := 0.0
					for w, nats := range row {
						if w == text.Begin {
							continue
						}
						sum += tensor.ExpF64(nats)
						if p, _, _ := m.table.step(at, uint32(w)); p*ln10 != nats {
							t.Fatalf("%+v: token %d after %d: %v alone, %v in the row", v, w, at, p*ln10, nats)
						}
						if math.IsInf(nats, 0) || math.IsNaN(nats) {
							t.Fatalf("%+v: token %d after %d: %v", v, w, at, nats)
						}
					}
					if math.Abs(sum-1) > 2e-6 {
						t.Errorf("%+v: context %d: sum %v", v, at, sum)
					}
				})
			}
		}
	}
}

// TestSumsBeforeRounding are those of the estimates in float64.
func TestSumsBeforeRounding(t *testing.T) {
	for _, s := range Smoothings() {
		c, err := Count(small, text.Given, 4)
		if err != nil {
			t.Fatal(err)
		}
		e := newEstimate(c, s, 1, []int{0, 0, 0, 1})
		for n := 1; n < 4; n++ {
			up, l := &c.levels[n-1], &c.levels[n]
			for h := range up.word {
				seen, lower := 0.0, 0.0
				for x := up.first[h]; x < up.first[h+1]; x++ {
					if e.keep[n] != nil && !e.keep[n][x] {
						continue
					}
					seen += e.prob[n][x]
					if s != Laplace {
						lower += e.prob[n-1][l.suffix[x]]
					} else {
						lower += 1 / float64(c.vocab.Len()-1)
					}
				}
				if sum := seen + e.weight[n-1][h]*(1-lower); math.Abs(sum-1) > 1e-12 {
					t.Errorf("%s: context %d of %d: sum %v", s, h, n, sum)
				}
			}
		}
	}
}

// TestMergeAndDelete compares with counting alone, in every split of the documents.
func TestMergeAndDelete(t *testing.T) {
	count := func(docs [][]byte) *Counts {
		c, err := Count(docs, text.Given, 4)
		if err != nil {
			t.Fatal(err)
		}
		for k := range c.levels {
			if k > 0 {
				had := c.levels[k].suffix
				c.levels[k].suffix = nil
				c.link()
				if !reflect.DeepEqual(had, c.levels[k].suffix) {
					t.Fatalf("level %d: suffixes found again differ", k)
				}
			}
		}
		return c
	}
	same := func(what string, a, b *Counts) {
		t.Helper()
		x, _ := a.vocab.Tables()
		y, _ := b.vocab.Tables()
		if string(x) != string(y) {
			t.Fatalf("%s: vocabularies %q and %q", what, x, y)
		}
		if !reflect.DeepEqual(a.documents, b.documents) {
			t.Fatalf("%s: documents differ", what)
		}
		for k := range a.levels {
			x, y := a.levels[k], b.levels[k]
			if !slices.Equal(x.word, y.word) || !slices.Equal(x.count, y.count) || !slices.Equal(x.first, y.first) {
				t.Fatalf("%s: level %d: %v and %v", what, k, x, y)
			}
		}
	}
	all := count(small)
	for mask := 1; mask < 1<<len(small)-1; mask++ {
		var in, out [][]byte
		for i, d := range small {
			if mask>>i&1 == 1 {
				in = append(in, d)
			} else {
				out = append(out, d)
			}
		}
		a, b := count(in), count(out)
		sum, err := Merge(a, b)
		if err != nil {
			t.Fatal(err)
		}
		same(fmt.Sprintf("merge %b", mask), sum, all)
		rest, err := Delete(all, b)
		if err != nil {
			t.Fatal(err)
		}
		same(fmt.Sprintf("delete %b", mask), rest, a)
	}
	if _, err := Delete(all, count(lines("the cat"))); fault.ReasonOf(err) != "NOT_TRAINED_ON" {
		t.Error(err)
	}
	if _, err := Delete(all, all); fault.ReasonOf(err) != "EMPTY_CORPUS" {
		t.Error(err)
	}
}

// TestContextsAreTheirOwn: rows do not depend on the other rows, nor on whether a text comes in one piece.
func TestContextsAreTheirOwn(t *testing.T) {
	m := train(t, small, Config{Order: 3, Unit: "words", Smoothing: ModifiedKneserNey})
	tok, err := m.tokens.Encode("the cat ate a zebra on the mat")
	if err != nil {
		t.Fatal(err)
	}
	whole, pieces, other := m.Open(), m.Open(), m.Open()
	n := m.tokens.Size()
	a, b := make([]float64, n), make([]float64, n)
	if err := m.Step([]model.Context{other, whole}, [][]int32{tok[:2], tok}, [][]float64{nil, a}); err != nil {
		t.Fatal(err)
	}
	for _, w := range tok {
		if err := m.Step([]model.Context{pieces}, [][]int32{{w}}, [][]float64{b}); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(a, b) || whole.Len() != len(tok) {
		t.Error("the row depends on how the text came")
	}
	if err := m.Step([]model.Context{pieces}, [][]int32{{int32(n)}}, [][]float64{b}); fault.ReasonOf(err) != "NO_SUCH_TOKEN" {
		t.Error(err)
	}
}

func TestConfigsThatAreWrong(t *testing.T) {
	for _, c := range []Config{
		{Unit: "given", Smoothing: Katz},
		{Order: 17, Unit: "given", Smoothing: Katz},
		{Order: 2, Unit: "syllables", Smoothing: Katz},
		{Order: 2, Unit: "given", Smoothing: "good"},
		{Order: 2, Unit: "given", Smoothing: Laplace, K: math.NaN()},
		{Order: 2, Unit: "given", Smoothing: Katz, Prune: []int{1}},
		{Order: 3, Unit: "given", Smoothing: Katz, Prune: []int{0, 2, 1}},
		{Order: 3, Unit: "given", Smoothing: Katz, Entropy: -1},
	} {
		if _, err := Train(small, c); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := Train(lines("a <s> b"), Config{Order: 2, Unit: "given", Smoothing: Katz}); fault.ReasonOf(err) != "RESERVED_TOKEN" {
		t.Error(err)
	}
}

// TestScoreIsStep compares tokens looked up together with the rows of Step, to the bit, in texts longer than a stretch.
func TestScoreIsStep(t *testing.T) {
	long := strings.Repeat("the cat ate a zebra and on the mat dog dog sat on the cat <unk> ", 20)
	for order := 1; order <= 5; order++ {
		for _, e := range []float64{0, 1e-3, 0.9} {
			m := train(t, small, Config{Order: order, Unit: "given", Smoothing: ModifiedKneserNey, Entropy: e})
			tok, err := m.tokens.Encode(long)
			if err != nil {
				t.Fatal(err)
			}
			nats, lengths := make([]float64, len(tok)), make([]int32, len(tok))
			a, b := m.Open(), m.Open()
			if err := m.Score(a, tok, nats, lengths); err != nil {
				t.Fatal(err)
			}
			row := make([]float64, m.tokens.Size())
			for i, w := range tok {
				if err := m.Step([]model.Context{b}, [][]int32{nil}, [][]float64{row}); err != nil {
					t.Fatal(err)
				}
				_, n, _ := m.table.step(b.(*state).at, uint32(w))
				if w == text.Unknown {
					n = 0
				}
				if nats[i] != row[w] || int(lengths[i]) != n {
					t.Fatalf("order %d, token %d: %v of %d, %v of %d in the row", order, i, nats[i], lengths[i], row[w], n)
				}
				if err := m.Step([]model.Context{b}, [][]int32{{w}}, [][]float64{nil}); err != nil {
					t.Fatal(err)
				}
			}
			if *a.(*state) != *b.(*state) {
				t.Errorf("order %d: contexts %v and %v", order, a, b)
			}
		}
	}
}

// data is a file of the folder of data sets.
func data(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("MANIFOLD_DATA")
	if dir == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("MANIFOLD_DATA names no folder with data sets")
		}
		t.Skip("MANIFOLD_DATA names no folder with data sets")
	}
	b, err := os.ReadFile(dir + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
