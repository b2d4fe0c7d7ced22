package attn

import "testing"

// BenchmarkAttention gives arithmetic and traffic of every shape.
func BenchmarkAttention(b *testing.B) {
	for _, c := range Cases() {
		b.Run(c.Name, func(b *testing.B) {
			run := c.New()
			run()
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				run()
			}
			s := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(c.Flops/s/1e9, "GF/s")
			b.ReportMetric(c.Bytes/s/1e9, "GB/s")
		})
	}
}
