package depthwise

import "testing"

// BenchmarkKernels runs every case on the threads of the pool.
func BenchmarkKernels(b *testing.B) {
	for _, m := range Cases() {
		b.Run(m.Name, func(b *testing.B) {
			c := m.New()
			for b.Loop() {
				c.Run()
			}
			seconds := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(c.Flops/seconds/1e9, "GF/s")
			b.ReportMetric(c.Bytes/seconds/1e9, "GB/s")
		})
	}
}
