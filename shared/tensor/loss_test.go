package tensor_test

import (
	"math"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// close64 compares a tensor with float64 values to a share of their size.
func close64(t *testing.T, what string, got *Tensor, tol float64, want func(i int) float64) {
	t.Helper()
	for i := range got.Len() {
		if g, w := at(got, i), want(i); !(math.Abs(g-w) <= tol*(1+math.Abs(w))) {
			t.Errorf("%s: element %d is %v, want %v", what, i, g, w)
			return
		}
	}
}

// The derivatives from a result, and the losses, are the closed forms in float64.
func TestTrainingClosedForms(t *testing.T) {
	const r, v = 9, 37
	for d, tol := range map[DType]float64{Float32: 3e-6, Float64: 1e-13} {
		x, dy, y := input(d, 1, r, v), input(d, 2, r, v), fresh(d, r, v)
		Scale(x, x, 3)
		ReLUGrad(y, x, dy)
		close64(t, "ReLUGrad", y, 0, func(i int) float64 {
			if at(x, i) > 0 {
				return at(dy, i)
			}
			return 0
		})
		TanhGrad(y, x, dy)
		close64(t, "TanhGrad", y, tol*10, func(i int) float64 { return at(dy, i) * (1 - at(x, i)*at(x, i)) })
		SigmoidGrad(y, x, dy)
		close64(t, "SigmoidGrad", y, tol*10, func(i int) float64 { return at(dy, i) * at(x, i) * (1 - at(x, i)) })

		p := fresh(d, r, v)
		Sigmoid(p, dy)
		s := func(i int) float64 { return 1 / (1 + math.Exp(-at(x, i))) }
		BCELogits(y, x, p)
		close64(t, "BCELogits", y, tol, func(i int) float64 {
			return -at(p, i)*math.Log(s(i)) - (1-at(p, i))*(math.Log(s(i))-at(x, i))
		})
		c := fresh(d)
		c.Fill(0.25)
		BCELogitsGrad(y, x, p, c)
		close64(t, "BCELogitsGrad", y, tol, func(i int) float64 { return 0.25 * (s(i) - at(p, i)) })

		targets := []int32{0, -1, 36, 5, 5, -7, 1, 2, 3}
		sum := func(row int) (e float64) {
			for k := range v {
				e += math.Exp(at(x, row*v+k))
			}
			return e
		}
		loss, top, logs := fresh(d, r), fresh(d, r), fresh(d, r)
		CrossEntropy(loss, top, logs, x, targets)
		close64(t, "CrossEntropy", loss, tol, func(i int) float64 {
			if targets[i] < 0 {
				return 0
			}
			return math.Log(sum(i)) - at(x, i*v+int(targets[i]))
		})
		CrossEntropyGrad(y, x, top, logs, targets, c)
		close64(t, "CrossEntropyGrad", y, tol, func(i int) float64 {
			target := targets[i/v]
			if target < 0 {
				return 0
			}
			g := math.Exp(at(x, i)) / sum(i/v)
			if i%v == int(target) {
				g--
			}
			return 0.25 * g
		})
	}
}

// One region for all parameters gives the bits of AdamW and Lerp one after the other.
func TestAdamWAllIsAdamWAndLerp(t *testing.T) {
	h := AdamWParams{LR: 1e-2, B1: 0.9, B2: 0.99, Eps: 1e-8, BC1: 0.19, BC2: 0.0199, GradScale: 0.7, Mean: 0.125}
	var all, one []AdamWState
	for i, n := range []int{1, 4096, 4097, 0, 100_000, 15} {
		s := func() AdamWState {
			return AdamWState{Param: input(Float32, i, n), Grad: input(Float32, i+10, n), M: input(Float32, i+20, n),
				V: positive(Float32, i+30, n), Mean: input(Float32, i+40, n), WeightDecay: 0.1 * float64(i)}
		}
		all, one = append(all, s()), append(one, s())
	}
	AdamWAll(all, h)
	for i, s := range one {
		single := h
		single.WeightDecay = s.WeightDecay
		AdamW(s.Param, s.Grad, s.M, s.V, single)
		Lerp(s.Mean, s.Param, h.Mean)
		if digest(s.Param, s.M, s.V, s.Mean) != digest(all[i].Param, all[i].M, all[i].V, all[i].Mean) {
			t.Errorf("parameter %d differs", i)
		}
	}
}

// The fused derivative has the bits of the two that it joins.
func TestGroupNormSiLUGradIsTheTwo(t *testing.T) {
	for _, d := range []DType{Float32, Float64} {
		const n, c, g = 3, 24, 4
		shape := []int{n, 5, 7, c}
		x, gamma, beta, dy := input(d, 1, shape...), input(d, 2, c), input(d, 3, c), input(d, 4, shape...)
		mean, rstd, y := fresh(d, n, g), fresh(d, n, g), fresh(d, shape...)
		GroupNorm(y, mean, rstd, x, gamma, beta, g, 1e-5)
		SiLUGrad(y, y, dy)
		want, got := make([]*Tensor, 3), make([]*Tensor, 3)
		for i, s := range [][]int{shape, {c}, {c}} {
			want[i], got[i] = fresh(d, s...), fresh(d, s...)
		}
		GroupNormGrad(want[0], want[1], want[2], x, mean, rstd, gamma, y, g)
		GroupNormSiLUGrad(got[0], got[1], got[2], x, mean, rstd, gamma, beta, dy, g)
		if digest(want...) != digest(got...) {
			t.Errorf("%s: the bits differ", d)
		}
	}
}
