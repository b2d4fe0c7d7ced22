package vae

import (
	"fmt"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// benchModel is the network of recipes/vae-mnist.yaml. tools/reference/bench_vae.py measures the same beside its peers.
func benchModel(b *testing.B) *Model {
	b.Helper()
	m, err := NewModel(Config{
		Config: trunk.Config{
			Height: 28, Width: 28, Channels: 1, Kind: trunk.Conv, Hidden: []int{32, 64}, Activation: "silu",
		},
		Likelihood: likelihood.Config{Kind: likelihood.Bernoulli}, Latent: 16,
	})
	if err != nil {
		b.Fatal(err)
	}
	nn.Init(m, 1)
	nn.Pack(m)
	return m
}

func benchRows(b *testing.B, pass func(m *Model, n int, x, mean, variance []float32)) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := benchModel(b)
			x, mean, variance := make([]float32, n*784), make([]float32, n*16), make([]float32, n*16)
			rng.New(1).Uniform(x, 0, 0, rng.General)
			rng.New(1).Normal(mean, 0, 0, rng.General)
			pass(m, n, x, mean, variance)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				pass(m, n, x, mean, variance)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "pictures/s")
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	benchRows(b, func(m *Model, n int, x, mean, variance []float32) { m.Encode(mean, variance, x, n, nil) })
}

func BenchmarkDecode(b *testing.B) {
	benchRows(b, func(m *Model, n int, x, mean, _ []float32) { m.Decode(x, mean, n, nil) })
}
