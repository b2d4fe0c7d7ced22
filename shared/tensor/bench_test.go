package tensor_test

import (
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// BenchmarkSmall shows what a call costs besides its arithmetic: 16 elements each.
func BenchmarkSmall(b *testing.B) {
	x, y, c := input(Float32, 1, 4, 4), fresh(Float32, 4, 4), input(Float32, 2, 4)
	rows := map[string]func(){
		"Add":     func() { Add(y, x, x) },
		"AddBias": func() { Add(y, x, c) },
		"SiLU":    func() { SiLU(y, x) },
		"Softmax": func() { Softmax(y, x) },
		"Permute": func() { Permute(y, x, 1, 0) },
		"MatMul":  func() { MatMul(y, x, x, false, false) },
	}
	for _, name := range sortedKeys(rows) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rows[name]()
			}
		})
	}
}

// BenchmarkPicture is one picture of a U-Net's first level, 64x64 of 64 channels.
func BenchmarkPicture(b *testing.B) {
	x, y, z := input(Float32, 1, 1, 64, 64, 64), fresh(Float32, 1, 64, 64, 64), input(Float32, 2, 1, 64, 64, 64)
	c, mean, rstd := input(Float32, 3, 64), fresh(Float32, 1, 8), fresh(Float32, 1, 8)
	dc, sum := fresh(Float32, 64), fresh(Float32, 64)
	nchw, half := fresh(Float32, 1, 64, 64, 64), fresh(Float32, 1, 32, 32, 64)
	all := fresh(Float32)
	rows := map[string]func(){
		"Add":           func() { Add(y, x, z) },
		"AddBias":       func() { Add(y, x, c) },
		"SiLU":          func() { SiLU(y, x) },
		"SiLUGrad":      func() { SiLUGrad(y, x, z) },
		"GroupNormSiLU": func() { GroupNormSiLU(y, mean, rstd, x, c, c, 8, 1e-5) },
		"GroupNormGrad": func() { GroupNormGrad(y, dc, sum, x, mean, rstd, c, z, 8) },
		"SumRows":       func() { Sum(sum, x, 0, 1, 2) },
		"SumAll":        func() { Sum(all, x) },
		"SumSquares":    func() { SumSquares(x) },
		"ToNCHW":        func() { Permute(nchw, x, 0, 3, 1, 2) },
		"SumPool2":      func() { SumPool2(half, x) },
		"Upsample":      func() { UpsampleNearest2(x, half) },
	}
	for _, name := range sortedKeys(rows) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(4 * x.Len()))
			for b.Loop() {
				rows[name]()
			}
		})
	}
}
