package quant

import (
	"fmt"
	"testing"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// BenchmarkQuant runs every case on one and on two threads and reports GF/s and GB/s of weights, at best.
func BenchmarkQuant(b *testing.B) {
	defer pool.SetThreads(0)
	for _, threads := range []int{1, 2} {
		for _, c := range Cases() {
			b.Run(fmt.Sprintf("t%d/%s", threads, c.Name), func(b *testing.B) {
				pool.SetThreads(threads)
				run := c.New()
				best := time.Duration(1 << 62)
				for b.Loop() {
					start := time.Now()
					run()
					best = min(best, time.Since(start))
				}
				b.ReportMetric(c.Flops/float64(best.Nanoseconds()), "GF/s")
				b.ReportMetric(c.Bytes/float64(best.Nanoseconds()), "GB/s")
			})
		}
	}
}

// BenchmarkQuantizeRows is the quantisation of a row of 4864 numbers.
func BenchmarkQuantizeRows(b *testing.B) {
	x, rows := normals(4864, 1), NewRows(1, 4864)
	b.SetBytes(4 * 4864)
	for b.Loop() {
		rows.Quantize(0, x)
	}
}
