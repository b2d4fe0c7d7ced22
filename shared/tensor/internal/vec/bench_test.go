package vec

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Sizes: all operands in the first-level cache, and far beyond the last level.
var benchSizes = []int{2048, 1 << 22}

// benchCases holds one row per function: bytes are those read and written per element.
var benchCases = []struct {
	name  string
	bytes int
	f     func(d, a, b, c []float32)
}{
	{"Add", 12, func(d, a, b, c []float32) { Zip(Add, d, a, b) }},
	{"Maximum", 12, func(d, a, b, c []float32) { Zip(Maximum, d, a, b) }},
	{"Div", 12, func(d, a, b, c []float32) { Zip(Div, d, a, b) }},
	{"Scale", 8, func(d, a, b, c []float32) { Scale(d, a, 1.5) }},
	{"AXPY", 12, func(d, a, b, c []float32) { AXPY(d, 1e-9, a) }},
	{"MulAdd", 16, func(d, a, b, c []float32) { MulAdd(d, a, b, c) }},
	{"ReLU", 8, func(d, a, b, c []float32) { Map(ReLU, d, a) }},
	{"Sqrt", 8, func(d, a, b, c []float32) { Map(Sqrt, d, b) }},
	{"Rsqrt", 8, func(d, a, b, c []float32) { Map(Rsqrt, d, b) }},
	{"Exp", 8, func(d, a, b, c []float32) { Map(Exp, d, a) }},
	{"Log", 8, func(d, a, b, c []float32) { Map(Log, d, b) }},
	{"Tanh", 8, func(d, a, b, c []float32) { Map(Tanh, d, a) }},
	{"Sigmoid", 8, func(d, a, b, c []float32) { Map(Sigmoid, d, a) }},
	{"SiLU", 8, func(d, a, b, c []float32) { Map(SiLU, d, a) }},
	{"SiLUGrad", 12, func(d, a, b, c []float32) { SiLUGrad(d, a, b) }},
	{"Softplus", 8, func(d, a, b, c []float32) { Map(Softplus, d, a) }},
	{"Erf", 8, func(d, a, b, c []float32) { Map(Erf, d, a) }},
	{"GELU", 8, func(d, a, b, c []float32) { Map(GELU, d, a) }},
	{"GELUTanh", 8, func(d, a, b, c []float32) { Map(GELUTanh, d, a) }},
	{"Sin", 8, func(d, a, b, c []float32) { Map(Sin, d, a) }},
	{"Sum", 4, func(d, a, b, c []float32) { Sum(a) }},
	{"Dot", 8, func(d, a, b, c []float32) { Dot(a, b) }},
	{"Max", 4, func(d, a, b, c []float32) { Max(a) }},
	{"SoftmaxRow", 8, func(d, a, b, c []float32) { SoftmaxRow(d, a) }},
	{"AffineSiLURows C=128", 8, func(d, a, b, c []float32) { AffineSiLURows(d, a, b[:128], c[:128]) }},
	{"AffineSiLURows C=32", 8, func(d, a, b, c []float32) { AffineSiLURows(d, a, b[:32], c[:32]) }},
	{"ColSums C=128", 4, func(d, a, b, c []float32) { ColSums(d[:128], a, len(a)/128, 128) }},
	{"ColSquareDevs C=128", 4, func(d, a, b, c []float32) { ColSquareDevs(d[:128], a, b, len(a)/128, 128) }},
	{"ColGradSums C=128", 8, func(d, a, b, c []float32) {
		ColGradSums(d[:128], d[128:256], a, b, c[:128], c[128:256], len(a)/128, 128)
	}},
	{"SumRows C=128", 4, func(d, a, b, c []float32) { SumRows(d[:128], a, len(a)/128, 128) }},
	{"LayerNormRow", 8, func(d, a, b, c []float32) { LayerNormRow(d, a, b, c, 1e-5) }},
	{"AdamW", 28, func(d, a, b, c []float32) {
		AdamW(d, a, c, b, nil, 0, AdamWArgs{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, BiasCorr1: 0.1, BiasCorr2: 0.1,
			GradScale: 1})
	}},
}

func Benchmark(b *testing.B) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, isa := range kernelNames() {
		for _, n := range benchSizes {
			if isa == "portable" && n > 1<<20 {
				continue
			}
			d, x, y, z := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			for i := range x {
				x[i] = float32(r.NormFloat64())
				y[i] = 0.5 + r.Float32()
				z[i] = 0.5 + r.Float32()
			}
			for _, c := range benchCases {
				b.Run(fmt.Sprintf("%s/%s/%d", isa, c.name, n), func(b *testing.B) {
					setKernels(b, isa)
					defer setKernels(b, "auto")
					for b.Loop() {
						c.f(d, x, y, z)
					}
					ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(n)
					b.ReportMetric(ns, "ns/elem")
					b.ReportMetric(float64(c.bytes)/ns, "GB/s")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}
