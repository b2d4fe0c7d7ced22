package hmm

import (
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

type alphabet int

func (a alphabet) Size() int                                 { return int(a) }
func (a alphabet) Encode(string) ([]int32, error)            { return nil, nil }
func (a alphabet) Append(dst []byte, x int32, _ bool) []byte { return append(dst, byte(x)+'a') }
func (a alphabet) Piece(x int32) string                      { return string(x + 'a') }
func (a alphabet) End() int32                                { return -1 }

// TestPredictor: probabilities of the next token add up to 1, and those of a text to its likelihood.
func TestPredictor(t *testing.T) {
	m := some1(t, 5, kinds(t, 5)["categorical"])
	p, err := NewPredictor(m, alphabet(5))
	if err != nil {
		t.Fatal(err)
	}
	_, q, err := m.Sampler().Draw(rng.New(2), 0, 30)
	if err != nil {
		t.Fatal(err)
	}
	c, row, total := p.Open(), make([]float64, 5), 0.0
	for i, x := range q.Symbols {
		var next []int32
		if i > 0 {
			next = q.Symbols[i-1 : i]
		}
		if err := p.Step([]model.Context{c}, [][]int32{next}, [][]float64{row}); err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, v := range row {
			sum += math.Exp(v)
		}
		near(t, "the sum", sum, 1, 1e-14)
		total += row[x]
	}
	ll, err := m.LogLikelihood(q)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "the text's likelihood", total, ll, 1e-13)
	// All at once is the same to the bit.
	again, d := make([]float64, 5), p.Open()
	if err := p.Step([]model.Context{d}, [][]int32{q.Symbols[:29]}, [][]float64{again}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(row, again) || d.Len() != c.Len() {
		t.Error("a text at once gives other probabilities")
	}
	if _, err := NewPredictor(m, alphabet(4)); reason(err) != "NOT_TOKENS" {
		t.Error(err)
	}
}
