package lowp

import (
	"fmt"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// BenchmarkProduct reports GOP/s, the share of the peak of all threads, and GB/s of operands and result.
func BenchmarkProduct(b *testing.B) {
	for _, m := range Cases() {
		b.Run(m.Name, func(b *testing.B) {
			c := m.New()
			c.Run()
			for b.Loop() {
				c.Run()
			}
			ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.ReportMetric(c.Ops/ns, "GOP/s")
			b.ReportMetric(c.Bytes/ns, "GB/s")
			if peak := Peak(m.Format) * float64(pool.Threads()); peak > 0 {
				b.ReportMetric(100*c.Ops/ns/peak, "%peak")
			}
		})
	}
}

// BenchmarkRows measures the narrowing of rows.
func BenchmarkRows(b *testing.B) {
	for _, f := range []Format{Int8, BF16} {
		for _, s := range [][2]int{{16, 384}, {16, 1536}, {1024, 1024}} {
			b.Run(fmt.Sprintf("%s/%dx%d", f, s[0], s[1]), func(b *testing.B) {
				x := ramp(s[0] * s[1])
				var rows Rows
				for b.Loop() {
					rows.From(f, x, s[0], s[1])
				}
				b.ReportMetric(4*float64(len(x))/(float64(b.Elapsed().Nanoseconds())/float64(b.N)), "GB/s")
			})
		}
	}
}
