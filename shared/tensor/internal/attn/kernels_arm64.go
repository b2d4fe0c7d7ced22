package attn

import "github.com/manifold-gen/manifold/shared/tensor/internal/cpu"

// kernels says whether float32 rows are work for the assembly.
func kernels() bool { return cpu.Active() != cpu.Portable }

func kWeigh(p *float32, ld, rows, cols int, n *int, m, top, sum *float32) (left int) {
	return weighNEON(p, ld, rows, cols, n, m, top, sum)
}

func kWeighGrad(p, dp *float32, ld, rows, cols int, n *int, lse, d *float32) {
	weighGradNEON(p, dp, ld, rows, cols, n, lse, d)
}

func kScaleRows(dst, src *float32, ldd, lds, rows, cols int, s *float32, next int) {
	scaleRowsNEON(dst, src, ldd, lds, rows, cols, s, next)
}
