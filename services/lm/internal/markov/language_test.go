package markov

import (
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
)

// letters are tokens 'a' to 'a'+n-1 and an end.
type letters int

func (l letters) Size() int { return int(l) + 1 }
func (l letters) Encode(s string) (t []int32, err error) {
	for _, b := range []byte(s) {
		t = append(t, int32(b-'a'))
	}
	return t, nil
}
func (l letters) Append(dst []byte, x int32, _ bool) []byte { return append(dst, byte(x)+'a') }
func (l letters) Piece(x int32) string                      { return string(x + 'a') }
func (l letters) End() int32                                { return int32(l) }

func TestLanguage(t *testing.T) {
	docs := [][]int32{{0, 1, 0, 1, 2}, {0, 1, 2, 2}, {}}
	for _, u := range []Unseen{Refuse, Shorten} {
		m, err := NewLanguage(letters(3), docs, 2, u)
		if err != nil {
			t.Fatal(err)
		}
		c := m.Open()
		row := make([]float64, 4)
		step := func(x ...int32) error { return m.Step([]model.Context{c}, [][]int32{x}, [][]float64{row}) }
		if err := step(); err != nil {
			t.Fatal(err)
		}
		near(t, "p(a | begin)", row[0], math.Log(2.0/3), 1e-15)
		near(t, "p(end | begin)", row[3], math.Log(1.0/3), 1e-15)
		if err := step(0, 1); err != nil {
			t.Fatal(err)
		}
		near(t, "p(a | a b)", row[0], math.Log(1.0/3), 1e-15)
		near(t, "p(c | a b)", row[2], math.Log(2.0/3), 1e-15)
		if row[1] != math.Inf(-1) || row[3] != math.Inf(-1) || c.Len() != 2 {
			t.Errorf("%v, %d tokens", row, c.Len())
		}
		err = step(1) // b after a b never occurs; then "b b" is no context
		if err != nil {
			t.Fatal(err)
		}
		if u == Refuse {
			if slices.Max(row) != math.Inf(-1) {
				t.Errorf("after what was not seen: %v", row)
			}
		} else {
			near(t, "p(c | b)", row[2], math.Log(2.0/3), 1e-15)
		}
		if u == Shorten {
			sums(t, m)
		}
		data, err := m.Table().Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeLanguage(letters(3), data)
		if err != nil {
			t.Fatal(err)
		}
		more, err := again.Table().Encode()
		if err != nil || string(more) != string(data) || !slices.Equal(again.log, m.log) {
			t.Error("a table comes back as another", err)
		}
		if _, err := DecodeLanguage(letters(1), data); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("a table of other tokens: %v", err)
		}
	}
}

// sums: every context's probabilities add up to 1.
func sums(t *testing.T, m *Language) {
	row := make([]float64, 4)
	for x := range int32(4) {
		for y := range int32(4) {
			if err := m.Step([]model.Context{m.Open()}, [][]int32{{x, y}}, [][]float64{row}); err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for z, v := range row {
				sum += math.Exp(v)
				if p, err := m.LogProb([]int32{x, y}, int32(z)); err != nil || p != v {
					t.Errorf("%v and %v, %v", p, v, err)
				}
			}
			near(t, "the sum", sum, 1, 1e-15)
		}
	}
}
