package sample

import (
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

func nats(p ...float64) []float64 {
	l := make([]float64, len(p))
	for i, v := range p {
		l[i] = math.Log(v)
	}
	return l
}

// share draws many tokens and gives the share of each.
func share(t *testing.T, cfg Config, l []float64) []float64 {
	t.Helper()
	const n = 200_000
	s := New(cfg, nil)
	u := make([]float64, n)
	rng.New(7).Uniform64(u, 0, 0, rng.Choice)
	got := make([]float64, len(l))
	for _, v := range u {
		got[s.Choose(l, v)] += 1.0 / n
	}
	return got
}

func near(t *testing.T, got, want []float64) {
	t.Helper()
	for i := range want {
		if math.Abs(got[i]-want[i]) > 0.006 || want[i] == 0 && got[i] != 0 {
			t.Errorf("shares %v, want %v", got, want)
			return
		}
	}
}

func TestSharesOfDraws(t *testing.T) {
	p := []float64{0.1, 0.4, 0, 0.2, 0.3}
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   []float64
	}{
		{"plain", func(*Config) {}, p},
		{"temperature", func(c *Config) { c.Temperature = 0.5 }, []float64{1. / 30, 16. / 30, 0, 4. / 30, 9. / 30}},
		{"top-k", func(c *Config) { c.TopK = 2 }, []float64{0, 4. / 7, 0, 0, 3. / 7}},
		{"top-p keeps the one that crosses", func(c *Config) { c.TopP = 0.5 }, []float64{0, 4. / 7, 0, 0, 3. / 7}},
		{"top-p of the k best", func(c *Config) { c.TopK, c.TopP = 2, 0.57 }, []float64{0, 1, 0, 0, 0}},
		{"min-p", func(c *Config) { c.MinP = 0.5 }, []float64{0, 4. / 9, 0, 2. / 9, 3. / 9}},
		{"min-p of 1", func(c *Config) { c.MinP = 1 }, []float64{0, 1, 0, 0, 0}},
		{"greedy", func(c *Config) { c.Temperature = 0 }, []float64{0, 1, 0, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Plain()
			c.change(&cfg)
			near(t, share(t, cfg, nats(p...)), c.want)
		})
	}
}

func TestPenalties(t *testing.T) {
	l := nats(0.5, 0.5)
	cfg := Plain()
	cfg.Temperature, cfg.Presence, cfg.Frequency = 1, 1, 0.5
	s := New(cfg, []int32{0}) // of a prompt: no presence
	if got := s.penalise(l); !slices.Equal(got, l) {
		t.Errorf("the prompt alone changed %v to %v", l, got)
	}
	s.Note(1)
	s.Note(1)
	if got := s.penalise(l); got[0] != l[0] || math.Abs(got[1]-(l[1]-2)) > 1e-15 {
		t.Errorf("after two tokens %v, want the second 2 nats down from %v", got, l)
	}
	cfg = Plain()
	cfg.Repetition = 2
	if got := New(cfg, []int32{1}).penalise(l); got[0] != l[0] || got[1] != 2*l[1] {
		t.Errorf("with a repetition penalty %v of %v", got, l)
	}
}

func TestNothingIsPossible(t *testing.T) {
	l := []float64{math.Inf(-1), math.Inf(-1)}
	if got := New(Plain(), nil).Choose(l, 0.5); got != -1 {
		t.Errorf("chose %d", got)
	}
}

func TestBest(t *testing.T) {
	l := nats(0.1, 0.3, 0, 0.3, 0.2)
	for n, want := range [][]int32{nil, {1}, {1, 3}, {1, 3, 4}, {1, 3, 4, 0}, {1, 3, 4, 0}} {
		if got := Best(l, n); !slices.Equal(got, want) {
			t.Errorf("best %d: %v, want %v", n, got, want)
		}
	}
}

// TestHeapEqualsSort checks truncation beside a plain sort.
func TestHeapEqualsSort(t *testing.T) {
	u := make([]float64, 500)
	for round := range uint64(50) {
		rng.New(round).Uniform64(u, 0, 0, rng.General)
		l := make([]float64, len(u))
		for i, v := range u {
			l[i] = math.Log(math.Round(v*50)+1) / 2 // many are equal
		}
		cfg := Plain()
		cfg.TopK = 1 + int(round)*10
		s := New(cfg, nil)
		s.Choose(l, 0)
		want := Best(l, cfg.TopK)
		for i, c := range s.kept {
			if c.token != want[i] {
				t.Fatalf("round %d: place %d holds %d, want %d", round, i, c.token, want[i])
			}
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	u := make([]float64, 30_000)
	rng.New(1).Uniform64(u, 0, 0, rng.General)
	for i, v := range u {
		u[i] = 10 * math.Log(v+1e-9)
	}
	for _, c := range []struct {
		name string
		cfg  Config
	}{{"plain", Plain()}, {"top-k", Config{Temperature: 1, TopK: 40, TopP: 1, Repetition: 1}},
		{"top-p", Config{Temperature: 1, TopP: 0.9, Repetition: 1}}} {
		b.Run(c.name, func(b *testing.B) {
			s := New(c.cfg, nil)
			for b.Loop() {
				s.Choose(u, 0.5)
			}
		})
	}
}
