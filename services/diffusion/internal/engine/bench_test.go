package engine

import (
	"testing"

	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// nothing is a denoiser that takes no time, so that what is left of a tick is the engine's own.
type nothing struct{}

func (nothing) Denoise(dst, x, _ []float32, _ []int32) { copy(dst, x) }

// BenchmarkTick is the engine's own time for one picture and step at the size of MNIST, beside a forward pass of 64
// rows of its network, divided likewise.
func BenchmarkTick(b *testing.B) {
	u, err := unet.New(unet.MNIST())
	if err != nil {
		b.Fatal(err)
	}
	nn.Init(u, 1)
	m, err := NewModel("mnist@1", u)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("forward", func(b *testing.B) {
		const n = 64
		x, out := make([]float32, n*m.size()), make([]float32, n*m.size())
		times, class := make([]float32, n), make([]int32, n)
		for b.Loop() {
			m.Denoiser.Denoise(out, x, times, class)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "us/picture")
	})
	m.Denoiser = nothing{}
	for _, name := range []string{"ddim", "ddpm", "heun", "dpmpp_2m"} {
		b.Run(name, func(b *testing.B) {
			e, err := New(m, Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			evaluations := 0
			for b.Loop() {
				s := benchSampler(b, name)
				stream, err := e.Submit(b.Context(), Request{Classes: make([]int32, 64), Sampler: s, Guidance: 1})
				if err != nil {
					b.Fatal(err)
				}
				if o := read(b.Context(), stream); o.err != nil {
					b.Fatal(o.err)
				}
				evaluations += 64 * s.Evaluations()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(evaluations), "us/picture")
		})
	}
}
