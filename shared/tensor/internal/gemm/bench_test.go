package gemm

import (
	"fmt"
	"testing"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// BenchmarkKernels runs every case on one and on two threads, and reports the best GF/s and its share of
// the measured peak of one thread times the number of threads.
func BenchmarkKernels(b *testing.B) {
	defer pool.SetThreads(0)
	peak := PeakFMA(cpu.Active())
	for _, threads := range []int{1, 2} {
		for _, m := range Cases() {
			b.Run(fmt.Sprintf("t%d/%s", threads, m.Name), func(b *testing.B) {
				pool.SetThreads(threads)
				c := m.New()
				best := time.Duration(1 << 62)
				for b.Loop() {
					start := time.Now()
					c.Run()
					best = min(best, time.Since(start))
				}
				rate := c.Flops / float64(best.Nanoseconds())
				b.ReportMetric(rate, "GF/s")
				b.ReportMetric(100*rate/max(peak*float64(threads), 1), "%peak")
			})
		}
	}
}
