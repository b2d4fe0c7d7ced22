package rbm

import (
	"context"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// BenchmarkAIS is annealed importance sampling of a machine of 784 x 500 units with 100 chains.
func BenchmarkAIS(b *testing.B) {
	m := machine(Config{Pixels: 784, Hidden: 500}, 0.05, 1)
	m.Pack()
	b.ResetTimer()
	if _, err := m.Estimate(context.Background(), AIS{Temperatures: b.N, Chains: 100, Stream: rng.New(1)}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(10_000*b.Elapsed().Seconds()/float64(b.N), "s/10000")
}

// BenchmarkPseudoLikelihood is that of one picture of 784 pixels, all of them changed one by one.
func BenchmarkPseudoLikelihood(b *testing.B) {
	m := machine(Config{Pixels: 784, Hidden: 500}, 0.05, 1)
	v := tensor.New(tensor.Float32, 1, 784)
	a := tensor.NewArena()
	dst := make([]float64, 1)
	for b.Loop() {
		if err := m.PseudoLikelihood(dst, v, a); err != nil {
			b.Fatal(err)
		}
	}
}
