package tensor_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// productCases are matrix products and attention. Sizes reach over one block of the reduction
// and past the edges of panels and tiles.
func productCases() []numericsCase {
	var cs []numericsCase
	add := func(op, shape string, flops int, run func(d DType) []*Tensor) {
		cs = append(cs, numericsCase{op: op, shape: shape, large: flops > 2<<20, run: run})
	}
	for _, s := range [][3]int{{1, 300, 5}, {5, 3, 17}, {1, 512, 64}, {37, 257, 33}, {130, 600, 70}} {
		m, k, n := s[0], s[1], s[2]
		label, flops := fmt.Sprintf("%dx%dx%d", m, k, n), 2*m*k*n
		add("MatMul", label, flops, func(d DType) []*Tensor {
			var out []*Tensor
			for form := range 4 {
				a, b, y := input(d, 1, m, k), input(d, 2, k, n), fresh(d, m, n)
				if form&1 != 0 {
					a = a.Reshape(k, m)
				}
				if form&2 != 0 {
					b = b.Reshape(n, k)
				}
				MatMul(y, a, b, form&1 != 0, form&2 != 0)
				out = append(out, y)
			}
			return out
		})
		ep := func(d DType) *Epilogue {
			return &Epilogue{Bias: input(d, 3, n), Act: ActSiLU, Residual: input(d, 4, m, n)}
		}
		add("MatMulEx", label, flops, func(d DType) []*Tensor {
			y := fresh(d, m, n)
			MatMulEx(y, input(d, 1, m, k), input(d, 2, k, n), false, false, ep(d))
			return []*Tensor{y}
		})
		add("MatMulPacked", label, flops, func(d DType) []*Tensor {
			y := fresh(d, m, n)
			MatMulPacked(y, input(d, 1, m, k), PackB(input(d, 2, k, n), false), ep(d))
			return []*Tensor{y}
		})
	}
	for _, s := range [][3]int{{20, 300, 41}, {37, 257, 333}} {
		m, k, n := s[0], s[1], s[2]
		operands := func(d DType) (y, a, b *Tensor, ep *Epilogue) {
			a, b = input(d, 1, m, k), input(d, 2, k, n)
			ReLU(a, a)
			return fresh(d, m, n), a, b, &Epilogue{Bias: input(d, 3, n), Act: ActSigmoid}
		}
		add("MatMulSparse", fmt.Sprintf("%dx%dx%d", m, k, n), 2*m*k*n, func(d DType) []*Tensor {
			y, a, b, ep := operands(d)
			MatMulSparse(y, a, b, false, false, ep)
			return []*Tensor{y}
		})
		add("MatMulSparsePacked", fmt.Sprintf("%dx%dx%d", m, k, n), 2*m*k*n, func(d DType) []*Tensor {
			y, a, b, ep := operands(d)
			MatMulSparsePacked(y, a, PackB(b, false), ep)
			return []*Tensor{y}
		})
	}
	add("MatMul", "3x4x20x50x30", 0, func(d DType) []*Tensor {
		y := fresh(d, 3, 4, 20, 30)
		MatMul(y, input(d, 1, 3, 4, 20, 50), input(d, 2, 3, 4, 50, 30), false, false)
		return []*Tensor{y}
	})
	for _, s := range [][4]int{{1, 1, 1, 4}, {2, 17, 17, 24}, {2, 5, 19, 24}, {2, 64, 64, 64}} {
		b, t, n, c := s[0], s[1], s[2], s[3]
		add("Attention", fmt.Sprint(s), 4*b*t*n*c, func(d DType) []*Tensor {
			y := fresh(d, b, t, c)
			Attention(y, input(d, 1, b, t, c), input(d, 2, b, n, c), input(d, 3, b, n, c), 4, 0.37)
			return []*Tensor{y}
		})
	}
	return cs
}
