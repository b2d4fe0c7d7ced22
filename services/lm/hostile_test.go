package lm_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/services/lm"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// bad is a request that must be refused.
type bad struct {
	name   string
	err    error
	kind   fault.Kind
	reason string
	says   string
}

func (b bad) check(t *testing.T) {
	t.Helper()
	f := faultOf(b.err)
	if f.Kind != b.kind || f.Reason == "" || b.reason != "" && f.Reason != b.reason || !strings.Contains(f.Message(), b.says) {
		t.Errorf("%s: %v %s %q, want %v %s and %q", b.name, f.Kind, f.Reason, f.Message(), b.kind, b.reason, b.says)
	}
	if strings.Contains(f.Message(), os.TempDir()) || len(f.Message()) > 2000 {
		t.Errorf("%s: the message shows a path, or too much: %.3000s", b.name, f.Message())
	}
}

func TestGenerateRefuses(t *testing.T) {
	w := connect(t)
	x := func(v float64) *float64 { return &v }
	n := func(v int32) *int32 { return &v }
	big := uint64(1 << 60)
	with := func(s *lmv1.Sampling) *lmv1.GenerateRequest {
		return &lmv1.GenerateRequest{Model: "grams", Sampling: s}
	}
	stops := func(s ...string) *lmv1.GenerateRequest { return &lmv1.GenerateRequest{Model: "grams", Stop: s} }
	for _, b := range []struct {
		name   string
		req    *lmv1.GenerateRequest
		kind   fault.Kind
		reason string
		says   string
	}{
		{"no model", &lmv1.GenerateRequest{}, fault.Invalid, "", "model"},
		{"an unknown model", &lmv1.GenerateRequest{Model: "gram"}, fault.NotFound, "", "grams"},
		{"an unknown version", &lmv1.GenerateRequest{Model: "grams@9"}, fault.NotFound, "", "grams"},
		{"a path", &lmv1.GenerateRequest{Model: "../../etc/passwd"}, fault.Invalid, "", "letters"},
		{"cold", with(&lmv1.Sampling{Temperature: x(-0.1)}), fault.Invalid, "", "0 to 100"},
		{"no temperature", with(&lmv1.Sampling{Temperature: x(math.NaN())}), fault.Invalid, "", "NaN"},
		{"hot", with(&lmv1.Sampling{Temperature: x(math.Inf(1))}), fault.Invalid, "", "0 to 100"},
		{"top_k", with(&lmv1.Sampling{TopK: -1}), fault.Invalid, "", "at least 0"},
		{"top_p 0", with(&lmv1.Sampling{TopP: x(0)}), fault.Invalid, "", "more than 0"},
		{"top_p 2", with(&lmv1.Sampling{TopP: x(2)}), fault.Invalid, "", "0 to 1"},
		{"min_p", with(&lmv1.Sampling{MinP: x(1.5)}), fault.Invalid, "", "0 to 1"},
		{"repetition 0", with(&lmv1.Sampling{RepetitionPenalty: x(0)}), fault.Invalid, "", "more than 0"},
		{"presence", with(&lmv1.Sampling{PresencePenalty: math.NaN()}), fault.Invalid, "", "-100 to 100"},
		{"frequency", with(&lmv1.Sampling{FrequencyPenalty: -101}), fault.Invalid, "", "-100 to 100"},
		{"no tokens", &lmv1.GenerateRequest{Model: "grams", MaxTokens: n(0)}, fault.Invalid, "", "1 to 65536"},
		{"all tokens", &lmv1.GenerateRequest{Model: "grams", MaxTokens: n(math.MaxInt32)}, fault.Invalid, "", "1 to 65536"},
		{"no continuations", &lmv1.GenerateRequest{Model: "grams", N: n(0)}, fault.Invalid, "", "1 to 16"},
		{"alternatives", &lmv1.GenerateRequest{Model: "grams", TopLogprobs: 21}, fault.Invalid, "", "0 to 20"},
		{"an empty stop", stops(""), fault.Invalid, "", "0 bytes"},
		{"a long stop", stops(strings.Repeat("x", 257)), fault.Invalid, "", "257 bytes"},
		{"many stops", stops(make([]string, 17)...), fault.Invalid, "", "17 texts"},
		{"a seed that JSON loses", &lmv1.GenerateRequest{Model: "grams", Seed: &big}, fault.Invalid, "", "2^53-1"},
		{"NUL", &lmv1.GenerateRequest{Model: "grams", Prompt: "a\x00"}, fault.Invalid, "", "NUL byte at 1"},
		{"a long id", &lmv1.GenerateRequest{Model: "grams", RequestId: strings.Repeat("x", 129)}, fault.Invalid, "", "128"},
		{"a symbol that is none", &lmv1.GenerateRequest{Model: "umbrella", Prompt: "umbrella coat"}, fault.Invalid,
			"UNKNOWN_TOKEN", "umbrella, none"},
		{"a chain writes nothing", &lmv1.GenerateRequest{Model: "weather"}, fault.Precondition, "NOT_SUPPORTED", "Chain"},
		{"nor does a tagger", &lmv1.GenerateRequest{Model: "tags"}, fault.Precondition, "NOT_SUPPORTED", "Tag"},
		{"rules have no temperature", &lmv1.GenerateRequest{Model: "fable", Sampling: &lmv1.Sampling{Temperature: x(2)}},
			fault.Invalid, "", "no distribution"},
		{"nor stops", &lmv1.GenerateRequest{Model: "fable", Stop: []string{"a"}}, fault.Invalid, "", "end by themselves"},
		{"a slot without a value", &lmv1.GenerateRequest{Model: "invitation"}, fault.Invalid, "", "guest"},
		{"a prompt that was never seen", &lmv1.GenerateRequest{Model: "strict", Prompt: "cat cat"}, fault.Precondition,
			"IMPOSSIBLE_CONTEXT", "another prompt"},
	} {
		_, err := w.read(t, b.req)
		bad{b.name, err, b.kind, b.reason, b.says}.check(t)
	}
	if g := w.write(t, &lmv1.GenerateRequest{Model: "grams"}); len(g.tokens) == 0 {
		t.Error("the server writes no more")
	}
}

