package tensor_test

import (
	"fmt"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// convCases are convolutions: direct ones and those in both of Winograd's forms.
func convCases() []numericsCase {
	var cs []numericsCase
	add := func(op, shape string, flops int, run func(d DType) []*Tensor) {
		cs = append(cs, numericsCase{op: op, shape: shape, large: flops > 2<<20, run: run})
	}
	for _, s := range []struct {
		x, w []int
		spec ConvSpec
	}{
		{[]int{2, 5, 6, 3}, []int{3, 3, 3, 16}, Same(3)},
		{
			[]int{1, 7, 5, 33}, []int{3, 3, 33, 18},
			ConvSpec{StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1},
		},
		{[]int{2, 4, 4, 300}, []int{1, 1, 300, 7}, ConvSpec{}},
		{[]int{1, 6, 6, 260}, []int{2, 3, 260, 5}, ConvSpec{PadTop: 1, PadLeft: 2}},
		{[]int{2, 16, 16, 64}, []int{3, 3, 64, 64}, Same(3)},
		{[]int{2, 7, 9, 16}, []int{3, 3, 16, 32}, Same(3)},
		{[]int{1, 3, 11, 80}, []int{3, 3, 80, 16}, Same(3)},
	} {
		ho, wo := s.spec.Out(s.x[1], s.x[2], s.w[0], s.w[1])
		out := []int{s.x[0], ho, wo, s.w[3]}
		label := fmt.Sprintf("%v*%v/%d", s.x, s.w, max(s.spec.StrideH, 1))
		flops := 2 * s.x[0] * ho * wo * s.w[0] * s.w[1] * s.w[2] * s.w[3]
		add("Conv2D", label, flops, func(d DType) []*Tensor {
			y := fresh(d, out...)
			Conv2D(y, input(d, 1, s.x...), input(d, 2, s.w...), s.spec)
			return []*Tensor{y}
		})
		ep := func(d DType) *Epilogue {
			return &Epilogue{Bias: input(d, 3, s.w[3]), Act: ActGELU, Residual: input(d, 4, out...)}
		}
		add("Conv2DEx", label, flops, func(d DType) []*Tensor {
			y := fresh(d, out...)
			Conv2DEx(y, input(d, 1, s.x...), input(d, 2, s.w...), s.spec, ep(d))
			return []*Tensor{y}
		})
		add("Conv2DPacked", label, flops, func(d DType) []*Tensor {
			y := fresh(d, out...)
			Conv2DPacked(y, input(d, 1, s.x...), PackConv(input(d, 2, s.w...)), s.spec, ep(d))
			return []*Tensor{y}
		})
		add("Conv2DInputGrad", label, flops, func(d DType) []*Tensor {
			dx := fresh(d, s.x...)
			Conv2DInputGrad(dx, input(d, 1, out...), input(d, 2, s.w...), s.spec)
			return []*Tensor{dx}
		})
		add("Conv2DWeightGrad", label, flops, func(d DType) []*Tensor {
			dw := fresh(d, s.w...)
			Conv2DWeightGrad(dw, input(d, 1, s.x...), input(d, 2, out...), s.spec)
			return []*Tensor{dw}
		})
	}
	for _, s := range [][4]int{{2, 4, 24, 20}, {1, 8, 32, 3}} {
		n, h, ci, co := s[0], s[1], s[2], s[3]
		add("ConvTranspose2D", fmt.Sprint(s), 0, func(d DType) []*Tensor {
			y := fresh(d, n, 2*h, 2*h, co)
			w := PackConvTranspose(input(d, 2, 4, 4, co, ci),
				ConvSpec{StrideH: 2, StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1})
			ConvTranspose2D(y, input(d, 1, n, h, h, ci), w, &Epilogue{Bias: input(d, 3, co), Act: ActReLU})
			return []*Tensor{y}
		})
	}
	for _, s := range []struct{ n, h, w, ca, cb, co, k int }{{2, 5, 7, 16, 8, 20, 1}, {2, 8, 9, 32, 16, 16, 3}} {
		label := fmt.Sprintf("[%d %d %d %d+%d]*[%d %d %d]", s.n, s.h, s.w, s.ca, s.cb, s.k, s.k, s.co)
		add("Conv2DConcatPacked", label, 0, func(d DType) []*Tensor {
			y := fresh(d, s.n, s.h, s.w, s.co)
			Conv2DConcatPacked(y, input(d, 1, s.n, s.h, s.w, s.ca), input(d, 2, s.n, s.h, s.w, s.cb),
				PackConv(input(d, 3, s.k, s.k, s.ca+s.cb, s.co)), Same(s.k), nil)
			return []*Tensor{y}
		})
		add("GroupNormSiLUConcat", label, 0, func(d DType) []*Tensor {
			c := s.ca + s.cb
			y, mean, rstd := fresh(d, s.n, s.h, s.w, c), fresh(d, s.n, 4), fresh(d, s.n, 4)
			GroupNormSiLUConcat(y, mean, rstd, input(d, 1, s.n, s.h, s.w, s.ca), input(d, 2, s.n, s.h, s.w, s.cb),
				input(d, 3, c), input(d, 4, c), 4, 1e-5)
			return []*Tensor{y, mean, rstd}
		})
	}
	return cs
}
