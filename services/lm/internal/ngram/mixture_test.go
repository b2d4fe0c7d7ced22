package ngram

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

func sumOf(row []float64) float64 {
	sum := 0.0
	for w, x := range row {
		if w != text.Begin {
			sum += tensor.ExpF64(x)
		}
	}
	return sum
}

// TestMixturesAndCachesSumToOne feeds a text token by token, over the length of the cache.
func TestMixturesAndCachesSumToOne(t *testing.T) {
	a := train(t, small, Config{Order: 3, Unit: "given", Smoothing: ModifiedKneserNey})
	b := train(t, small, Config{Order: 1, Unit: "given", Smoothing: Laplace})
	mix, err := NewMixture([]*Model{a, b}, []float64{3, 1})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := NewCached(mix, 0.2, 3)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := a.tokens.Encode("a dog sat on the cat the cat the cat")
	if err != nil {
		t.Fatal(err)
	}
	n := a.tokens.Size()
	row, only := make([]float64, n), make([]float64, n)
	x, y := cache.Open(), a.Open()
	for i, w := range tok {
		if err := cache.Step([]model.Context{x}, [][]int32{{w}}, [][]float64{row}); err != nil {
			t.Fatal(err)
		}
		if err := a.Step([]model.Context{y}, [][]int32{{w}}, [][]float64{only}); err != nil {
			t.Fatal(err)
		}
		if s := sumOf(row); math.Abs(s-1) > 2e-6 {
			t.Errorf("after %d tokens: sum %v", i+1, s)
		}
	}
	if x.Len() != len(tok) {
		t.Error(x.Len())
	}
	// The last three are the, cat, the... of three places "the" has one and "cat" two.
	cat := a.tokens.Vocab().Find([]byte("cat"))
	if !(row[cat] > only[cat]+math.Log(0.8*0.75)) {
		t.Errorf("cat has %v, %v without the cache", row[cat], only[cat])
	}
	before := mix.Weights()
	if err := mix.Learn(small, 20); err != nil {
		t.Fatal(err)
	}
	if w := mix.Weights(); !(w[0] > before[0]) || math.Abs(w[0]+w[1]-1) > 1e-9 {
		t.Errorf("weights %v on what the trigrams learnt, %v before", w, before)
	}
	if _, err := NewMixture([]*Model{a, train(t, small[:2], a.config)}, nil); fault.ReasonOf(err) != "VOCABULARIES_DIFFER" {
		t.Error(err)
	}
	if _, err := NewCached(a, 1, 3); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

// TestEntropyPruning: fewer n-grams the greater the threshold, none but unigrams at the end, and a perplexity that
// falls no lower than without.
func TestEntropyPruning(t *testing.T) {
	docs := lines(string(read(t, "text.txt")))
	last, nats := math.MaxInt, 0.0
	for _, e := range []float64{0, 1e-7, 1e-6, 1e-5, 1e-4, 0.9} {
		m := train(t, docs, Config{Order: 4, Unit: "given", Smoothing: ModifiedKneserNey, Entropy: e})
		total := 0
		for _, n := range m.Sizes() {
			total += n
		}
		score, err := m.Documents(t.Context(), docs)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("entropy %g: %v n-grams, %.4f nats a token", e, m.Sizes(), score.Nats/float64(score.Tokens))
		if total > last || score.Nats < nats-1e-3 {
			t.Errorf("entropy %g: %d n-grams of %d, %v nats, %v before", e, total, last, score.Nats, nats)
		}
		last, nats = total, score.Nats
	}
	if last > 80 {
		t.Errorf("%d n-grams are left", last)
	}
}
