package hmm

import (
	"fmt"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// The sizes are those of tools/reference/bench_hmm.py.
func sizes(b *testing.B, f func(b *testing.B, m *Model, q Sequence)) {
	for _, s := range []struct {
		kind string
		n    int
	}{{"categorical", 4}, {"categorical", 16}, {"categorical", 64}, {"gaussian", 8}} {
		const steps = 10_000
		d := &draws{s: rng.New(3), sample: uint64(s.n)}
		ones := func(n int) []float64 {
			l := make([]float64, n)
			for i := range l {
				l[i] = 1
			}
			return l
		}
		var e Emission
		var q Sequence
		var err error
		if s.kind == "categorical" {
			p := ones(s.n * 50)
			d.scatter(p, 50)
			e, err = NewCategorical(s.n, p)
			q.Symbols = make([]int32, steps)
			for i := range q.Symbols {
				q.Symbols[i] = int32(d.uniform() * 50)
			}
		} else {
			means := make([]float64, s.n*4)
			for i := range means {
				means[i] = 2*d.uniform() - 1
			}
			e, err = NewGaussian(s.n, 1, 4, nil, means, ones(s.n*4), false)
			q.Values = make([]float64, 4*steps)
			rng.New(4).Normal64(q.Values, 0, 0, rng.General)
		}
		if err != nil {
			b.Fatal(err)
		}
		start, trans := ones(s.n), ones(s.n*s.n)
		d.scatter(start, s.n)
		d.scatter(trans, s.n)
		m, err := New(nil, start, trans, e)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(s.kind, s.n), func(b *testing.B) { f(b, m, q) })
	}
}

func BenchmarkPosterior(b *testing.B) {
	sizes(b, func(b *testing.B, m *Model, q Sequence) {
		for b.Loop() {
			if _, _, err := m.Posterior(q); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkViterbi(b *testing.B) {
	sizes(b, func(b *testing.B, m *Model, q Sequence) {
		for b.Loop() {
			if _, _, err := m.Viterbi(q); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkStep(b *testing.B) {
	sizes(b, func(b *testing.B, m *Model, q Sequence) {
		cfg := &Config{}
		for b.Loop() {
			s, err := m.all(b.Context(), []Sequence{q})
			if err == nil {
				_, err = m.next(s, cfg)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSample(b *testing.B) {
	sizes(b, func(b *testing.B, m *Model, _ Sequence) {
		s := m.Sampler()
		for b.Loop() {
			if _, _, err := s.Draw(rng.New(1), 0, 10_000); err != nil {
				b.Fatal(err)
			}
		}
	})
}
