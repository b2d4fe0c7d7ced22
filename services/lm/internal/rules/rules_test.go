package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

var _ model.Replier = (*Rules)(nil)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

func must(t testing.TB, text string) *Rules {
	t.Helper()
	r, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sample(t testing.TB, name string) *Rules {
	t.Helper()
	names, texts := Samples()
	return must(t, string(texts[slices.Index(names, name)]))
}

// answer is a reply as a text with its probability.
func answer(t testing.TB, r *Rules, prompt string, n uint64) (string, float64) {
	t.Helper()
	pieces, err := r.Reply(prompt, rng.New(1), n)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	nats := 0.0
	for _, p := range pieces {
		b.WriteString(p.Text)
		nats += p.Nats
	}
	return b.String(), math.Exp(nats)
}

const head = "rules: 1\nname: n\n"

// TestFrequencies: a grammar's texts come as often as their probabilities say, which are those of the inside algorithm
// where every text has one derivation.
func TestFrequencies(t *testing.T) {
	r := must(t, head+`kind: grammar
start: s
depth: 4
symbols:
  s:
    - "x{t}"
    - {text: "y{s}", weight: 2}
  t: [a, b, {text: "{{c}}", weight: 2}]
`)
	count := map[string]int{}
	const n = 20_000
	for i := range uint64(n) {
		text, p := answer(t, r, "", i)
		count[text]++
		s, err := r.Score(text)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(math.Exp(s)-p) > 1e-14 {
			t.Fatalf("%q came with %v, its score is %v", text, p, math.Exp(s))
		}
	}
	// Depth 4: y y x t is the deepest, and its last choice is forced.
	want := map[string]float64{}
	for i, p := range []float64{1. / 3, 2. / 9, 4. / 9} {
		for k, q := range []float64{1. / 4, 1. / 4, 1. / 2} {
			want[strings.Repeat("y", i)+"x"+[]string{"a", "b", "{c}"}[k]] = p * q
		}
	}
	if len(count) != len(want) {
		t.Errorf("%v", count)
	}
	for text, p := range want {
		if d := float64(count[text])/n - p; math.Abs(d) > 5*math.Sqrt(p*(1-p)/n) {
			t.Errorf("%q came %d times, want a share of %v", text, count[text], p)
		}
	}
	if s, err := r.Score("yyyxa"); err != nil || !math.IsInf(s, -1) {
		t.Errorf("a text deeper than the depth has %v, %v", s, err)
	}
}

// TestInside: an ambiguous grammar's score is the sum over derivations. Binary trees with n leaves, each of probability
// (1/2)^(2n-1): Catalan's numbers count them.
func TestInside(t *testing.T) {
	r := must(t, head+"kind: grammar\nstart: s\ndepth: 64\nsymbols:\n  s: [\"{s}{s}\", a]\n")
	catalan := 1.0
	for n := 1; n <= 12; n++ {
		got, err := r.Score(strings.Repeat("a", n))
		if err != nil {
			t.Fatal(err)
		}
		want := math.Log(catalan) - float64(2*n-1)*math.Ln2
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("%d letters have %v, want %v", n, got, want)
		}
		catalan = catalan * 2 * float64(2*n-1) / float64(n+1)
	}
	if _, err := r.Score(strings.Repeat("a", MaxScore+1)); err == nil {
		t.Error("a long text was scored")
	}
	if _, err := r.Score(strings.Repeat("a", 1000)); reason(err) != "TOO_MUCH_WORK" {
		t.Errorf("%v", err)
	}
	if _, err := sample(t, "fable").Score("x"); reason(err) != "NO_SCORE" {
		t.Errorf("%v", err)
	}
}

func reason(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Reason
	}
	return fmt.Sprint(err)
}

func TestBindings(t *testing.T) {
	r := must(t, head+`kind: grammar
start: s
symbols:
  s: ["{x:w|a}, {x:w}, {x:w|capital}, {x:w|upper}"]
  w: [owl, hen]
`)
	seen := map[string]bool{}
	for i := range uint64(20) {
		text, p := answer(t, r, "", i)
		seen[text] = true
		if p != 0.5 {
			t.Errorf("%q has %v", text, p)
		}
	}
	if len(seen) != 2 || !seen["an owl, owl, Owl, OWL"] || !seen["a hen, hen, Hen, HEN"] {
		t.Errorf("%v", seen)
	}
}

func TestTemplate(t *testing.T) {
	r := sample(t, "invitation")
	text, _ := answer(t, r, "guest: Ada\n\n host: The {Smiths}: all ", 0)
	if !strings.Contains(text, "Dear Ada,") || !strings.Contains(text, "The {Smiths}: all") ||
		!strings.Contains(strings.ToLower(text), "next saturday") {
		t.Errorf("%q", text)
	}
	for prompt, want := range map[string]string{
		"": "MISSING_SLOT", "guest: a\nguest: b": "UNKNOWN_SLOT", "warmth: x": "UNKNOWN_SLOT", "hello": "UNKNOWN_SLOT",
		"\xff": "BAD_PROMPT", strings.Repeat("x", MaxPrompt+1): "PROMPT_TOO_LONG",
	} {
		if _, err := r.Reply(prompt, rng.New(0), 0); reason(err) != want {
			t.Errorf("%.20q: %v, want %s", prompt, err, want)
		}
	}
	if len(r.Slots()) != 4 || r.Slots()[0].Name != "guest" || !r.Slots()[0].Required || r.Slots()[1].Required {
		t.Errorf("%+v", r.Slots())
	}
}