// TestResumeRefuses: a state must be of this model, seed and request.
func TestResumeRefuses(t *testing.T) {
	w := connect(t)
	seed, other, most, two := uint64(3), uint64(4), int32(4), int32(2)
	req := func() *lmv1.GenerateRequest {
		return &lmv1.GenerateRequest{Model: "grams", Seed: &seed, MaxTokens: &most, IgnoreEnd: true}
	}
	all := w.write(t, req())
	ids := func(n int) []int32 {
		var l []int32
		for i := range n {
			l = append(l, all.tokens[i%len(all.tokens)].GetId())
		}
		return l
	}
	state := func(ids ...int32) *lmv1.ResumeState {
		return &lmv1.ResumeState{ModelDigest: all.started.GetModelDigest(), NumericsVersion: tensor.NumericsVersion, Seed: seed,
			Continuations: []*lmv1.Written{{Ids: ids, Logprob: -1}}}
	}
	for _, b := range []struct {
		name   string
		change func(*lmv1.GenerateRequest)
		reason string
	}{
		{"another model", func(r *lmv1.GenerateRequest) { r.Model = "walk" }, "MODEL_MISMATCH"},
		{"another digest", func(r *lmv1.GenerateRequest) { r.Resume.ModelDigest = "x" }, "MODEL_MISMATCH"},
		{"another version", func(r *lmv1.GenerateRequest) { r.Resume.NumericsVersion = 99 }, "NUMERICS_MISMATCH"},
		{"another seed", func(r *lmv1.GenerateRequest) { r.Seed = &other }, "REQUEST_MISMATCH"},
		{"two continuations", func(r *lmv1.GenerateRequest) { r.N = &two }, "RESUME_STATE_MISMATCH"},
		{"too many tokens", func(r *lmv1.GenerateRequest) { r.Resume.Continuations[0].Ids = ids(5) }, "RESUME_STATE_MISMATCH"},
		{"a token that is none", func(r *lmv1.GenerateRequest) { r.Resume.Continuations[0].Ids = []int32{9999} },
			"RESUME_STATE_MISMATCH"},
		{"tokens after the end", func(r *lmv1.GenerateRequest) { r.Resume.Continuations[0].Ids = []int32{-1, 3} },
			"RESUME_STATE_MISMATCH"},
		{"a probability above 1", func(r *lmv1.GenerateRequest) { r.Resume.Continuations[0].Logprob = 1 }, "RESUME_STATE_MISMATCH"},
		{"NaN", func(r *lmv1.GenerateRequest) { r.Resume.Continuations[0].Logprob = math.NaN() }, "RESUME_STATE_MISMATCH"},
	} {
		r := req()
		r.Resume = state(ids(2)...)
		b.change(r)
		_, err := w.read(t, r)
		bad{b.name, err, fault.Precondition, b.reason, ""}.check(t)
	}
	r := req()
	r.Resume = state(ids(4)...)
	if g := w.write(t, r); len(g.tokens) != 0 || g.end.GetContinuations()[0].GetTokens() != 4 {
		t.Errorf("a state that lacks the last event alone: %v", g)
	}
	f := w.write(t, &lmv1.GenerateRequest{Model: "fable", Seed: &seed})
	r = &lmv1.GenerateRequest{Model: "fable", Seed: &seed, Resume: state(make([]int32, 200)...)}
	r.Resume.ModelDigest = f.started.GetModelDigest()
	_, err := w.read(t, r)
	bad{"too much of a fable", err, fault.Precondition, "RESUME_STATE_MISMATCH", "200 tokens"}.check(t)
}

