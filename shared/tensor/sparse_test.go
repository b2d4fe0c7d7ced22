package tensor_test

import (
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// TestSparseIsMatMul compares the bits of products that leave out zeros with those of whole ones, at many densities.
func TestSparseIsMatMul(t *testing.T) {
	for _, d := range []DType{Float32, Float64} {
		for _, threshold := range []float64{-9, 0, 0.5, 0.9, 2} {
			for form := range 4 {
				a, b, bias := input(d, 1, 31, 300), input(d, 2, 300, 90), input(d, 3, 90)
				AddScalar(a, a, -threshold)
				ReLU(a, a)
				if form&1 != 0 {
					a = a.Reshape(300, 31)
				}
				if form&2 != 0 {
					b = b.Reshape(90, 300)
				}
				ep := &Epilogue{Bias: bias, Act: ActSigmoid}
				want, got := fresh(d, 31, 90), fresh(d, 31, 90)
				MatMulEx(want, a, b, form&1 != 0, form&2 != 0, ep)
				MatMulSparse(got, a, b, form&1 != 0, form&2 != 0, ep)
				same(t, "MatMulSparse", got, want)
				if form&1 == 0 {
					MatMulSparsePacked(got, a, PackB(b, form&2 != 0), ep)
					same(t, "MatMulSparsePacked", got, want)
				}
			}
		}
	}
}