const eliza = head + `kind: transform
greeting: hello
before: {im: I am}
swap: {i: you, my: your, am: are, me: you}
groups: {family: [mother, father]}
keywords:
  - words: [my]
    rank: 2
    rules:
      - {when: "* my @family *", say: ["Your {2}; {3|capital} ({1})?"]}
      - {when: "* my *", goto: i}
  - words: [i]
    rules:
      - {when: "* i am *", say: "Why are you {2} ?"}
      - {when: "i", goto: next}
      - {when: "* i *", say: "You {2}."}
  - words: [computer]
    rank: 50
    rules: [{when: "*", say: "machines"}]
  - words: [low]
    rank: 0
    rules: [{when: "*", say: "low"}]
memory:
  rules: [{when: "* my *", say: "earlier your {2}"}]
none: go on
`

func TestTransform(t *testing.T) {
	r := must(t, eliza)
	for _, c := range [][2]string{
		{"", "hello"}, {" \n ", "hello"},
		{"It is raining", "go on"},
		{"Well, my mother hates me!", "Your mother; Hates you ()?"},
		{"im tired of my dog", "Why are you tired of your dog?"},
		{"I like this, I am sure", "You like this."},
		{"I talk to a computer", "machines"},
		{"I low", "You low."},
		{"I, low", "go on"}, // the clause of the highest rank is "I", which gives up
		{"low I", "You."},   // * takes no words at all
		{"Nice. My dog ate my hat\nwhy", "earlier your dog ate your hat"},
		{"My father\nwhat?\nso", "earlier your father"},
		{"I like it — truly", "You like it truly."},
	} {
		if got, _ := answer(t, r, c[0], 0); got != c[1] {
			t.Errorf("%q is answered %q, want %q", c[0], got, c[1])
		}
	}
}

func TestMatch(t *testing.T) {
	tr := must(t, eliza).transform
	for _, c := range []struct {
		text string
		want string
		ok   bool
	}{
		{"my mother", "[[] [mother] []]", true}, {"a my my father b c", "[[a my] [father] [b c]]", true},
		{"mother my", "[]", false}, {"", "[]", false},
	} {
		holes, ok := match(tr.keywords[0].rules[0].pattern, strings.Fields(c.text))
		if ok != c.ok || fmt.Sprint(holes) != c.want {
			t.Errorf("%q: %v %v", c.text, holes, ok)
		}
	}
	// A pattern that would take a backtracking matcher for ever.
	var p []element
	for range 15 {
		p = append(p, element{any: true}, element{word: []string{"a"}})
	}
	if _, ok := match(append(p, element{word: []string{"b"}}), slices.Repeat([]string{"a"}, MaxWords)); ok {
		t.Error("a b was found")
	}
}

// TestListener holds a short talk and shows that the sample's rules are reached.
func TestListener(t *testing.T) {
	r := sample(t, "listener")
	for i, c := range [][2]string{
		{"I remember my mother's garden", "your mother's garden"}, {"My father never listens to me", "your father"},
		{"I am so sad today", "sad"}, {"I want a new job", "a new job"}, {"You are a machine", "a machine"},
	} {
		got, p := answer(t, r, c[0], uint64(i))
		if i != 1 && !strings.Contains(got, c[1]) || p <= 0 || p > 1 {
			t.Errorf("%q is answered %q (%v)", c[0], got, p)
		}
	}
}

// TestSamples: every sample answers, and says the same again.
func TestSamples(t *testing.T) {
	names, texts := Samples()
	if !slices.Equal(names, []string{"fable", "invitation", "listener"}) {
		t.Errorf("%v", names)
	}
	for i, text := range texts {
		r := must(t, string(text))
		if r.Name() != names[i] || r.About() == "" {
			t.Errorf("%s is called %s: %s", names[i], r.Name(), r.About())
		}
		different := map[string]bool{}
		for n := range uint64(200) {
			a, p := answer(t, r, "guest: Ada", n)
			if b, q := answer(t, r, "guest: Ada", n); a != b || p != q || p <= 0 || p > 1 {
				t.Errorf("%q with %v, then %q with %v", a, p, b, q)
			}
			different[a] = true
		}
		if len(different) < 4 {
			t.Errorf("%s gives %d texts", names[i], len(different))
		}
	}
}

