package main

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
)

func exp2() {
	for _, s := range [][4]int{{8, 128, 48, 1}, {8, 256, 48, 1}, {8, 512, 48, 1}, {8, 1008, 48, 1}, {96, 256, 48, 1}, {96, 512, 48, 1}, {96, 1008, 48, 1}, {96, 1024, 48, 1}, {96, 496, 192, 1}, {96, 1008, 192, 1}, {96, 1008, 384, 1}, {96, 1008, 512, 1}, {192, 1008, 512, 1}, {1024, 1008, 512, 1}, {1024, 1008, 1008, 1}, {1024, 1024, 1008, 1}, {1024, 1008, 1024, 1}} {
		m, k, n := s[0], s[1], s[2]
		a, b, c := ramp(m*k), ramp(k*n), make([]float32, m*n)
		fl := 2 * float64(m) * float64(k) * float64(n) / 1e9
		pb := gemm.PackB(b, k, n, 0, false)
		p := gemm.Product{M: m, N: n, K: k}
		_, best := meas(func() { gemm.MatMulPacked(c, a, pb, p, nil) })
		fmt.Printf("%v %.1f  %.2f us\n", s, fl/best, best*1e6)
	}
}
