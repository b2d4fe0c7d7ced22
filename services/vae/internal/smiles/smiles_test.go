package smiles

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/vae/internal/molecule"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

func small(t *testing.T, lines []string) *VAE {
	t.Helper()
	vocabulary, longest := Vocabulary(lines)
	m, err := New(Config{
		Vocabulary: vocabulary, Longest: longest, Width: 16, Heads: 2, Encoder: 1, Decoder: 2, Latent: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(m, 1)
	return m
}

var some = []string{"CCO", "c1ccccc1", "C[C@@H](N)C(=O)O", "ClCCBr", "C%10CC%10"}

func batch(t *testing.T, m *VAE, lines ...string) *Batch {
	t.Helper()
	var rows [][]int32
	for _, s := range lines {
		ids, err := m.cfg.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, ids)
	}
	b := new(Batch)
	b.Fill(rows)
	return b
}

// TestGradient compares the gradient of the bound with central differences in float64.
func TestGradient(t *testing.T) {
	m := small(t, some)
	nn.To(m, tensor.Float64)
	b := batch(t, m, some...)
	noise := tensor.New(tensor.Float64, b.N, 4)
	rng.New(3).Normal64(noise.F64(), 0, 0, rng.Noise)
	tape, params := autograd.NewTape(nil), nn.Params(m)
	loss := func() *autograd.Value { return m.ELBO(tape, b, tape.Const(noise), 0.7, 0.02).Loss }
	tape.Reset()
	nn.Gradient(tape, loss(), params)
	for _, p := range params {
		i := p.Len() / 2
		got := p.Grad.F64()[i]
		const h = 1e-5
		at := func(d float64) float64 {
			old := p.F64()[i]
			p.F64()[i] = old + d
			p.Changed()
			tape.Reset()
			v := loss().Item()
			p.F64()[i] = old
			p.Changed()
			return v
		}
		if want := (at(h) - at(-h)) / (2 * h); math.Abs(got-want) > 1e-7+1e-5*math.Abs(want) {
			t.Errorf("%s: %v, by differences %v", p.Name, got, want)
		}
	}
}

// TestRowsAndPadding: what a string gives depends neither on its neighbours nor on their lengths, and the bound is the
// sum over tokens that stepwise writing adds up.
func TestRowsAndPadding(t *testing.T) {
	m := small(t, some)
	s := NewSampler(m)
	all := make([][]int32, len(some))
	for i, line := range some {
		all[i], _ = m.cfg.Encode(line)
	}
	mean, logvar := s.Encode(all)
	for i := range some {
		mu, lv := s.Encode(all[i : i+1])
		if !slices.Equal(mu, mean[i*4:(i+1)*4]) || !slices.Equal(lv, logvar[i*4:(i+1)*4]) {
			t.Errorf("%s: another code alone", some[i])
		}
	}
	b := batch(t, m, some...)
	zero := tensor.New(tensor.Float32, b.N, 4)
	tape := autograd.NewTape(nil)
	bound := m.ELBO(tape, b, tape.Const(zero), 1, 0)
	var want float64
	for i, ids := range all {
		shown := []int32{Begin}
		for at := range len(ids) + 1 {
			next := int32(End)
			if at < len(ids) {
				next = ids[at]
			}
			s.tape.Reset()
			z := s.tape.Const(tensor.FromFloat32(mean[i*4:(i+1)*4], 1, 4))
			x := m.write(s.tape, z, shown, 1, at+1)
			l := autograd.LogSoftmax(m.Logits.Forward(s.tape, autograd.Reshape(x, at+1, -1))).F32()
			want -= float64(l[at*m.cfg.Size()+int(next)]) / float64(len(some))
			shown = append(shown, next)
		}
	}
	if got := float64(bound.Lost.F32()[0]); math.Abs(got-want) > 1e-4*want {
		t.Errorf("%v nats, step by step %v", got, want)
	}
	if got := bound.Loss.Item() - bound.Lost.Item(); math.Abs(got-sum(bound.KL.F32())/float64(b.N)) > 1e-4 {
		t.Errorf("divergence %v", got)
	}
}

func sum(x []float32) (s float64) {
	for _, v := range x {
		s += float64(v)
	}
	return s
}

// TestSamples: string i depends on (seed, i) alone, cold draws are greedy, and a context ends the work.
func TestSamples(t *testing.T) {
	m := small(t, some)
	s := NewSampler(m)
	ctx := context.Background()
	all, err := s.Sample(ctx, together+20, rng.New(5), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	part, err := s.Sample(ctx, 7, rng.New(5), together-3, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(part, all[together-3:together+4]) {
		t.Error("other strings with the same numbers")
	}
	other, _ := s.Sample(ctx, 7, rng.New(6), together-3, 1)
	if slices.Equal(part, other) {
		t.Error("the seed has no effect")
	}
	cold := &chooser{rng.New(1), 0, 1e-6}
	z := make([]float32, 3*4)
	rng.New(9).Normal(z, 0, 0, rng.Latent)
	drawn, _ := s.decode(ctx, z, cold)
	if greedy, _ := s.Decode(ctx, z); !slices.Equal(drawn, greedy) {
		t.Errorf("%v, greedy %v", drawn, greedy)
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	if _, err := s.Sample(stopped, 1, rng.New(1), 0, 1); err == nil {
		t.Error("a cancelled draw goes on")
	}
}

// TestLearns overfits a few strings: they come back from their codes.
func TestLearns(t *testing.T) {
	m := small(t, some)
	b := batch(t, m, some...)
	params, tape := nn.Params(m), autograd.NewTape(nil)
	speed := make([][]float32, len(params))
	noise := tensor.New(tensor.Float32, b.N, 4)
	for step := range 600 {
		tape.Reset()
		rng.New(1).Normal(noise.F32(), 0, uint32(step), rng.Noise)
		nn.Gradient(tape, m.ELBO(tape, b, tape.Const(noise), 0.01, 0).Loss, params)
		for i, p := range params {
			if speed[i] == nil {
				speed[i] = make([]float32, p.Len())
			}
			for j, g := range p.Grad.F32() {
				speed[i][j] = 0.9*speed[i][j] - 0.005*g
				p.F32()[j] += speed[i][j]
			}
			p.Changed()
		}
	}
	rows := make([][]int32, len(some))
	for i, s := range some {
		rows[i], _ = m.cfg.Encode(s)
	}
	s := NewSampler(m)
	mean, _ := s.Encode(rows)
	got, err := s.Decode(context.Background(), mean)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, some) {
		t.Errorf("%q, want %q", got, some)
	}
}

func TestRefuses(t *testing.T) {
	m := small(t, some)
	if _, err := m.cfg.Encode("CS"); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), `"S"`) {
		t.Error(err)
	}
	if _, err := m.cfg.Encode(strings.Repeat("C", 100)); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	for name, change := range map[string]func(c *Config){
		"no vocabulary":  func(c *Config) { c.Vocabulary = nil },
		"token twice":    func(c *Config) { c.Vocabulary = []string{"C", "C"} },
		"out of order":   func(c *Config) { c.Vocabulary = []string{"O", "C"} },
		"width":          func(c *Config) { c.Width = 0 },
		"heads":          func(c *Config) { c.Heads = 3 },
		"no blocks":      func(c *Config) { c.Decoder = 0 },
		"code of 0":      func(c *Config) { c.Latent = 0 },
		"code too large": func(c *Config) { c.Latent = 1 << 20 },
		"strings of 0":   func(c *Config) { c.Longest = 0 },
	} {
		c := m.Config()
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestGrammar: what is drawn is different molecules, and divided the same way every time.
func TestGrammar(t *testing.T) {
	ctx := context.Background()
	m, err := Open(ctx, nil, Request{Name: Grammar, Train: 1000})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(ctx, nil, Request{Name: Grammar, Train: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Train) != 1000 || len(m.Selection) != 80 || m.Hash != again.Hash || !slices.Equal(m.Train, again.Train) {
		t.Error(len(m.Train), len(m.Selection))
	}
	for _, s := range append(m.Train, m.Selection...) {
		if _, err := molecule.Parse(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, r := range []Request{
		{}, {Name: "nothing"}, {Name: Grammar, Path: "x"}, {Path: "nowhere.smi"}, {Name: Grammar, Train: 1 << 20}, {Name: "qm9"},
	} {
		if _, err := Open(ctx, nil, r); err == nil {
			t.Errorf("%+v: no error", r)
		}
	}
}
