package vae

import (
	"fmt"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

var (
	_ model.Encoder   = (*Model)(nil)
	_ model.Decoder   = (*Model)(nil)
	_ model.Prior     = (*Model)(nil)
	_ model.Scorer    = (*Model)(nil)
	_ model.Hidden    = (*Model)(nil)
	_ model.Bernoulli = (*Model)(nil)
)

func newModel(t *testing.T, kind string, classes int) *Model {
	t.Helper()
	m, err := NewModel(Config{
		Config: trunk.Config{
			Height: 6, Width: 6, Channels: 1, Kind: kind, Hidden: []int{16, 8}, Activation: "silu", Classes: classes,
		},
		Likelihood: likelihood.Config{Kind: likelihood.Bernoulli}, Latent: 3,
		Second: &SecondConfig{Hidden: []int{8}, Activation: "relu"},
	})
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(m, 5)
	return m
}

// answers are the bits of everything that the model says about n pictures, picture by picture.
func answers(t *testing.T, m *Model, n int, at func(i int) (x []float32, class int32)) []string {
	t.Helper()
	d, k := m.First.cfg.Pixels(), m.First.cfg.Latent
	x, class := make([]float32, 0, n*d), make([]int32, n)
	for i := range n {
		p, c := at(i)
		x = append(x, p...)
		class[i] = c
	}
	if m.First.cfg.Classes == 0 {
		class = nil
	}
	mean, variance, y, z := make([]float32, n*k), make([]float32, n*k), make([]float32, n*d), make([]float32, n*k)
	m.Encode(mean, variance, x, n, class)
	m.Decode(y, mean, n, class)
	score, err := m.Score(x, n, class, 150, rng.New(4), 0)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, n)
	for i := range n {
		c := int32(model.Unconditional)
		if class != nil {
			c = class[i]
		}
		m.Draw(z[i*k:(i+1)*k], rng.New(9), uint64(i), 0.7, c)
		out[i] = fmt.Sprintf("%x %x %x %x %x", mean[i*k:(i+1)*k], variance[i*k:(i+1)*k], y[i*d:(i+1)*d], z[i*k:(i+1)*k],
			score.Values[i])
	}
	return out
}

// TestSameBits: neither the batch nor the threads nor the kernels change what the model says about a picture.
func TestSameBits(t *testing.T) {
	threads, kernels := tensor.Threads(), tensor.Kernels()
	defer func() {
		tensor.SetThreads(threads)
		if err := tensor.SetKernels(kernels); err != nil {
			t.Fatal(err)
		}
	}()
	for _, kind := range []string{trunk.MLP, trunk.Conv} {
		for _, classes := range []int{0, 3} {
			var want []string
			for _, k := range tensor.AvailableKernels() {
				if err := tensor.SetKernels(k); err != nil {
					t.Fatal(err)
				}
				for _, n := range []int{1, 2, 8} {
					tensor.SetThreads(n)
					for _, batch := range []int{32, 7, 2} {
						m := newModel(t, kind, classes)
						got := answers(t, m, batch, func(i int) ([]float32, int32) {
							x := make([]float32, m.First.cfg.Pixels())
							rng.New(2).Uniform(x, uint64(i), 0, rng.General)
							return x, int32(i % 3)
						})
						if want == nil {
							want = got
						}
						for i, g := range got {
							if g != want[i] {
								t.Fatalf("%s, %d classes, %s, %d threads, batch %d: picture %d\n%s\n%s", kind, classes, k, n, batch, i, g,
									want[i])
							}
						}
						if k == "portable" && n != 2 {
							break // slow
						}
					}
				}
			}
		}
	}
}

// TestDrawFollowsTheSecondStage compares the moments of drawn codes with those of the second stage's distribution.
func TestDrawFollowsTheSecondStage(t *testing.T) {
	m := newModel(t, trunk.MLP, 0)
	for _, p := range nn.Params(m.Second.Decoder) {
		p.Zero()
		p.Changed()
	}
	copy(m.Second.Decoder.Dense[1].Bias.F32(), []float32{1, -2, 3})
	m.Second.Likelihood.LogScale.F32()[0] = float32(math.Log(0.5))
	const n = 4000
	z := make([]float32, 3)
	var sum, square [3]float64
	for i := range n {
		m.Draw(z, rng.New(1), uint64(i), 1, model.Unconditional)
		for k, v := range z {
			sum[k] += float64(v)
			square[k] += float64(v) * float64(v)
		}
	}
	for k, want := range []float64{1, -2, 3} {
		mean := sum[k] / n
		if sd := math.Sqrt(square[k]/n - mean*mean); math.Abs(mean-want) > 0.04 || math.Abs(sd-0.5) > 0.03 {
			t.Errorf("number %d: %v +- %v, want %v +- 0.5", k, mean, sd, want)
		}
	}
	m.Draw(z, rng.New(1), 0, 0, model.Unconditional)
	if z[0] != 1 || z[1] != -2 || z[2] != 3 {
		t.Errorf("at temperature 0: %v", z)
	}
}

func TestConfigRefuses(t *testing.T) {
	good := newModel(t, trunk.Conv, 0).First.cfg
	for name, change := range map[string]func(c *Config){
		"latent of 0":       func(c *Config) { c.Latent = 0 },
		"no likelihood":     func(c *Config) { c.Likelihood.Kind = "" },
		"negative variance": func(c *Config) { c.Likelihood = likelihood.Config{Kind: "gaussian", Variance: -1} },
		"NaN variance":      func(c *Config) { c.Likelihood = likelihood.Config{Kind: "gaussian", Variance: math.NaN()} },
		"hidden of 0":       func(c *Config) { c.Hidden = []int{0} },
		"too many halvings": func(c *Config) { c.Hidden = []int{4, 4, 4, 4} },
		"network":           func(c *Config) { c.Kind = "rnn" },
		"activation":        func(c *Config) { c.Activation = "step" },
		"huge":              func(c *Config) { c.Height, c.Width = 1<<19, 1<<19 },
		"second stage":      func(c *Config) { c.Second = &SecondConfig{Hidden: []int{-1}, Activation: "relu"} },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
