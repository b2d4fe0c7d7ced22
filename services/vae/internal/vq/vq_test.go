package vq

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

var (
	_ model.Encoder   = (*Model)(nil)
	_ model.Decoder   = (*Model)(nil)
	_ model.Indexer   = (*Model)(nil)
	_ model.Hidden    = (*Model)(nil)
	_ model.Bernoulli = (*Model)(nil)
	_ model.Prior     = Sampler{}
	_ model.Scorer    = Sampler{}
	_ model.Indexer   = Sampler{}
)

func config(side, vectors int) Config {
	return Config{
		Config: trunk.Config{
			Height: side, Width: side, Channels: 1, Kind: trunk.Conv, Hidden: []int{6}, Activation: "relu",
		},
		Likelihood: likelihood.Config{Kind: likelihood.Bernoulli}, Vectors: vectors, Size: 3,
		Prior: &PriorConfig{Channels: 8, Blocks: 2},
	}
}

func newModel(t *testing.T, cfg Config) *Model {
	t.Helper()
	m, err := NewModel(cfg)
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(m, 3)
	return m
}

// TestNearest compares with the definition, and wants the lower index among equals.
func TestNearest(t *testing.T) {
	m := newModel(t, config(4, 17))
	rng.New(1).Normal(m.Book.F32(), 0, 0, rng.General)
	copy(m.Book.F32()[9*3:10*3], m.Book.F32()[4*3:5*3])
	z := tensor.New(tensor.Float32, 50, 3)
	rng.New(2).Normal(z.F32(), 0, 0, rng.General)
	copy(z.F32(), m.Book.F32()[9*3:10*3])
	index := make([]int32, 50)
	m.Nearest(index, z, tensor.NewArena())
	for r := range index {
		best, least := 0, math.Inf(1)
		for i := range 17 {
			var d float64
			for j := range 3 {
				x := float64(z.F32()[r*3+j]) - float64(m.Book.F32()[i*3+j])
				d += x * x
			}
			if d < least {
				best, least = i, d
			}
		}
		if int(index[r]) != best {
			t.Errorf("row %d: %d, want %d", r, index[r], best)
		}
	}
	if index[0] != 4 {
		t.Errorf("of two equal vectors %d, want 4", index[0])
	}
}

// TestStraightThrough: forward the codebook's bits, backward the gradient as it is.
func TestStraightThrough(t *testing.T) {
	tape := autograd.NewTape(nil)
	z := tape.Leaf(tensor.FromFloat32([]float32{0.1, -3e-8, 7}, 3))
	e := tensor.FromFloat32([]float32{0.3, 1e9, -1e-20}, 3)
	q := StraightThrough(tape, z, e)
	for i, v := range q.F32() {
		if v != e.F32()[i] {
			t.Errorf("element %d is %v, want %v", i, v, e.F32()[i])
		}
	}
	dy := tensor.FromFloat32([]float32{1, 2, 3}, 3)
	for i, g := range tape.Pull(q, tape.Const(dy), []*autograd.Value{z}, false)[0].F32() {
		if g != dy.F32()[i] {
			t.Errorf("gradient %d is %v", i, g)
		}
	}
}

