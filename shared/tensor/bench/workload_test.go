package bench

import (
	"testing"
)

// BenchmarkWorkload runs every network; units are given per second.
func BenchmarkWorkload(b *testing.B) {
	for _, w := range Workloads() {
		b.Run(w.Name, func(b *testing.B) {
			run := w.New()
			run()
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				run()
			}
			s := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(w.Items/s, w.Unit+"/s")
			b.ReportMetric(w.Flops/s/1e9, "GF/s")
		})
	}
}
