package tensor_test

import (
	"fmt"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// same fails unless a and b have equal bits.
func same(t *testing.T, what string, a, b *Tensor) {
	t.Helper()
	if digest(a) != digest(b) {
		t.Errorf("%s: the bits differ", what)
	}
}

var types = []DType{Float32, Float64}

// TestPackedEqualsUnpacked checks products by packed weights, transposed ones included.
func TestPackedEqualsUnpacked(t *testing.T) {
	for _, d := range types {
		a, b := input(d, 1, 3, 21, 300), input(d, 2, 300, 19)
		y, z := fresh(d, 3, 21, 19), fresh(d, 3, 21, 19)
		MatMul(y, a, b, false, false)
		MatMulPacked(z, a, PackB(b, false), nil)
		same(t, "PackB", y, z)
		bt := fresh(d, 19, 300)
		Permute(bt, b, 1, 0)
		MatMulPacked(z, a, PackB(bt, true), nil)
		same(t, "PackB transposed", y, z)
		x, w := input(d, 3, 2, 7, 6, 21), input(d, 4, 3, 3, 21, 18)
		u, v := fresh(d, 2, 7, 6, 18), fresh(d, 2, 7, 6, 18)
		Conv2D(u, x, w, Same(3))
		Conv2DPacked(v, x, PackConv(w), Same(3), nil)
		same(t, "PackConv", u, v)
	}
}

// TestFusedEqualsUnfused checks every epilogue, and GroupNormSiLU, against the single operations.
func TestFusedEqualsUnfused(t *testing.T) {
	acts := []func(dst, x *Tensor){
		ActNone: func(_, _ *Tensor) {}, ActSiLU: SiLU, ActReLU: ReLU, ActGELU: GELU, ActGELUTanh: GELUTanh,
		ActTanh: Tanh, ActSigmoid: Sigmoid, ActLeakyReLU: func(dst, x *Tensor) {
			scaled := fresh(x.DType(), x.Shape()...)
			Scale(scaled, x, 0.2)
			Maximum(dst, x, scaled)
		},
	}
	for _, d := range types {
		for act, f := range acts {
			for parts := range 4 {
				a, b, ep := input(d, 1, 2, 37, 40), input(d, 2, 40, 50), &Epilogue{Act: Activation(act), Slope: 0.2}
				y, z := fresh(d, 2, 37, 50), fresh(d, 2, 37, 50)
				MatMul(y, a, b, false, false)
				if parts&1 != 0 {
					ep.Bias = input(d, 3, 50)
					Add(y, y, ep.Bias)
				}
				f(y, y)
				if parts&2 != 0 {
					ep.Residual = input(d, 4, 2, 37, 50)
					Add(y, y, ep.Residual)
				}
				MatMulEx(z, a, b, false, false, ep)
				same(t, fmt.Sprintf("MatMulEx %s act %d parts %d", d, act, parts), y, z)
				batched := b
				if act == 1 { // a batch of products, whose rows count through
					batched = fresh(d, 2, 40, 50)
					BroadcastTo(batched, b)
				}
				MatMulEx(z, a, batched, false, false, ep)
				same(t, fmt.Sprintf("MatMulEx batch %s act %d parts %d", d, act, parts), y, z)
			}
		}
		x, gamma, beta := input(d, 1, 3, 5, 7, 24), input(d, 2, 24), input(d, 3, 24)
		mean, rstd := fresh(d, 3, 4), fresh(d, 3, 4)
		y, z := fresh(d, 3, 5, 7, 24), fresh(d, 3, 5, 7, 24)
		GroupNorm(y, mean, rstd, x, gamma, beta, 4, 1e-5)
		SiLU(y, y)
		GroupNormSiLU(z, mean, rstd, x, gamma, beta, 4, 1e-5)
		same(t, "GroupNormSiLU", y, z)
	}
}

// TestConv1x1EqualsMatMul checks the promise of Conv2D's order, above and below 256 channels.
func TestConv1x1EqualsMatMul(t *testing.T) {
	for _, d := range types {
		for _, ci := range []int{5, 256, 300, 600} {
			x, w := input(d, 1, 2, 3, 5, ci), input(d, 2, 1, 1, ci, 18)
			y, z := fresh(d, 2, 3, 5, 18), fresh(d, 2, 3, 5, 18)
			Conv2D(y, x, w, ConvSpec{})
			MatMul(z.Reshape(30, 18), x.Reshape(30, ci), w.Reshape(ci, 18), false, false)
			same(t, fmt.Sprintf("%d channels", ci), y, z)
		}
	}
}

// TestRowsOfBatch checks that row i of a batch equals the single run of that row, bit for bit.
func TestRowsOfBatch(t *testing.T) {
	const N = 7
	for _, d := range types {
		w, gamma, beta := input(d, 2, 3, 3, 20, 20), input(d, 3, 20), input(d, 4, 20)
		net := func(x *Tensor) *Tensor {
			n := x.Dim(0)
			y, h := fresh(d, n, 6, 5, 20), fresh(d, n, 6, 5, 20)
			mean, rstd := fresh(d, n, 4), fresh(d, n, 4)
			Conv2D(y, x, w, Same(3))
			GroupNormSiLU(h, mean, rstd, y, gamma, beta, 4, 1e-5)
			Attention(y.Reshape(n, 30, 20), h.Reshape(n, 30, 20), h.Reshape(n, 30, 20), h.Reshape(n, 30, 20), 2, 0.3)
			MatMul(h.Reshape(n, 600), y.Reshape(n, 600), input(d, 5, 600, 600), false, false)
			Softmax(h, h)
			s := fresh(d, n, 20)
			Sum(s, h, 1, 2)
			return s
		}
		x := input(d, 1, N, 6, 5, 20)
		all := net(x)
		for i := range N {
			one, want := fresh(d, 1, 6, 5, 20), fresh(d, 1, 20)
			Slice(one, x, 0, i)
			Slice(want, all, 0, i)
			same(t, fmt.Sprintf("%s row %d", d, i), net(one), want)
		}
	}
}

// TestInPlace checks that element-wise operations may write over their operand.
func TestInPlace(t *testing.T) {
	for _, d := range types {
		x, b := input(d, 1, 9, 1000), input(d, 2, 1000)
		for name, f := range map[string]func(dst, x *Tensor){
			"SiLU": SiLU, "Softmax": Softmax,
			"Add":     func(dst, x *Tensor) { Add(dst, x, b) },
			"AddSelf": func(dst, x *Tensor) { Add(dst, b, x) },
			"Clamp":   func(dst, x *Tensor) { Clamp(dst, x, -1, 0.3) },
			"Norm": func(dst, x *Tensor) {
				LayerNorm(dst, fresh(d, 9), fresh(d, 9), x, b, b, 1e-5)
			},
			"GroupNormGrad": func(dst, x *Tensor) {
				mean, rstd := input(d, 3, 9, 4), positive(d, 4, 9, 4)
				GroupNormGrad(dst, fresh(d, 1000), fresh(d, 1000), x, mean, rstd, b, input(d, 5, 9, 1000), 4)
			},
			"GroupNorm": func(dst, x *Tensor) {
				GroupNormSiLU(dst, fresh(d, 9, 4), fresh(d, 9, 4), x, b, b, 4, 1e-5)
			},
		} {
			y, z := fresh(d, 9, 1000), x.Clone()
			f(y, x)
			f(z, z)
			same(t, name, y, z)
		}
	}
}

// TestScaleAdd checks a*x + b*y against float64.
func TestScaleAdd(t *testing.T) {
	x, y, z := input(Float32, 1, 100), input(Float32, 2, 100), fresh(Float32, 100)
	ScaleAdd(z, 0.25, x, -1.5, y)
	for i := range 100 {
		want := 0.25*at(x, i) + float64(float32(-1.5*at(y, i)))
		if at(z, i) != float64(float32(want)) {
			t.Errorf("element %d is %g, want %g", i, at(z, i), want)
		}
	}
}
