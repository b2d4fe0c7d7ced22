package gemm

import (
	"testing"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// BenchmarkKernels runs every case on one thread and reports GF/s and the share of the measured peak.
func BenchmarkKernels(b *testing.B) {
	pool.SetThreads(1)
	defer pool.SetThreads(0)
	peak := PeakFMA(cpu.Active())
	for _, m := range Cases() {
		b.Run(m.Name, func(b *testing.B) {
			c := m.New()
			best := time.Duration(1 << 62)
			for b.Loop() {
				start := time.Now()
				c.Run()
				best = min(best, time.Since(start))
			}
			rate := c.Flops / float64(best.Nanoseconds())
			b.ReportMetric(rate, "GF/s")
			b.ReportMetric(100*rate/max(peak, 1), "%peak")
		})
	}
}