func TestOtherCallsRefuse(t *testing.T) {
	w := connect(t)
	ctx := t.Context()
	score := func(r *lmv1.ScoreRequest) error { _, err := w.Score(ctx, r); return err }
	tag := func(r *lmv1.TagRequest) error { _, err := w.Tag(ctx, r); return err }
	chain := func(r *lmv1.ChainRequest) error { _, err := w.Chain(ctx, r); return err }
	matrix := func(p []float64, names ...string) *lmv1.ChainRequest {
		return &lmv1.ChainRequest{Matrix: &lmv1.Matrix{States: names, Transitions: p}}
	}
	half := []float64{.5, .5, .5, .5}
	for _, b := range []bad{
		{"no texts", score(&lmv1.ScoreRequest{Model: "grams"}), fault.Invalid, "", "1 to 256"},
		{"NUL", score(&lmv1.ScoreRequest{Model: "grams", Texts: []string{"a", "\x00"}}), fault.Invalid, "", "texts[1]"},
		{"alternatives of sums", score(&lmv1.ScoreRequest{Model: "grams", Texts: []string{"a"}, TopLogprobs: 1}), fault.Invalid,
			"", "tokens"},
		{"a symbol that is none", score(&lmv1.ScoreRequest{Model: "umbrella", Texts: []string{"rain"}}), fault.Invalid,
			"UNKNOWN_TOKEN", "umbrella"},
		{"rules score nothing", score(&lmv1.ScoreRequest{Model: "fable", Texts: []string{"a"}}), fault.Precondition,
			"NOT_SUPPORTED", "Generate"},
		{"no words", tag(&lmv1.TagRequest{Model: "tags"}), fault.Invalid, "", "one of words and text"},
		{"both", tag(&lmv1.TagRequest{Model: "tags", Text: "a", Words: []string{"a"}}), fault.Invalid, "", "one of words"},
		{"white space", tag(&lmv1.TagRequest{Model: "tags", Text: " \n\n "}), fault.Invalid, "", "no words"},
		{"an empty word", tag(&lmv1.TagRequest{Model: "tags", Words: []string{"a", ""}}), fault.Invalid, "", "0 bytes"},
		{"NUL in a word", tag(&lmv1.TagRequest{Model: "tags", Words: []string{"a\x00"}}), fault.Invalid, "", "NUL"},
		{"too many words", tag(&lmv1.TagRequest{Model: "tags", Text: strings.Repeat("a ", 10_001)}), fault.Invalid, "", "10000"},
		{"an observation that is none", tag(&lmv1.TagRequest{Model: "umbrella", Words: []string{"coat"}}), fault.Invalid,
			"UNKNOWN_TOKEN", `"coat"`},
		{"n-grams tag nothing", tag(&lmv1.TagRequest{Model: "grams", Words: []string{"a"}}), fault.Precondition,
			"NOT_SUPPORTED", "Score"},
		{"no chain", chain(&lmv1.ChainRequest{}), fault.Invalid, "", "one of model and matrix"},
		{"an empty chain", chain(matrix(nil)), fault.Invalid, "", "0 states"},
		{"rows that do not add up", chain(matrix([]float64{.5, .6, .5, .5}, "a", "b")), fault.Invalid, "", "1.1"},
		{"a negative step", chain(matrix([]float64{-.5, 1.5, .5, .5}, "a", "b")), fault.Invalid, "", "-0.5"},
		{"NaN", chain(matrix([]float64{math.NaN(), 1, .5, .5}, "a", "b")), fault.Invalid, "", "NaN"},
		{"a state twice", chain(matrix(half, "a", "a")), fault.Invalid, "", `"a"`},
		{"half a matrix", chain(matrix(half[:3], "a", "b")), fault.Invalid, "", "2 x 2"},
		{"a target that is none", chain(&lmv1.ChainRequest{Model: "weather", Targets: []string{"snowy"}}), fault.Invalid, "",
			"sunny, cloudy, rainy"},
		{"a beginning that is none", chain(&lmv1.ChainRequest{Model: "weather", From: "snowy"}), fault.Invalid, "", "sunny"},
		{"a long path", chain(&lmv1.ChainRequest{Model: "weather", Path: 10_001}), fault.Invalid, "", "10000"},
		{"many steps", chain(&lmv1.ChainRequest{Model: "weather", Steps: -1}), fault.Invalid, "", "0 to 1000"},
		{"a text is no chain", chain(&lmv1.ChainRequest{Model: "grams"}), fault.Precondition, "NOT_SUPPORTED", "Generate"},
	} {
		b.check(t)
	}
	if _, err := w.Describe(ctx, &lmv1.DescribeRequest{Model: "nobody"}); faultOf(err).Kind != fault.NotFound {
		t.Error(err)
	}
}

