package tensor_test

import (
	"fmt"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// lowCases are the products of bf16 and int8. They are of float32 alone, which the lines of float64 repeat.
func lowCases(add adder) {
	for _, s := range [][3]int{{1, 64, 40}, {7, 130, 33}, {33, 384, 50}} {
		m, k, n := s[0], s[1], s[2]
		label := fmt.Sprintf("%dx%dx%d", m, k, n)
		f := Float32
		forms := map[string]func(dst, a *Tensor, w *PackedLow, ep *Epilogue){"MatMulInt8": MatMulInt8, "MatMulBF16": MatMulBF16}
		packs := map[string]func(b *Tensor, transB bool) *PackedLow{"MatMulInt8": PackInt8, "MatMulBF16": PackBF16}
		for _, op := range sortedKeys(forms) {
			add(op, label, func(DType) []*Tensor {
				y, z := fresh(f, m, n), fresh(f, m, n)
				w := packs[op](input(f, 2, k, n), false)
				forms[op](y, input(f, 1, m, k), w, nil)
				forms[op](z, special(f, m*k).Reshape(m, k), w, &Epilogue{Bias: input(f, 3, n), Act: ActSiLU})
				return []*Tensor{y, z}
			})
		}
		add("MatMulNarrow", label, func(DType) []*Tensor {
			y := fresh(f, m, n)
			MatMulNarrow(y, input(f, 1, m, k), PackInt8(input(f, 2, k, n), false), nil,
				&LowThen{Gamma: input(f, 5, n), Beta: input(f, 6, n), Eps: 1e-5})
			return []*Tensor{y}
		})
		add("MatMulLow", label, func(DType) []*Tensor {
			var out []*Tensor
			for _, low := range []LowType{LowInt8, LowBF16} {
				var rows LowRows
				NarrowRows(&rows, input(f, 1, m, k), low)
				w := PackInt8(input(f, 2, k, n), false)
				if low == LowBF16 {
					w = PackBF16(input(f, 2, n, k), true)
				}
				y := fresh(f, m, n)
				var next LowRows
				MatMulLow(y, &rows, w, &Epilogue{Bias: input(f, 3, n), Act: ActGELU, Residual: input(f, 4, m, n)},
					&LowThen{Gamma: input(f, 5, n), Beta: input(f, 6, n), Eps: 1e-12, Out: &next})
				out = append(out, y, eye(&next, low))
			}
			return out
		})
	}
}
