package tensor_test

import (
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// A bias [B, N] adds its row to each item of a batch, as Add with the bias as [B, 1, N] does.
func TestBiasOfEachItem(t *testing.T) {
	for _, d := range []DType{Float32, Float64} {
		for _, shape := range [][]int{{2, 7, 9, 32, 48}, {3, 5, 5, 8, 5}, {2, 16, 16, 64, 160}} {
			n, h, w, ci, co := shape[0], shape[1], shape[2], shape[3], shape[4]
			x, k, bias := input(d, 1, n, h, w, ci), input(d, 2, 3, 3, ci, co), input(d, 3, n, co)
			z := input(d, 4, n, h, w, co)
			got, want := fresh(d, n, h, w, co), fresh(d, n, h, w, co)
			Conv2DEx(got, x, k, Same(3), &Epilogue{Bias: bias, Act: ActSiLU, Residual: z})
			Conv2D(want, x, k, Same(3))
			Add(want, want, bias.Reshape(n, 1, 1, co))
			SiLU(want, want)
			Add(want, want, z)
			same(t, "Conv2DEx", got, want)
			y, m := x.Reshape(n, h*w, ci), k.Reshape(9*ci, co)
			got, want = fresh(d, n, h*w, co), fresh(d, n, h*w, co)
			MatMulPacked(got, y, PackB(firstRows(d, m, ci), false), &Epilogue{Bias: bias})
			MatMul(want, y, firstRows(d, m, ci), false, false)
			Add(want, want, bias.Reshape(n, 1, co))
			same(t, "MatMulPacked", got, want)
		}
	}
}

// firstRows is the first n rows of m.
func firstRows(d DType, m *Tensor, n int) *Tensor {
	y := fresh(d, n, m.Dim(1))
	Slice(y, m, 0, 0)
	return y
}
