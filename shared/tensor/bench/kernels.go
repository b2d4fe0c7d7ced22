package bench

import (
	"github.com/manifold-gen/manifold/shared/tensor/internal/attn"
	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/depthwise"
	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/lowp"
	"github.com/manifold-gen/manifold/shared/tensor/internal/quant"
)

// kernel is a case of any family with the peak that it is held against.
type kernel struct {
	name string
	peak func() float64 // of one thread, in GF/s; 0 if there is no instruction for it
	make func() gemm.Case
	// The least time of a pass over memory in seconds, measured; nil for those with arithmetic to hold against.
	floor func() float64
}

// kernels lists the cases of all families.
func kernels() []kernel {
	var l []kernel
	for _, c := range append(gemm.Cases(), depthwise.Cases()...) {
		l = append(l, kernel{name: c.Name, peak: Peak, make: c.New})
	}
	for _, c := range lowp.Cases() {
		l = append(l, kernel{
			name: c.Name, peak: func() float64 { return lowp.Peak(c.Format) },
			make: func() gemm.Case {
				k := c.New()
				return gemm.Case{Name: k.Name, Flops: k.Ops, Bytes: k.Bytes, Run: k.Run}
			},
		})
	}
	for _, c := range quant.Cases() {
		l = append(l, kernel{
			name: c.Name, peak: func() float64 { return lowp.Peak(lowp.Int8) },
			make: func() gemm.Case {
				return gemm.Case{Name: c.Name, Flops: c.Flops, Bytes: c.Bytes, Run: c.New()}
			},
		})
	}
	for _, c := range attn.Cases() {
		l = append(l, kernel{name: "attention/" + c.Name, peak: Peak, make: func() gemm.Case {
			return gemm.Case{Name: "attention/" + c.Name, Flops: c.Flops, Bytes: c.Bytes, Run: c.New()}
		}})
	}
	return append(l, passKernels()...)
}

// Peak measures the multiply-adds of float32 on registers alone that one thread reaches with the kernels in use, in
// GF/s.
func Peak() float64 { return gemm.PeakFMA(cpu.Active()) }
