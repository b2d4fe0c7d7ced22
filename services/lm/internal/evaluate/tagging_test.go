package evaluate

import (
	"os"
	"path/filepath"
	"testing"
)

// treebank is UD-EWT's development set.
func treebank(t *testing.T) []byte {
	t.Helper()
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
	return data
}

// TestTagging: five points over the most frequent tag (82.1 %), within three of logistic regression with affixes
// (91.4 %), both measured with scikit-learn on this split.
func TestTagging(t *testing.T) {
	r, err := Tagging{Data: treebank(t), Name: "en_ewt-ud-dev"}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if r.Accuracy.Rate < 0.884 || r.Accuracy.Rate < r.MostFrequent.Rate+0.05 {
		t.Errorf("%.4f of the words, most frequent tag %.4f", r.Accuracy.Rate, r.MostFrequent.Rate)
	}
	if r.MostFrequent.Rate < 0.82 || r.MostFrequent.Rate > 0.822 {
		t.Errorf("most frequent tag %.4f, want 0.821", r.MostFrequent.Rate)
	}
	if r.Known.N+r.Unknown.N != r.TestWords || r.TestSentences != 401 {
		t.Errorf("%+v", r)
	}
}
