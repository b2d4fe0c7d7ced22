package attn

import "github.com/manifold-gen/manifold/shared/tensor/internal/cpu"

//go:generate go run -C ../../../../tools/asm/attn . ../../../shared/tensor/internal/attn
//go:generate gofmt -w .

// kernels says whether float32 rows are work for the assembly.
func kernels() bool { return cpu.Active() != cpu.Portable }

func wide() bool { return cpu.Active() == cpu.AVX512 }

func kWeigh(p *float32, ld, rows, cols int, n *int, m, top, sum *float32) (left int) {
	if wide() {
		return weighAVX512(p, ld, rows, cols, n, m, top, sum)
	}
	return weighAVX2(p, ld, rows, cols, n, m, top, sum)
}

func kWeighGrad(p, dp *float32, ld, rows, cols int, n *int, lse, d *float32) {
	if wide() {
		weighGradAVX512(p, dp, ld, rows, cols, n, lse, d)
		return
	}
	weighGradAVX2(p, dp, ld, rows, cols, n, lse, d)
}

func kScaleRows(dst, src *float32, ldd, lds, rows, cols int, s *float32, next int) {
	if wide() {
		scaleRowsAVX512(dst, src, ldd, lds, rows, cols, s, next)
		return
	}
	scaleRowsAVX2(dst, src, ldd, lds, rows, cols, s, next)
}
