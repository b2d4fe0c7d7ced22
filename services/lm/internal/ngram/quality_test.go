package ngram

import "testing"

// TestShakespeare: modified Kneser-Ney of characters reaches 1.52 nats on the last tenth of tiny-shakespeare, with an
// order that was chosen on the first nine.
func TestShakespeare(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	figures, err := Characters(t.Context(), "tinyshakespeare", data(t, "corpus/tinyshakespeare.txt"), 9)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range figures {
		t.Logf("%-8s %-20s order %d: %.4f nats, %d n-grams", f.Part, f.Model, f.Order, f.Nats, f.Grams)
		if f.Part == "report" && f.Model == string(ModifiedKneserNey) && (f.Nats > 1.52 || f.Order < 6 || f.Order > 8) {
			t.Errorf("%.4f nats at order %d, at most 1.52 at 6 to 8 are wanted", f.Nats, f.Order)
		}
	}
}

// TestWikitext: modified Kneser-Ney is the best smoothing of words.
func TestWikitext(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	figures, err := Words(t.Context(), "wikitext2-valid", data(t, "corpus/wikitext2-valid.txt"), 5)
	if err != nil {
		t.Fatal(err)
	}
	best := figures[0]
	for _, f := range figures {
		t.Logf("%-20s order %d: perplexity %.2f, %d unknown of %d", f.Model, f.Order, f.Perplexity, f.Unknown, f.Tokens)
		if f.Nats < best.Nats {
			best = f
		}
	}
	if best.Model != string(ModifiedKneserNey) {
		t.Errorf("%s of order %d is the best", best.Model, best.Order)
	}
}
