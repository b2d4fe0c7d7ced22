package diffusion_test

import (
	"os"
	"testing"

	"github.com/manifold-gen/manifold/services/diffusion"
)

// BenchmarkTrain measures steps of the recipes that are there to be measured.
func BenchmarkTrain(b *testing.B) {
	for _, name := range []string{"unet-28-b16", "unet-28-b64"} {
		b.Run(name, func(b *testing.B) {
			text, err := os.ReadFile("recipes/bench/" + name + ".yaml")
			if err != nil {
				b.Fatal(err)
			}
			r, err := diffusion.BenchTrain(b.Context(), text, diffusion.TrainDeps{Runs: b.TempDir()}, b.N)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(1e9/r.StepsPerSecond, "ns/op")
			b.ReportMetric(r.StepsPerSecond, "steps/s")
			b.ReportMetric(r.GFs, "GF/s")
		})
	}
}
