package tensor_test

import (
	"fmt"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// depthwiseCases are depthwise convolutions, one of every path.
func depthwiseCases() []numericsCase {
	var cs []numericsCase
	stride2 := func(p int) ConvSpec {
		return ConvSpec{StrideH: 2, StrideW: 2, PadTop: p, PadBottom: p, PadLeft: p, PadRight: p}
	}
	for _, s := range []struct {
		x, w []int
		spec ConvSpec
	}{
		{[]int{2, 9, 12, 32}, []int{3, 3, 32, 1}, Same(3)},
		{[]int{1, 8, 19, 21}, []int{3, 3, 21, 1}, stride2(1)},
		{[]int{1, 7, 9, 24}, []int{7, 7, 24, 1}, Same(7)},
		{[]int{2, 11, 10, 40}, []int{5, 5, 40, 1}, stride2(2)},
		{[]int{2, 5, 6, 3}, []int{3, 3, 3, 2}, Same(3)},
		{[]int{1, 6, 5, 24}, []int{3, 3, 24, 3}, stride2(1)},
	} {
		ho, wo := s.spec.Out(s.x[1], s.x[2], s.w[0], s.w[1])
		out := []int{s.x[0], ho, wo, s.w[2] * s.w[3]}
		label := fmt.Sprintf("%v*%v/%d", s.x, s.w, max(s.spec.StrideH, 1))
		add := func(op string, run func(d DType) *Tensor) {
			cs = append(cs, numericsCase{op: op, shape: label, run: func(d DType) []*Tensor { return []*Tensor{run(d)} }})
		}
		add("DepthwiseConv2D", func(d DType) *Tensor {
			y := fresh(d, out...)
			DepthwiseConv2D(y, input(d, 1, s.x...), input(d, 2, s.w...), s.spec)
			return y
		})
		add("DepthwiseConv2DEx", func(d DType) *Tensor {
			y := fresh(d, out...)
			DepthwiseConv2DEx(y, input(d, 1, s.x...), input(d, 2, s.w...), s.spec,
				&Epilogue{Bias: input(d, 3, out[3]), Act: ActGELU, Residual: input(d, 4, out...)})
			return y
		})
		add("DepthwiseConv2DInputGrad", func(d DType) *Tensor {
			dx := fresh(d, s.x...)
			DepthwiseConv2DInputGrad(dx, input(d, 1, out...), input(d, 2, s.w...), s.spec)
			return dx
		})
		add("DepthwiseConv2DWeightGrad", func(d DType) *Tensor {
			dw := fresh(d, s.w...)
			DepthwiseConv2DWeightGrad(dw, input(d, 1, s.x...), input(d, 2, out...), s.spec)
			return dw
		})
	}
	return cs
}
