package lm_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/services/lm"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/serve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// corpus is a text of short lines, all different.
func corpus() string {
	var b strings.Builder
	who := []string{"the cat", "a dog", "my aunt", "the naïve owl"}
	what := []string{"sees", "wants", "hears", "forgets"}
	whom := []string{"the moon", "a bone", "the sea", "old songs"}
	for i := range 64 {
		fmt.Fprintf(&b, "%s %s %s %d times\n", who[i%4], what[i/4%4], whom[i/16], i)
	}
	return b.String()
}

const treebank = "# sent_id = a\n" +
	"1\tthe\tthe\tDET\t_\t_\t2\tdet\t_\t_\n2\tcat\tcat\tNOUN\t_\t_\t3\tnsubj\t_\t_\n3\tsleeps\tsleep\tVERB\t_\t_\t0\troot\t_\t_\n\n" +
	"1\ta\ta\tDET\t_\t_\t2\tdet\t_\t_\n2\tdog\tdog\tNOUN\t_\t_\t3\tnsubj\t_\t_\n3\tbarks\tbark\tVERB\t_\t_\t0\troot\t_\t_\n\n"

// recipes are small models of every architecture; %q is the file of the corpus.
var recipes = []struct{ name, text string }{
	{"grams", "architecture: ngram\ndata: {file: %q}\nmodel: {order: 4, forgets: true}\n"},
	{"words", "architecture: ngram\ndata: {file: %q, report: 0.2}\nmodel: {unit: words, order: 3, smoothing: katz}\n"},
	{"bytes", "architecture: ngram\ndata: {file: %q, documents: whole}\nmodel: {unit: bytes, order: 3, smoothing: witten_bell}\n"},
	{"walk", "architecture: markov\ndata: {file: %q, documents: whole}\nmodel: {order: 3}\n"},
	{"strict", "architecture: markov\ndata: {file: %q}\nmodel: {order: 2, unit: words, unseen: refuse}\n"},
	{"learnt", "architecture: hmm\nseed: 3\ndata: {file: %q}\nmodel: {states: [a, b], symbols: [h, t], iterations: 5}\n"},
	{"tags", "architecture: tagger\ndata: {file: %q}\nmodel: {order: 1}\n"},
}

// world is a server with small models of every architecture.
type world struct {
	lmv1.LmServiceClient
	store *modelstore.Store
	m     *serve.Memory
	dir   string
}

// train runs a recipe over a text.
func (w *world) train(t *testing.T, name, text, data string) modelstore.Entry {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "%q") {
		text = fmt.Sprintf(text, path)
	}
	e, err := lm.Train(t.Context(), []byte("name: "+name+"\nfamily: lm\n"+text),
		recipe.Deps{Store: w.store, Runs: t.TempDir()}, nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return e
}