func TestBadRules(t *testing.T) {
	for _, c := range [][2]string{
		{"", "empty"}, {"[", "line"}, {"- a", "line 1: want fields"}, {"a: 1\n---\nb: 2", "more than one document"},
		{"rules: 2\nname: x\nkind: grammar", "line 1: version"}, {"name: x", "line 1: want rules: 1"},
		{head + "kind: poem", "line 1: kind"}, {head + "kind: grammar\nstart: s\nsymbls: {}", `line 5: no field "symbls"`},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s: [a]\n  s: [b]", "line 7"},
		{head + "kind: grammar\nstart: t\nsymbols:\n  s: [a]", "line 4: the start"},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s:\n    - \"{t}\"", `line 7: {t}: there is no symbol`},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s:\n    - \"{s}\"", `line 6: "s" never ends`},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s:\n    - \"{t}\"\n    - a\n  t: \"x{t}\"", `line 9: "t" never ends`},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s: [\"{a\"]", "line 6: a { without"},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s: [\"a}\"]", "line 6: a } without"},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s: [\"{s|tiny}\"]", "line 6: {s|tiny} has the change"},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s: [{text: a, weight: -1}]", "line 6: \"-1\", want a number"},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s: [{text: a, weight: .nan}]", "line 6"},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s: []", "line 6: a list of no alternatives"},
		{head + "kind: grammar\nstart: s\ndepth: 65\nsymbols:\n  s: [a]", "line 5: \"65\""},
		{head + "kind: grammar\nstart: s\ndepth: 1\nsymbols:\n  s: [\"{t}\"]\n  t: [a]", "line 4: the shallowest reply"},
		{head + "kind: grammar\nstart: s\nsymbols:\n  s: &x [a]\n  t: *x", "anchors"},
		{head + "kind: template\nslots: {a: {}}", "without texts"},
		{strings.Replace(eliza, "goto: i", "goto: my", 1), "leads back"},
		{strings.Replace(eliza, "goto: i", "goto: cat", 1), "no keyword"},
		{strings.Replace(eliza, "@family", "@foes", 1), "there is no group"},
		{strings.Replace(eliza, "{3|capital}", "{4}", 1), "want {1} to {3}"},
		{strings.Replace(eliza, "none: go on", "", 1), "without none"},
		{strings.Replace(eliza, "\"* i *\"", "\"* * i\"", 1), "side by side"},
		{strings.Replace(eliza, "\"i\", goto: next", "\"i\", say: \"{1}\"", 1), "no * that"},
		{"rules: 1\nname: \"\xff\"", "UTF-8"}, {strings.Repeat("#", MaxFile+1), "bytes"},
	} {
		_, err := Parse([]byte(c[0]))
		if reason(err) != "BAD_RULES" || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%.80q: %v, want %s", c[0], err, c[1])
		}
	}
}

// TestLimits: rules whose smallest reply is enormous, and rules that nest as deep as they may.
func TestLimits(t *testing.T) {
	var b strings.Builder
	b.WriteString(head + "kind: grammar\nstart: s0\ndepth: 64\nsymbols:\n")
	for i := range 40 {
		fmt.Fprintf(&b, "  s%d: \"{s%d}{s%d}\"\n", i, i+1, i+1)
	}
	b.WriteString("  s40: a\n")
	if _, err := must(t, b.String()).Reply("", rng.New(0), 0); reason(err) != "REPLY_TOO_LONG" {
		t.Errorf("%v", err)
	}
	r := must(t, head+"kind: grammar\nstart: s\ndepth: 64\nsymbols:\n  s: [{text: \"a{s}\", weight: 1e9}, b]\n")
	if text, p := answer(t, r, "", 0); text != strings.Repeat("a", 63)+"b" || math.Abs(p-1) > 1e-7 {
		t.Errorf("%q %v", text, p)
	}
}

func FuzzParse(f *testing.F) {
	_, texts := Samples()
	for _, text := range texts {
		f.Add(text, "I am sad\nguest: Ada")
	}
	f.Add([]byte(eliza), "my mother, my father")
	f.Fuzz(func(t *testing.T, text []byte, prompt string) {
		r, err := Parse(text)
		if err != nil {
			if reason(err) != "BAD_RULES" {
				t.Error(err)
			}
			return
		}
		pieces, err := r.Reply(prompt, rng.New(1), 2)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Error(err)
			}
			return
		}
		for _, p := range pieces {
			if !(p.Nats <= 0) {
				t.Error(p)
			}
		}
	})
}

// digest is of many replies and of a score.
const digest = "2:cc026bc54a8561f3412561e8a6431f28"

// TestDigest: the same bits on every processor and under every compiler setting.
func TestDigest(t *testing.T) {
	h := sha256.New()
	for _, name := range []string{"fable", "invitation", "listener"} {
		r := sample(t, name)
		for n := range uint64(50) {
			pieces, err := r.Reply("guest: Ada", rng.New(4), n)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range pieces {
				h.Write([]byte(p.Text))
				binary.Write(h, binary.LittleEndian, p.Nats)
			}
		}
	}
	r := must(t, head+"kind: grammar\nstart: s\ndepth: 64\nsymbols:\n  s: [\"{s}{s}\", {text: a, weight: 1.7}]\n")
	s, err := r.Score("aaaaaa")
	if err != nil {
		t.Fatal(err)
	}
	binary.Write(h, binary.LittleEndian, s)
	if got := fmt.Sprintf("%d:%x", tensor.NumericsVersion, h.Sum(nil)[:16]); got != digest {
		t.Errorf("digest %s, want %s", got, digest)
	}
}