// TestImpossible: what a model without smoothing rules out has no probability, and does not harm its neighbours.
func TestImpossible(t *testing.T) {
	w := connect(t)
	w.train(t, "sure", `architecture: hmm
model: {states: [a, b], symbols: [x, "y"], start: [1, 0], transitions: [[0, 1], [1, 0]], emissions: [[1, 0], [0, 1]]}
`, "")
	for _, c := range []struct{ model, text string }{{"sure", "x x y"}, {"strict", "moon moon cat"}} {
		r, err := w.Score(t.Context(), &lmv1.ScoreRequest{Model: c.model, Texts: []string{c.text}, Tokens: true})
		if err != nil {
			t.Fatal(err)
		}
		if x := r.GetTexts()[0]; !math.IsInf(x.GetLogprob(), -1) || !math.IsInf(x.GetPerplexity(), 1) {
			t.Errorf("%s: %v", c.model, x)
		}
	}
	_, err := w.Tag(t.Context(), &lmv1.TagRequest{Model: "sure", Words: []string{"x", "x"}})
	bad{"impossible observations", err, fault.Invalid, "IMPOSSIBLE_SEQUENCE", ""}.check(t)

	most := int32(20_000)
	done := make(chan error, 1)
	go func() {
		_, err := w.read(t, &lmv1.GenerateRequest{Model: "sure", MaxTokens: &most})
		done <- err
	}()
	for range 20 {
		if _, err := w.read(t, &lmv1.GenerateRequest{Model: "sure", Prompt: "x x"}); faultOf(err).Reason != "IMPOSSIBLE_CONTEXT" {
			t.Errorf("%v", err)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("a request was ended by another one's prompt: %v", err)
	}
}

// TestRecipesRefuse: what is wrong with a recipe or a text is said with its field or place.
func TestRecipesRefuse(t *testing.T) {
	store, err := lm.OpenStore(t.TempDir(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "text")
	for _, b := range []struct{ name, recipe, text, says string }{
		{"an empty text", "architecture: ngram\ndata: {file: %q}\n", "", "no text"},
		{"blank lines", "architecture: markov\ndata: {file: %q}\n", "\n \n", "no text"},
		{"NUL", "architecture: ngram\ndata: {file: %q}\n", "ab\x00", "byte 2 of the corpus is NUL"},
		{"UTF-16", "architecture: markov\ndata: {file: %q}\n", "\xff\xfea\x00", ""},
		{"not UTF-8", "architecture: ngram\ndata: {file: %q}\n", "a\xffb", "UTF-8"},
		{"a tagger of prose", "architecture: tagger\ndata: {file: %q}\n", "once upon a time\n", "line 1"},
		{"sequences of nothing", "architecture: hmm\ndata: {file: %q}\nmodel: {states: [a, b], symbols: [h, t]}\n", "\n", ""},
		{"a symbol that is none", "architecture: hmm\ndata: {file: %q}\nmodel: {states: [a, b], symbols: [h, t]}\n", "h x\n", `"x"`},
		{"no file", "architecture: ngram\ndata: {file: /nowhere/at/all}\n", "", "cannot be opened"},
		{"no data", "architecture: ngram\n", "", "one of name and file"},
		{"an unknown architecture", "architecture: transformer-xl\n", "", "chain, hmm, markov, ngram, rules, tagger"},
		{"a field that recipes lack", "architecture: ngram\nmodel: {ordre: 3}\n", "", "ordre"},
		{"order", "architecture: ngram\ndata: {file: %q}\nmodel: {order: 99}\n", "a", "model.order"},
		{"smoothing", "architecture: ngram\ndata: {file: %q}\nmodel: {smoothing: butter}\n", "a", "modified_kneser_ney"},
		{"report", "architecture: ngram\ndata: {file: %q, report: .nan}\n", "a", "data.report"},
		{"documents", "architecture: ngram\ndata: {file: %q, documents: pages}\n", "a", "paragraphs"},
		{"a ragged matrix", "architecture: chain\nmodel: {states: [a, b], transitions: [[0.5, 0.5, 0.5], [0.5]]}\n", "", "row 1 has 3"},
		{"rows that do not add up", "architecture: chain\nmodel: {states: [a, b], transitions: [[0.5, 0.4], [0, 1]]}\n", "", "0.9"},
		{"a state twice", "architecture: chain\nmodel: {states: [a, a], transitions: [[1, 0], [0, 1]]}\n", "", `"a"`},
		{"a symbol twice", "architecture: hmm\ndata: {file: %q}\nmodel: {states: [a], symbols: [h, h]}\n", "h", `"h" occurs twice`},
		{"half a hidden chain", "architecture: hmm\nmodel: {states: [a], symbols: [h, t], transitions: [[1]]}\n", "", "emissions"},
		{"cyclic rules", "architecture: rules\nmodel:\n  text: |\n    rules: 1\n    name: x\n    about: y\n    kind: grammar\n    start: a\n" +
			"    symbols:\n      a: [\"{b}\"]\n      b: [\"{a}\"]\n", "", "line"},
		{"rules that are none", "architecture: rules\nmodel: {text: \"\\\\data\\\\ ngram 1=\"}\n", "", ""},
		{"no such sample", "architecture: rules\nmodel: {sample: nobody}\n", "", "fable"},
		{"data for rules", "architecture: rules\ndata: {file: x}\nmodel: {sample: fable}\n", "", "without a text"},
	} {
		if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		text := b.recipe
		if strings.Contains(text, "%q") {
			text = fmt.Sprintf(text, path)
		}
		_, err := lm.Train(t.Context(), []byte("name: x\nfamily: lm\n"+text), recipe.Deps{Store: store, Runs: t.TempDir()}, nil)
		if k := fault.KindOf(err); err == nil || k != fault.Invalid && k != fault.NotFound && k != fault.Corrupt ||
			!strings.Contains(err.Error(), b.says) || strings.Contains(err.Error(), os.TempDir()) {
			t.Errorf("%s: %v: %v, want %q", b.name, k, err, b.says)
		}
	}
	if _, err := store.Resolve("x"); err == nil {
		t.Error("one of them was published")
	}
}

// TestCancel: a long text ends soon after its caller left.
func TestCancel(t *testing.T) {
	w := connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	most, n := int32(65_536), int32(16)
	begun := time.Now()
	in, err := w.Generate(ctx, &lmv1.GenerateRequest{Model: "walk", MaxTokens: &most, N: &n, IgnoreEnd: true, TopLogprobs: 20})
	for err == nil {
		_, err = in.Recv()
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