// connect serves them; built are recipes that come with the family and need no data.
func connect(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir()}
	var err error
	if w.store, err = lm.OpenStore(t.TempDir(), w.dir); err != nil {
		t.Fatal(err)
	}
	for _, r := range recipes {
		data := corpus()
		switch r.name {
		case "learnt":
			data = "h h t h t t h\nt h h h t t t\n"
		case "tags":
			data = treebank
		}
		w.train(t, r.name, r.text, data)
	}
	for _, name := range []string{"umbrella", "weather", "fable", "listener", "invitation"} {
		text, err := lm.Recipe(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lm.Train(t.Context(), text, recipe.Deps{Store: w.store, Runs: t.TempDir()}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if w.m, err = lm.Connect(t.Context(), lm.Config{Store: w.store, Jobs: t.TempDir()}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.m.Close() })
	w.LmServiceClient = lmv1.NewLmServiceClient(w.m.Conn())
	return w
}

func faultOf(err error) *fault.Error {
	var f *fault.Error
	if !errors.As(serve.FromStatus("", err), &f) {
		return &fault.Error{}
	}
	return f
}

// writing is what a stream gave.
type writing struct {
	started *lmv1.Started
	tokens  []*lmv1.Token
	end     *lmv1.Completed
}

// read reads a stream to its end.
func (w *world) read(t *testing.T, r *lmv1.GenerateRequest) (*writing, error) {
	t.Helper()
	in, err := w.Generate(t.Context(), r)
	if err != nil {
		return nil, err
	}
	out := new(writing)
	var last uint64
	for {
		e, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if e.GetSequence() <= last {
			t.Errorf("sequence %d after %d", e.GetSequence(), last)
		}
		last = e.GetSequence()
		switch {
		case e.GetStarted() != nil:
			out.started = e.GetStarted()
		case e.GetToken() != nil:
			out.tokens = append(out.tokens, e.GetToken())
		default:
			out.end = e.GetCompleted()
		}
	}
}

func (w *world) write(t *testing.T, r *lmv1.GenerateRequest) *writing {
	t.Helper()
	out, err := w.read(t, r)
	if err != nil || out.started == nil || out.end == nil {
		t.Fatalf("%s: %v, %v", r.GetModel(), err, out)
	}
	return out
}

// languages are the models that go on with text, and a text of each.
var languages = []struct{ name, prompt string }{
	{"grams", "the c"}, {"words", "the cat "}, {"bytes", "my "}, {"walk", "the"}, {"strict", "the cat"},
	{"learnt", "h t"}, {"umbrella", "umbrella none"},
}

func TestDescribe(t *testing.T) {
	w := connect(t)
	for _, c := range []struct{ name, unit, calls string }{
		{"grams", "characters", "Describe Generate Score Forget"}, {"words", "words", "Describe Generate Score"},
		{"bytes", "bytes", "Describe Generate Score"}, {"walk", "characters", "Describe Generate Score"},
		{"umbrella", "states", "Describe Generate Score Tag Chain"}, {"weather", "", "Describe Chain"},
		{"tags", "", "Describe Tag"}, {"fable", "", "Describe Generate"},
	} {
		r, err := w.Describe(t.Context(), &lmv1.DescribeRequest{Model: c.name})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(r.GetCalls(), " "); got != c.calls || r.GetUnit() != c.unit {
			t.Errorf("%s: %s %q, want %s %q", c.name, got, r.GetUnit(), c.calls, c.unit)
		}
	}
	r, err := w.Describe(t.Context(), &lmv1.DescribeRequest{Model: "umbrella"})
	if err != nil || !slices.Equal(r.GetLabels(), []string{"rain", "dry"}) || r.GetVocabulary() != 2 || r.GetEnds() {
		t.Errorf("%v, %v", r, err)
	}
}

// TestGenerate: the same seed gives the same events, also after a resumption at every token; texts add up.
func TestGenerate(t *testing.T) {
	w := connect(t)
	for _, l := range languages {
		seed, n, most := uint64(11), int32(2), int32(12)
		r := &lmv1.GenerateRequest{Model: l.name, Prompt: l.prompt, Seed: &seed, N: &n, MaxTokens: &most, TopLogprobs: 3}
		a, b := w.write(t, r), w.write(t, r)
		texts, nats := make([]string, n), make([]float64, n)
		for i, x := range a.tokens {
			if !proto.Equal(x, b.tokens[i]) {
				t.Fatalf("%s: token %d differs", l.name, i)
			}
			texts[x.GetIndex()] += x.GetText()
			nats[x.GetIndex()] += x.GetLogprob()
			if alt := x.GetAlternatives(); len(alt) > 3 || x.GetId() >= 0 && (len(alt) == 0 || alt[0].GetLogprob() < x.GetLogprob()) {
				t.Errorf("%s: %v", l.name, x)
			}
		}
		for i, c := range a.end.GetContinuations() {
			if c.GetText() != texts[i] || math.Abs(c.GetLogprob()-nats[i]) > 1e-12 || c.GetFinish() == "" {
				t.Errorf("%s: %v, want %q %g", l.name, c, texts[i], nats[i])
			}
		}
		one := int32(1)
		alone := w.write(t, &lmv1.GenerateRequest{Model: l.name, Prompt: l.prompt, Seed: &seed, N: &one, MaxTokens: &most})
		if alone.end.GetContinuations()[0].GetText() != texts[0] {
			t.Errorf("%s: continuation 0 depends on the others", l.name)
		}
		w.resumes(t, r, a)
	}
}

// resumes takes a generation up after each of its tokens.
func (w *world) resumes(t *testing.T, r *lmv1.GenerateRequest, all *writing) {
	t.Helper()
	state := &lmv1.ResumeState{ModelDigest: all.started.GetModelDigest(), Seed: all.started.GetSeed(),
		NumericsVersion: all.started.GetNumericsVersion()}
	for range r.GetN() {
		state.Continuations = append(state.Continuations, &lmv1.Written{})
	}
	again := proto.CloneOf(r)
	again.Resume = state
	for i, x := range all.tokens[:len(all.tokens)-1] {
		c := state.Continuations[x.GetIndex()]
		c.Ids, c.Logprob = append(c.Ids, x.GetId()), c.GetLogprob()+x.GetLogprob()
		rest := w.write(t, again)
		if len(rest.tokens) != len(all.tokens)-i-1 {
			t.Fatalf("%s: %d tokens after %d of %d", r.GetModel(), len(rest.tokens), i+1, len(all.tokens))
		}
		for k, y := range rest.tokens {
			if !proto.Equal(y, all.tokens[i+1+k]) {
				t.Fatalf("%s: after %d tokens, %v is not %v", r.GetModel(), i+1, y, all.tokens[i+1+k])
			}
		}
		for k, c := range rest.end.GetContinuations() {
			if !proto.Equal(c, all.end.GetContinuations()[k]) {
				t.Fatalf("%s: after %d tokens, %v is not %v", r.GetModel(), i+1, c, all.end.GetContinuations()[k])
			}
		}
	}
}

// TestSampling: each way to choose keeps to what it promises.
func TestSampling(t *testing.T) {
	w := connect(t)
	zero, seed, half, most := 0.0, uint64(5), 0.5, int32(60)
	ask := func(s *lmv1.Sampling, stop ...string) *writing {
		return w.write(t, &lmv1.GenerateRequest{Model: "grams", Seed: &seed, MaxTokens: &most, Sampling: s, Stop: stop,
			TopLogprobs: 20, IgnoreEnd: true})
	}
	for name, s := range map[string]*lmv1.Sampling{"greedy": {Temperature: &zero}, "top-k": {TopK: 1}, "min-p": {MinP: new(float64(1))}} {
		for _, x := range ask(s).tokens {
			if x.GetLogprob() != x.GetAlternatives()[0].GetLogprob() {
				t.Errorf("%s: %v", name, x)
			}
		}
	}
	for _, x := range ask(&lmv1.Sampling{TopP: &half}).tokens {
		before := 0.0
		for _, a := range x.GetAlternatives() {
			if a.GetId() == x.GetId() {
				break
			}
			before += math.Exp(a.GetLogprob())
		}
		if before >= 0.5 {
			t.Errorf("top-p: %g lies before %v", before, x)
		}
	}
	free := ask(nil).end.GetContinuations()[0].GetText()
	stop := free[10:12]
	got := ask(nil, stop).end.GetContinuations()[0]
	if want, _, _ := strings.Cut(free, stop); got.GetFinish() != "stop" || got.GetText() != want {
		t.Errorf("stopped before %q: %v, want %q", stop, got, want)
	}
}

// TestScore: details add up, and perplexities follow from the sums.
func TestScore(t *testing.T) {
	w := connect(t)
	for _, l := range languages {
		r, err := w.Score(t.Context(), &lmv1.ScoreRequest{Model: l.name, Texts: []string{l.prompt, l.prompt}, Tokens: true, TopLogprobs: 2})
		if err != nil {
			t.Fatal(err)
		}
		plain, err := w.Score(t.Context(), &lmv1.ScoreRequest{Model: l.name, Texts: []string{l.prompt}})
		if err != nil {
			t.Fatal(err)
		}
		x := r.GetTexts()[0]
		sum := 0.0
		for _, d := range x.GetDetails() {
			sum += d.GetLogprob()
		}
		if sum != x.GetLogprob() || int64(len(x.GetDetails())) != x.GetTokens() || x.GetTokens() == 0 ||
			plain.GetTexts()[0].GetLogprob() != x.GetLogprob() || r.GetSum().GetTokens() != 2*x.GetTokens() ||
			r.GetSum().GetLogprob() != 2*x.GetLogprob() {
			t.Errorf("%s: %v, alone %v", l.name, x, plain)
		}
		if want := math.Exp(-sum / float64(x.GetTokens())); !(math.Abs(x.GetPerplexity()/want-1) < 1e-12) && !math.IsInf(want, 1) {
			t.Errorf("%s: perplexity %g, want %g", l.name, x.GetPerplexity(), want)
		}
		// What was generated scores as its events said.
		seed, most := uint64(2), int32(8)
		g := w.write(t, &lmv1.GenerateRequest{Model: l.name, Prompt: l.prompt, Seed: &seed, MaxTokens: &most}).end.GetContinuations()[0]
		s, err := w.Score(t.Context(), &lmv1.ScoreRequest{Model: l.name, Context: l.prompt, Texts: []string{g.GetText()},
			Open: g.GetFinish() == "length"})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.GetTexts()[0]; got.GetTokens() == int64(g.GetTokens()) && math.Abs(got.GetLogprob()-g.GetLogprob()) > 1e-9 {
			t.Errorf("%s: %q was generated with %g and scores %g", l.name, g.GetText(), g.GetLogprob(), got.GetLogprob())
		}
	}
}
