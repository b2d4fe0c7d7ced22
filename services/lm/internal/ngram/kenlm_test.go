package ngram

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// The goldens of this file are made by tools/reference/ngram.py: models of KenLM's lmplz and scores of its query.

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// grams are the n-grams of an ARPA file: log-probability and weight.
func grams(t testing.TB, arpa []byte) map[string][2]float64 {
	t.Helper()
	if z, err := gzip.NewReader(bytes.NewReader(arpa)); err == nil {
		var b bytes.Buffer
		if _, err := b.ReadFrom(z); err != nil {
			t.Fatal(err)
		}
		arpa = b.Bytes()
	}
	all := map[string][2]float64{}
	for l := range strings.Lines(string(arpa)) {
		f := strings.Split(strings.TrimRight(l, "\n"), "\t")
		if len(f) < 2 {
			continue
		}
		var v [2]float64
		fmt.Sscan(f[0], &v[0])
		if len(f) > 2 {
			fmt.Sscan(f[2], &v[1])
		}
		all[f[1]] = v
	}
	return all
}

// TestEstimatesAreKenLMs trains on the same text as lmplz and compares every n-gram.
func TestEstimatesAreKenLMs(t *testing.T) {
	docs := lines(string(read(t, "text.txt")))
	for name, c := range map[string]Config{
		"o2":          {Order: 2},
		"o3":          {Order: 3},
		"o4":          {Order: 4},
		"o5":          {Order: 5},
		"o3-prune1":   {Order: 3, Prune: []int{0, 1}},
		"o5-prune001": {Order: 5, Prune: []int{0, 0, 1, 2}},
	} {
		c.Unit, c.Smoothing = "given", ModifiedKneserNey
		m := train(t, docs, c)
		var b bytes.Buffer
		if err := m.WriteARPA(&b); err != nil {
			t.Fatal(err)
		}
		got, want := grams(t, b.Bytes()), grams(t, read(t, "lmplz-"+name+".arpa.gz"))
		if len(got) != len(want) {
			t.Errorf("%s: %d n-grams, lmplz has %d", name, len(got), len(want))
		}
		worst := 0.0
		for g, v := range want {
			w, ok := got[g]
			if !ok {
				t.Fatalf("%s: %q is missing", name, g)
			}
			if g == "<s>" { // has no probability: 0 there, -99 here
				w[0] = v[0]
			}
			d := max(math.Abs(v[0]-w[0]), math.Abs(v[1]-w[1]))
			if d > 1e-5 {
				t.Fatalf("%s: %q has %v, lmplz gives %v", name, g, w, v)
			}
			worst = max(worst, d)
		}
		t.Logf("%s: %d n-grams, greatest difference %.1e", name, len(want), worst)
	}
}

// TestScoresAreKenLMs compares log-probabilities and lengths of matches with query's on the same model, and reads and
// writes that model.
func TestScoresAreKenLMs(t *testing.T) {
	m, err := ReadARPA(bytes.NewReader(read(t, "lmplz-o5.arpa.gz")), text.Given)
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Scores [][2]float64 }
	if err := json.Unmarshal(read(t, "query.json"), &golden); err != nil {
		t.Fatal(err)
	}
	var nats []float64
	var lengths []int32
	for _, d := range lines(string(read(t, "test.txt"))) {
		n, l := scoreText(t, m, string(d))
		nats, lengths = append(nats, n...), append(lengths, l...)
	}
	if len(nats) != len(golden.Scores) {
		t.Fatal(len(nats), len(golden.Scores))
	}
	for i, want := range golden.Scores {
		length := max(lengths[i], 1) // query says 1 for unknown tokens
		if math.Abs(nats[i]/ln10-want[1]) > 1e-5 || float64(length) != want[0] {
			t.Errorf("token %d: %v of length %d, query says %v", i, nats[i]/ln10, length, want)
		}
	}
	var b, again bytes.Buffer
	if err := m.WriteARPA(&b); err != nil {
		t.Fatal(err)
	}
	m, err = ReadARPA(bytes.NewReader(b.Bytes()), text.Given)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteARPA(&again); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("a model that is written and read is another")
	}
}

func scoreText(t testing.TB, m *Model, s string) (nats []float64, lengths []int32) {
	t.Helper()
	tok, err := m.tokens.Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	tok = append(tok, text.Finish)
	nats, lengths = make([]float64, len(tok)), make([]int32, len(tok))
	if err := m.Score(m.Open(), tok, nats, lengths); err != nil {
		t.Fatal(err)
	}
	return nats, lengths
}

// TestKenLMsOwnModel scores KenLM's published test model, lm/test.arpa, as its model_test.cc does. It has n-grams whose
// suffixes are missing, and weights above 1. KENLM_SOURCE names the folder with KenLM's sources.
func TestKenLMsOwnModel(t *testing.T) {
	dir := os.Getenv("KENLM_SOURCE")
	if dir == "" {
		t.Skip("KENLM_SOURCE names no folder with KenLM's sources")
	}
	f, err := os.Open(filepath.Join(dir, "lm/test.arpa"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := ReadARPA(f, text.Given)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		token string
		score float64
	}
	for _, c := range []struct {
		inside bool
		rows   []row
	}{
		{false, []row{{"looking", -0.484652}, {"on", -0.348837}, {"a", -0.0155266}, {"little", -0.00306122},
			{"the", -4.04005}, {"biarritz", -1.9889}, {"not_found", -2.29666}, {"more", -1.20632 - 20.0},
			{".", -0.51363}, {"</s>", -0.0191651}}},
		{false, []row{{"looking", -0.484652}, {"on", -0.348837}, {"a", -0.0155266}, {"little", -0.00306122},
			{"more", -0.00181395}, {"loin", -0.0432557}}},
		{true, []row{{"also", -1.687872}, {"would", -2}, {"consider", -3}, {"higher", -4}, {"looking", -5}}},
		{true, []row{{"also", -1.687872}, {"would", -2}, {"consider", -3}, {"not_found", -1.995635 - 7.0 - 0.30103}}},
		{true, []row{{"higher", -1.509559}, {"looking", -1.285941 - 0.30103}, {"not_found", -1.995635 - 0.4771212},
			{"consider", -1.687872 - 20}}},
		{true, []row{{"would", -1.687872}, {"consider", -1.687872 - 0.30103}, {"higher", -1.509559 - 0.30103},
			{"looking", -1.285941 - 0.30103}}},
		{true, []row{{"not_found", -1.995635}, {"not_found2", -15}, {"not_found3", -15 - 2}}},
		{true, []row{{"foo", -3.141592}, {"bar", -6}, {"bar", -2.718281 + 3}}},
		{true, []row{{"to", -1.687872}, {"look", -0.2922095}, {"a", -7}}},
	} {
		context := m.Open()
		if c.inside {
			context = m.Inside()
		}
		for _, r := range c.rows {
			id := max(m.tokens.Vocab().Find([]byte(r.token)), text.Unknown)
			nats := []float64{0}
			if err := m.Score(context, []int32{id}, nats, nil); err != nil {
				t.Fatal(err)
			}
			if got := nats[0] / ln10; math.Abs(got-r.score) > 1e-5*math.Abs(r.score) {
				t.Errorf("%v: %s has %v", c.rows, r.token, got)
			}
		}
	}
}
