package lm_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/shared/modelstore"
)

func close9(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// TestUmbrella: Russell and Norvig's guard; the log-likelihood and the best path are hmmlearn's.
func TestUmbrella(t *testing.T) {
	w := connect(t)
	u := "umbrella umbrella none umbrella umbrella"
	r, err := w.Tag(t.Context(), &lmv1.TagRequest{Model: "umbrella", Words: strings.Fields(u)})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(r.GetLogprob()+3.3725) > 5e-5 || math.Abs(r.GetPathLogprob()+4.4590) > 5e-5 ||
		!slices.Equal(r.GetPath(), []int32{0, 0, 1, 0, 0}) || !slices.Equal(r.GetLabels(), []string{"rain", "dry"}) {
		t.Errorf("%v", r)
	}
	if f := r.GetFiltered(); math.Abs(f[0]-0.81818) > 1e-5 || math.Abs(f[2]-0.88336) > 1e-5 {
		t.Errorf("filtered %v", f)
	}
	for i := range 5 {
		if !close9(r.GetPosterior()[2*i]+r.GetPosterior()[2*i+1], 1) {
			t.Errorf("posterior %v", r.GetPosterior())
		}
	}
	s, err := w.Score(t.Context(), &lmv1.ScoreRequest{Model: "umbrella", Texts: []string{u}})
	if err != nil || !close9(s.GetSum().GetLogprob(), r.GetLogprob()) {
		t.Errorf("the words score %v, want %g (%v)", s.GetSum(), r.GetLogprob(), err)
	}
}

func TestTagger(t *testing.T) {
	w := connect(t)
	r, err := w.Tag(t.Context(), &lmv1.TagRequest{Model: "tags", Text: "the dog sleeps"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range r.GetPath() {
		got = append(got, r.GetLabels()[i])
	}
	if !slices.Equal(got, []string{"DET", "NOUN", "VERB"}) || !slices.Equal(r.GetWords(), []string{"the", "dog", "sleeps"}) {
		t.Errorf("%v %v", r.GetWords(), got)
	}
}

// TestChain: exact answers about chains that are small enough for pencil and paper.
func TestChain(t *testing.T) {
	w := connect(t)
	ask := func(r *lmv1.ChainRequest) *lmv1.ChainResponse {
		t.Helper()
		a, err := w.Chain(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	seed := uint64(4)
	r := ask(&lmv1.ChainRequest{Model: "weather", Targets: []string{"rainy"}, Steps: 200, Path: 1000, Seed: &seed, From: "sunny"})
	p, q := r.GetStationary(), r.GetMatrix().GetTransitions()
	for j := range 3 {
		sum := 0.0
		for i := range 3 {
			sum += p[i] * q[3*i+j]
		}
		if !close9(sum, p[j]) || !close9(r.GetDistributions()[600+j], p[j]) {
			t.Errorf("state %d: %g, want %g and %g", j, p[j], sum, r.GetDistributions()[600+j])
		}
	}
	h := r.GetHittingTime() // of rain: h = 1 + Q h
	if !close9(h[0], 1+0.7*h[0]+0.2*h[1]) || !close9(h[1], 1+0.3*h[0]+0.4*h[1]) || h[2] != 0 || !r.GetConverges() ||
		!r.GetStationaryUnique() || len(r.GetPath()) != 1000 || r.GetPath()[0] != 0 || r.GetAnswered().GetSeed() != 4 {
		t.Errorf("%v %v", h, r)
	}
	again := ask(&lmv1.ChainRequest{Model: "weather", Path: 1000, Seed: &seed, From: "sunny"})
	if !slices.Equal(again.GetPath(), r.GetPath()) {
		t.Error("the same seed walks elsewhere")
	}

	ruin := ask(&lmv1.ChainRequest{Targets: []string{"rich"}, Matrix: &lmv1.Matrix{States: []string{"broke", "one", "two", "rich"},
		Transitions: []float64{1, 0, 0, 0, .5, 0, .5, 0, 0, .5, 0, .5, 0, 0, 0, 1}}})
	if got := ruin.GetHittingProbability(); !close9(got[0], 0) || !close9(got[1], 1./3) || !close9(got[2], 2./3) {
		t.Errorf("%v", got)
	}
	if got := ruin.GetHittingTime(); !math.IsInf(got[1], 1) || got[3] != 0 {
		t.Errorf("%v", got)
	}
	if got := ruin.GetAbsorptionTime(); !close9(got[1], 2) || !close9(got[2], 2) || got[0] != 0 {
		t.Errorf("%v", got)
	}
	if ruin.GetStationaryUnique() || ruin.GetConverges() || len(ruin.GetAbsorption()) != 8 {
		t.Errorf("%v", ruin)
	}

	ring := ask(&lmv1.ChainRequest{Matrix: &lmv1.Matrix{States: []string{"a", "b"}, Transitions: []float64{0, 1, 1, 0}}})
	if ring.GetConverges() || !ring.GetStationaryUnique() || ring.GetClasses()[0].GetPeriod() != 2 || ring.GetStationary()[0] != 0.5 ||
		ring.GetEntropyRate() != 0 {
		t.Errorf("%v", ring)
	}
	if u := ask(&lmv1.ChainRequest{Model: "umbrella"}); !close9(u.GetStationary()[0], 0.5) {
		t.Errorf("%v", u)
	}
}

// weightsOf is the digest of a model's weights.
func weightsOf(e modelstore.Entry) string {
	for _, f := range e.Manifest.Files {
		if f.Name == modelstore.WeightsFile {
			return f.SHA256
		}
	}
	return ""
}

// TestForget: what is left is, to the byte, what training without the documents gives.
func TestForget(t *testing.T) {
	w := connect(t)
	lines := strings.SplitAfter(corpus(), "\n")
	gone := []string{strings.TrimSpace(lines[3]), strings.TrimSpace(lines[40])}
	req := &lmv1.ForgetRequest{Model: "grams", Documents: gone, RequestId: "once"}
	r, err := w.Forget(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if r.GetModel() != "grams@2" || r.GetDocuments() != 2 || r.GetTokens() < 40 {
		t.Errorf("%v", r)
	}
	same, err := w.Forget(t.Context(), req)
	if err != nil || same.GetModel() != r.GetModel() {
		t.Errorf("the same request again: %v, %v", same, err)
	}
	kept := strings.Join(slices.Concat(lines[:3], lines[4:40], lines[41:]), "")
	other := w.train(t, "others", recipes[0].text, kept)
	left, err := w.store.Resolve("grams@2")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := weightsOf(left), weightsOf(other); a == "" || a != b {
		t.Errorf("the weights have the digest %.12q, those of a training without the documents %.12q", a, b)
	}
	seed, most := uint64(1), int32(40)
	a := w.write(t, &lmv1.GenerateRequest{Model: "grams@2", Seed: &seed, MaxTokens: &most})
	b := w.write(t, &lmv1.GenerateRequest{Model: "others", Seed: &seed, MaxTokens: &most})
	for i := range a.tokens {
		if !proto.Equal(a.tokens[i], b.tokens[i]) {
			t.Fatalf("token %d differs", i)
		}
	}
	for _, c := range []struct {
		model, reason string
		documents     []string
	}{
		{"grams@2", "", gone[:1]}, {"grams", "", []string{"never seen"}}, {"words", "NOT_SUPPORTED", gone},
		{"umbrella", "NOT_SUPPORTED", gone}, {"grams", "", nil}, {"grams", "", []string{"a\x00b"}},
	} {
		_, err := w.Forget(t.Context(), &lmv1.ForgetRequest{Model: c.model, Documents: c.documents})
		f := faultOf(err)
		if err == nil || f.Reason == "" || c.reason != "" && f.Reason != c.reason {
			t.Errorf("%s %q: %v", c.model, c.documents, err)
		}
	}
}
