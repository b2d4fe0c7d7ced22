package depthwise

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
)

// Cases lists a case of the forward convolution and of both gradients for shapes of MobileNet and ConvNeXt. Flops and
// bytes are those of one run, every operand once.
func Cases() []gemm.CaseMaker {
	var l []gemm.CaseMaker
	for _, s := range []struct{ n, size, channels, kernel, stride int }{
		{1, 112, 32, 3, 1}, {1, 56, 128, 3, 1}, {1, 56, 128, 3, 2}, {16, 28, 32, 3, 1}, {1, 14, 512, 3, 1},
		{1, 28, 144, 5, 1}, {1, 28, 192, 7, 1}, {1, 28, 64, 7, 2},
	} {
		p := s.kernel / 2
		c := gemm.Conv{
			N: s.n, H: s.size, W: s.size, Ci: s.channels, Co: s.channels, KH: s.kernel, KW: s.kernel,
			StrideH: s.stride, StrideW: s.stride, PadTop: p, PadBottom: p, PadLeft: p, PadRight: p,
		}
		name := fmt.Sprintf("%dx%d/s%d/n%d/%dx%dx%d", s.kernel, s.kernel, s.stride, s.n, s.size, s.size, s.channels)
		ho, wo := c.Out()
		operands := func() (x, w, y []float32) {
			return ramp(c.N * c.H * c.W * c.Ci), ramp(c.KH * c.KW * c.Co), ramp(c.N * ho * wo * c.Co)
		}
		add := func(kind string, run func(x, w, y []float32)) {
			name := "depthwise/" + kind + "/" + name
			l = append(l, gemm.CaseMaker{Name: name, New: func() gemm.Case {
				x, w, y := operands()
				return gemm.Case{
					Name: name, Flops: 2 * float64(len(y)) * float64(c.KH*c.KW), Bytes: 4 * float64(len(x)+len(w)+len(y)),
					Run: func() { run(x, w, y) },
				}
			}})
		}
		add("conv", func(x, w, y []float32) { Forward(y, x, w, c, nil) })
		add("dx", func(x, w, y []float32) { InputGrad(x, y, w, c) })
		add("dw", func(x, w, y []float32) { WeightGrad(w, x, y, c) })
	}
	return l
}

// ramp is n values without denormals, which would slow some processors down.
func ramp(n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(i%17-8) / 16
	}
	return s
}
