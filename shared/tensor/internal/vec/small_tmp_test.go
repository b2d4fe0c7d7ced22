package vec

import (
	"fmt"
	"testing"
)

func BenchmarkSmall(b *testing.B) {
	for _, n := range []int{16, 49, 64, 256} {
		x, y, z, w := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range x {
			x[i] = float32(i%7) - 3
		}
		for _, c := range []struct {
			s string
			f func()
		}{
			{"Add", func() { Zip(Add, y, x, z) }},
			{"Exp", func() { Map(Exp, y, x) }},
			{"Sum", func() { Sum(x) }},
			{"Max", func() { Max(x) }},
			{"Softmax", func() { SoftmaxRow(y, x) }},
			{"SoftmaxGrad", func() { SoftmaxGradRow(y, x, z) }},
			{"LayerNorm", func() { LayerNormRow(y, x, z, w, 1e-5) }},
		} {
			b.Run(fmt.Sprint(c.s, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					c.f()
				}
			})
		}
	}
}
