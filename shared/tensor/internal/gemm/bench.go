package gemm

import (
	"fmt"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// Case is one benchmarkable product or convolution.
type Case struct {
	Name  string
	Flops float64 // of one Run, two for every multiply-add
	Bytes float64 // of the operands and the result, once each
	Run   func()  // computes the case once with the kernels and threads in use
}

// Cases lists a case for every kind of product and convolution at sizes that models of this project use,
// largest work first within a kind. Operands are allocated when a case is made, by the call of New.
func Cases() []CaseMaker {
	var l []CaseMaker
	// M, K, N as tensors name them: squares, then the layers of small encoders and autoencoders. A packed operand is
	// weights packed once; the others are packed, where they are, within the call.
	for _, s := range [][3]int{
		{2048, 2048, 2048},
		{1024, 1024, 1024},
		{512, 512, 512},
		{256, 256, 256},
		{2048, 384, 1536},
		{2048, 1536, 384},
		{128, 784, 400},
		{64, 384, 1536},
		{64, 384, 384},
		{16, 384, 1536},
		{16, 1536, 384},
		{16, 384, 384},
		{8, 384, 384},
		{4, 384, 384},
		{1, 1024, 1024},
		{1, 384, 1536},
		{128, 400, 20},
	} {
		p := Product{M: s[0], K: s[1], N: s[2]}
		name := fmt.Sprintf("%dx%dx%d", p.M, p.K, p.N)
		if p.M == p.K && p.K == p.N {
			name = fmt.Sprint(p.M)
		}
		l = append(l, productCase("matmul/"+name, p, true), productCase("matmul/unpacked/"+name, p, false))
	}
	l = append(l,
		productCase("matmul/transA/1024", Product{M: 1024, N: 1024, K: 1024, TransA: true}, false),
		productCase("matmul/transB/1024", Product{M: 1024, N: 1024, K: 1024, TransB: true}, false),
		productCase("matmul/transA/784x128x400", Product{M: 784, N: 400, K: 128, TransA: true}, false),
		productCase("matmul/transB/128x400x784", Product{M: 128, N: 784, K: 400, TransB: true}, false),
		productCase("matmul/attention/49x64x49", Product{M: 49, N: 49, K: 64, TransB: true, Batch: 64,
			StrideA: 49 * 64, StrideB: 49 * 64, StrideC: 49 * 49}, false),
	)
	for _, s := range []struct{ n, size, channels int }{
		{16, 28, 32}, {16, 14, 64}, {16, 7, 128}, {128, 7, 128}, {1, 28, 32}, {1, 14, 64}, {1, 7, 128}, {16, 28, 16},
		{1, 32, 128}, {1, 16, 256},
	} {
		pad := Conv{N: s.n, H: s.size, W: s.size, Ci: s.channels, Co: s.channels, KH: 3, KW: 3, PadTop: 1, PadBottom: 1,
			PadLeft: 1, PadRight: 1}
		l = append(l, convCases(fmt.Sprintf("3x3/n%d/%dx%dx%d", s.n, s.size, s.size, s.channels), pad)...)
	}
	l = append(l, convCases("3x3/s2/n16/28x28x32", Conv{N: 16, H: 28, W: 28, Ci: 32, Co: 64, KH: 3, KW: 3, StrideH: 2,
		StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1})...)
	l = append(l, convCases("3x3/n16/28x28x1-32", Conv{N: 16, H: 28, W: 28, Ci: 1, Co: 32, KH: 3, KW: 3, PadTop: 1,
		PadBottom: 1, PadLeft: 1, PadRight: 1})...)
	l = append(l, convCases("3x3/n16/28x28x32-1", Conv{N: 16, H: 28, W: 28, Ci: 32, Co: 1, KH: 3, KW: 3, PadTop: 1,
		PadBottom: 1, PadLeft: 1, PadRight: 1})...)
	l = append(l, convCases("1x1/n16/14x14x128-64", Conv{N: 16, H: 14, W: 14, Ci: 128, Co: 64, KH: 1, KW: 1})...)
	l = append(l, convCases("4x4/s2/n16/16x16x64", Conv{N: 16, H: 16, W: 16, Ci: 64, Co: 64, KH: 4, KW: 4, StrideH: 2,
		StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1})...)
	return l
}

// CaseMaker names a case and makes its operands only when it is wanted.
type CaseMaker struct {
	Name string
	New  func() Case
}

func productCase(name string, p Product, packed bool) CaseMaker {
	return CaseMaker{Name: name, New: func() Case {
		batch := max(p.Batch, 1)
		a, b, c := ramp(batch*p.M*p.K), ramp(batch*p.K*p.N), make([]float32, batch*p.M*p.N)
		k := Case{
			Name: name, Flops: 2 * float64(batch) * float64(p.M) * float64(p.N) * float64(p.K),
			Bytes: 4 * float64(len(a)+len(b)+len(c)),
		}
		if packed {
			pb := PackB(b, p.K, p.N, 0, p.TransB)
			k.Run = func() { MatMulPacked(c, a, pb, p, nil) }
		} else {
			k.Run = func() { MatMul(c, a, b, p, nil) }
		}
		return k
	}}
}

// convCases are the forward convolution and both gradients of a shape.
func convCases(name string, c Conv) []CaseMaker {
	ho, wo := c.Out()
	operands := func() (x, w, y []float32) {
		return ramp(c.N * c.H * c.W * c.Ci), ramp(c.KH * c.KW * c.Ci * c.Co), ramp(c.N * ho * wo * c.Co)
	}
	return []CaseMaker{
		{Name: "conv/" + name, New: func() Case {
			x, w, y := operands()
			return Case{Name: "conv/" + name, Flops: c.Flops(), Run: func() { Conv2D(y, x, w, c, nil) }}
		}},
		{Name: "dx/" + name, New: func() Case {
			x, w, y := operands()
			return Case{Name: "dx/" + name, Flops: c.Flops(), Run: func() { InputGrad(x, y, w, c, nil) }}
		}},
		{Name: "dw/" + name, New: func() Case {
			x, w, y := operands()
			return Case{Name: "dw/" + name, Flops: c.Flops(), Run: func() { WeightGrad(w, x, y, c) }}
		}},
	}
}

// ramp is n values without denormals, which would slow some processors down.
func ramp(n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(i%17-8) / 16
	}
	return s
}

// PeakFMA measures the float32 multiply-adds on registers alone that one thread reaches with an
// instruction set, in GF/s (two operations for every multiply-add): the best of several short runs. It
// returns 0 for sets without assembly.
func PeakFMA(isa cpu.ISA) float64 {
	f, lanes := peakLoop(isa)
	if f == nil {
		return 0
	}
	const rounds = 1 << 18
	best := 0.0
	for range 8 {
		start := time.Now()
		f(rounds)
		flops := float64(rounds) * peakChains * float64(lanes) * 2
		best = max(best, flops/float64(time.Since(start).Nanoseconds()))
	}
	return best
}

// peakChains is the number of multiply-adds of a whole register in one round of a peak loop.
const peakChains = 12
