package tensor_test

import (
	"fmt"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// trainCases are the one-pass derivatives, losses and updates.
func trainCases(add adder) {
	pairs := map[string]func(dst, y, dy *Tensor){
		"ReLUGrad": ReLUGrad, "TanhGrad": TanhGrad, "SigmoidGrad": SigmoidGrad, "BCELogits": BCELogits,
		"BCELogitsGrad": func(dst, x, p *Tensor) {
			c := fresh(x.DType())
			c.Fill(0.3)
			BCELogitsGrad(dst, x, p, c)
		},
	}
	for _, op := range sortedKeys(pairs) {
		for _, n := range []int{1, 61, 40963} {
			add(op, fmt.Sprintf("[%d]", n), func(d DType) []*Tensor {
				y := fresh(d, n)
				pairs[op](y, special(d, n), input(d, 5, n))
				return []*Tensor{y}
			})
		}
	}
	for _, s := range [][2]int{{1, 1}, {3, 10}, {70, 601}} {
		shape := fmt.Sprintf("[%d, %d]", s[0], s[1])
		targets := make([]int32, s[0])
		for i := range targets {
			targets[i] = int32(i*7%(s[1]+1)) - 1
		}
		run := func(d DType) (loss, top, logs, x *Tensor) {
			x = input(d, 1, s[0], s[1])
			loss, top, logs = fresh(d, s[0]), fresh(d, s[0]), fresh(d, s[0])
			CrossEntropy(loss, top, logs, x, targets)
			return loss, top, logs, x
		}
		add("CrossEntropy", shape, func(d DType) []*Tensor {
			loss, top, logs, _ := run(d)
			return []*Tensor{loss, top, logs}
		})
		add("CrossEntropyGrad", shape, func(d DType) []*Tensor {
			_, top, logs, x := run(d)
			c, dx := fresh(d), fresh(d, s[0], s[1])
			c.Fill(0.3)
			CrossEntropyGrad(dx, x, top, logs, targets, c)
			return []*Tensor{dx}
		})
	}
	for _, s := range [][]int{{1, 1, 1, 4, 2}, {2, 5, 3, 48, 4}, {3, 16, 16, 32, 8}} {
		n, c, g := s[0], s[3], s[4]
		add("GroupNormSiLUGrad", fmt.Sprint(s[:4], " in ", g), func(d DType) []*Tensor {
			x, gamma, beta := input(d, 1, s[:4]...), input(d, 2, c), input(d, 3, c)
			dx, mean, rstd := fresh(d, s[:4]...), fresh(d, n, g), fresh(d, n, g)
			dgamma, dbeta := fresh(d, c), fresh(d, c)
			GroupNormSiLU(dx, mean, rstd, x, gamma, beta, g, 1e-5)
			GroupNormSiLUGrad(dx, dgamma, dbeta, x, mean, rstd, gamma, beta, input(d, 4, s[:4]...), g)
			return []*Tensor{dx, dgamma, dbeta}
		})
	}
	add("AdamWAll", "[61], [3, 4099] with an average", func(d DType) []*Tensor {
		var out []*Tensor
		var states []AdamWState
		for i, shape := range [][]int{{61}, {7}, {3, 4099}} {
			s := AdamWState{Param: input(d, 1, shape...), Grad: input(d, 2, shape...), M: input(d, 3, shape...),
				V: positive(d, 4, shape...)}
			switch i {
			case 1:
				s.Grad = nil
			case 2:
				s.Mean, s.WeightDecay = input(d, 5, shape...), 0.01
				out = append(out, s.Mean)
			}
			states, out = append(states, s), append(out, s.Param, s.M, s.V)
		}
		AdamWAll(states, AdamWParams{
			LR: 1e-3, B1: 0.9, B2: 0.99, Eps: 1e-8, BC1: 0.19, BC2: 0.0199, GradScale: 0.7, Mean: 0.1,
		})
		return out
	})
}