// TestAverages follows equations 6 to 8 of the appendix by hand, and the revival of an idle vector.
func TestAverages(t *testing.T) {
	m := newModel(t, config(4, 3))
	l := Learning{Decay: 0.9, Revive: 2}
	a := NewAverages(m.VQ, l)
	z := tensor.FromFloat32([]float32{1, 0, 0, 3, 0, 0, 0, 5, 0}, 3, 3)
	// The first step uses vectors 0 and 1; vector 2 counts as idle and becomes one of the rows.
	a.Observe(0, z, []int32{0, 0, 1})
	a.Update(rng.New(1))
	near := func(what string, got float32, want float64) {
		t.Helper()
		if math.Abs(float64(got)-want) > 1e-6 {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("N_0", a.Count.F32()[0], 0.2)
	near("m_0", a.Sum.F32()[0], 0.4)
	near("e_0", m.Book.F32()[0], 2)
	near("e_1", m.Book.F32()[4], 5)
	var at [1]int32
	rng.New(1).Ints(at[:], 3, 2, 0, rng.Choice)
	for j := range 3 {
		near("the revived vector", m.Book.F32()[6+j], float64(z.F32()[int(at[0])*3+j]))
	}
	// Two micro-batches of the next step add up.
	a.Observe(1, z, []int32{0, 0, 0})
	a.Observe(1, z, []int32{1, 1, 1})
	a.Update(rng.New(1))
	near("N_0", a.Count.F32()[0], 0.9*0.2+0.1*3)
	near("m_0", a.Sum.F32()[0], 0.9*0.4+0.1*4)
	near("e_0", m.Book.F32()[0], (0.9*0.4+0.1*4)/(0.9*0.2+0.1*3))
	near("idle", a.Idle.F32()[2], 1)
}

// TestPriorSumsToOne adds the probabilities of all grids of 2x2 of three vectors, which holds only where no index sees
// itself or a later one.
func TestPriorSumsToOne(t *testing.T) {
	m := newModel(t, config(4, 3))
	index := make([]int32, 4)
	var sum float64
	for g := range 81 {
		for i := range index {
			index[i] = int32(g % 3)
			g /= 3
		}
		tape := autograd.NewInference(nil)
		sum += math.Exp(-float64(autograd.CrossEntropy(m.Prior.Forward(tape, index, nil), index).F32()[0]))
	}
	if math.Abs(sum-1) > 1e-5 {
		t.Errorf("the probabilities of all grids add up to %v", sum)
	}
}

// TestPriorIsCausal changes every index in turn and looks at the bits of the logits before and at it.
func TestPriorIsCausal(t *testing.T) {
	m := newModel(t, config(14, 5))
	p := m.positions()
	logits := func(index []int32) []float32 {
		tape := autograd.NewInference(nil)
		return append([]float32(nil), m.Prior.Forward(tape, index, nil).F32()...)
	}
	index := make([]int32, p)
	want := logits(index)
	for i := range index {
		index[i] = 3
		got, later := logits(index), false
		index[i] = 0
		for j, v := range got {
			if j < (i+1)*5 && v != want[j] {
				t.Fatalf("the logits of position %d depend on index %d", j/5, i)
			}
			later = later || v != want[j]
		}
		if !later && i < p-1 {
			t.Errorf("nothing depends on index %d", i)
		}
	}
}

// TestSamplesFollowThePrior compares the shares of sampled grids of 2x2 with their probabilities.
func TestSamplesFollowThePrior(t *testing.T) {
	m := Sampler{newModel(t, config(4, 2))}
	const n = 4000
	var counts [16]float64
	z, index := make([]float32, 4*3), make([]int32, 4)
	for i := range n {
		m.Draw(z, rng.New(6), uint64(i), 1, model.Unconditional)
		m.Indices(index, z, 1)
		counts[index[0]+2*index[1]+4*index[2]+8*index[3]]++
	}
	var chi float64
	for g := range counts {
		for i := range index {
			index[i] = int32(g >> i & 1)
		}
		tape := autograd.NewInference(nil)
		want := n * math.Exp(-float64(autograd.CrossEntropy(m.Prior.Forward(tape, index, nil), index).F32()[0]))
		chi += (counts[g] - want) * (counts[g] - want) / want
	}
	if chi > 37.7 { // 15 degrees of freedom, one in a thousand
		t.Errorf("chi squared is %v", chi)
	}
}

// TestModelAgreesWithItself: codes are vectors of the codebook, decoding them repeats, and a score is a bound of the
// same reconstruction.
func TestModelAgreesWithItself(t *testing.T) {
	m := Sampler{newModel(t, config(8, 7))}
	const n = 70
	d, k := 64, 16*3
	x, z, y := make([]float32, n*d), make([]float32, n*k), make([]float32, n*d)
	rng.New(1).Uniform(x, 0, 0, rng.General)
	m.Encode(z, nil, x, n, nil)
	m.Decode(y, z, n, nil)
	one, oneY := make([]float32, k), make([]float32, d)
	for _, i := range []int{0, 63, 64, 69} {
		m.Encode(one, nil, x[i*d:(i+1)*d], 1, nil)
		m.Decode(oneY, one, 1, nil)
		for j, v := range oneY {
			if v != y[i*d+j] {
				t.Fatalf("picture %d alone differs from the batch", i)
			}
		}
	}
	s, err := m.Score(x[:d], 1, nil, 1, rng.New(1), 0)
	if err != nil {
		t.Fatal(err)
	}
	var rec float64
	for j, v := range x[:d] {
		rec += float64(v)*math.Log(float64(y[j])) + (1-float64(v))*math.Log(1-float64(y[j]))
	}
	if !(s.Values[0] < rec) || s.Values[0] < rec-16*math.Log(7)*2 {
		t.Errorf("score %v beside a reconstruction of %v", s.Values[0], rec)
	}
}

func TestPerplexity(t *testing.T) {
	if p := Perplexity([]float64{5, 5, 0, 5, 5}); math.Abs(p-4) > 1e-12 {
		t.Errorf("four vectors in equal use: %v", p)
	}
	if p := Perplexity([]float64{0, 9}); p != 1 {
		t.Errorf("one vector in use: %v", p)
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"codebook of 0":  func(c *Config) { c.Vectors = 0 },
		"vectors of 0":   func(c *Config) { c.Size = 0 },
		"mlp":            func(c *Config) { c.Kind = trunk.MLP },
		"prior of 0":     func(c *Config) { c.Prior = &PriorConfig{} },
		"no likelihood":  func(c *Config) { c.Likelihood.Kind = "" },
		"codebook of -1": func(c *Config) { c.Vectors = -1 },
	} {
		c := config(8, 4)
		change(&c)
		if _, err := NewModel(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, l := range []Learning{{Commitment: -1}, {Decay: 1}, {Revive: -1}, {Commitment: math.NaN()}} {
		if l.Validate() == nil {
			t.Errorf("%+v: no error", l)
		}
	}
}
