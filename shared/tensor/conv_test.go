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

// The operations on two operands equal those on their concatenation.
func TestConcatOfChannels(t *testing.T) {
	defer restore(t)()
	for _, threads := range []int{1, 3} {
		SetThreads(threads)
		for _, d := range []DType{Float32, Float64} {
			for _, s := range []struct{ n, h, w, ca, cb, co, k, groups int }{
				{2, 5, 7, 16, 8, 20, 1, 6}, {1, 16, 16, 256, 128, 32, 1, 32}, {2, 8, 9, 32, 16, 16, 3, 4},
				{3, 3, 5, 16, 5, 4, 3, 1},
			} {
				a, b := input(d, 1, s.n, s.h, s.w, s.ca), input(d, 2, s.n, s.h, s.w, s.cb)
				c := s.ca + s.cb
				both := fresh(d, s.n, s.h, s.w, c)
				Concat(both, 3, a, b)
				w, bias := PackConv(input(d, 3, s.k, s.k, c, s.co)), input(d, 4, s.co)
				got, want := fresh(d, s.n, s.h, s.w, s.co), fresh(d, s.n, s.h, s.w, s.co)
				Conv2DConcatPacked(got, a, b, w, Same(s.k), &Epilogue{Bias: bias})
				Conv2DPacked(want, both, w, Same(s.k), &Epilogue{Bias: bias})
				same(t, "Conv2DConcatPacked", got, want)

				y, z := fresh(d, s.n, s.h, s.w, c), fresh(d, s.n, s.h, s.w, c)
				m, r, m2, r2 := fresh(d, s.n, s.groups), fresh(d, s.n, s.groups), fresh(d, s.n, s.groups), fresh(d, s.n, s.groups)
				gamma, beta := input(d, 5, c), input(d, 6, c)
				GroupNormSiLUConcat(y, m, r, a, b, gamma, beta, s.groups, 1e-6)
				GroupNormSiLU(z, m2, r2, both, gamma, beta, s.groups, 1e-6)
				same(t, "GroupNormSiLUConcat", y, z)
				same(t, "mean", m, m2)
				same(t, "rstd", r, r2)
				steady := func() {
					Conv2DConcatPacked(got, a, b, w, Same(s.k), nil)
					GroupNormSiLUConcat(y, m, r, a, b, gamma, beta, s.groups, 1e-6)
				}
				if n := testing.AllocsPerRun(30, steady); n != 0 {
					t.Errorf("%+v: %g allocations", s, n)
				}
			}
		}
	}
}

// The transposed convolution equals the input gradient followed by single operations.
func TestConvTranspose(t *testing.T) {
	for _, d := range []DType{Float32, Float64} {
		for _, s := range []struct {
			n, h, w, ci, co, k int
			spec               ConvSpec
		}{
			{2, 4, 5, 24, 20, 4, ConvSpec{StrideH: 2, StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}},
			{1, 8, 8, 32, 3, 4, ConvSpec{StrideH: 2, StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}},
			{2, 1, 1, 10, 16, 4, ConvSpec{}},
			{1, 14, 13, 16, 32, 3, Same(3)},
		} {
			spec := s.spec.Normalize()
			ho, wo := (s.h-1)*spec.StrideH+s.k-spec.PadTop-spec.PadBottom, (s.w-1)*spec.StrideW+s.k-spec.PadLeft-spec.PadRight
			x, w, bias := input(d, 1, s.n, s.h, s.w, s.ci), input(d, 2, s.k, s.k, s.co, s.ci), input(d, 3, s.co)
			got, want := fresh(d, s.n, ho, wo, s.co), fresh(d, s.n, ho, wo, s.co)
			p := PackConvTranspose(w, s.spec)
			ep := &Epilogue{Bias: bias, Act: ActReLU}
			ConvTranspose2D(got, x, p, ep)
			Conv2DInputGrad(want, x, w, s.spec)
			Add(want, want, bias)
			ReLU(want, want)
			same(t, "ConvTranspose2D", got, want)
			if n := testing.AllocsPerRun(30, func() { ConvTranspose2D(got, x, p, ep) }); n != 0 {
				t.Errorf("%g allocations", n)
			}
		}
	}
}
