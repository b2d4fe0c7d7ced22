package tensor_test

import (
	"math"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// TestLowEpilogue checks that a product with everything fused has the bits of the single operations.
func TestLowEpilogue(t *testing.T) {
	defer restore(t)()
	for _, low := range []LowType{LowInt8, LowBF16} {
		for _, s := range [][3]int{{1, 40, 33}, {16, 64, 384}, {70, 96, 200}} {
			m, k, n := s[0], s[1], s[2]
			a, b := input(Float32, 1, m, k), input(Float32, 2, k, n)
			bias, res := input(Float32, 3, n), input(Float32, 4, m, n)
			gamma, beta := input(Float32, 5, n), input(Float32, 6, n)
			w := PackInt8(b, false)
			product := MatMulInt8
			if low == LowBF16 {
				w, product = PackBF16(b, false), MatMulBF16
			}
			want, y, z := fresh(Float32, m, n), fresh(Float32, m, n), fresh(Float32, m, n)
			product(want, a, w, nil)
			Add(want, want, bias)
			GELU(want, want)
			Add(want, want, res)
			ep := &Epilogue{Bias: bias, Act: ActGELU, Residual: res}
			product(y, a, w, ep)
			equalBits(t, "epilogue", y, want)

			LayerNorm(want, fresh(Float32, m), fresh(Float32, m), want, gamma, beta, 1e-5)
			var in, out, wantOut LowRows
			NarrowRows(&in, a, low)
			NarrowRows(&wantOut, want, low)
			for _, threads := range []int{1, 2, 8} {
				SetThreads(threads)
				MatMulLow(z, &in, w, ep, &LowThen{Gamma: gamma, Beta: beta, Eps: 1e-5, Out: &out})
				equalBits(t, "norm", z, want)
				v, v2 := eye(&out, low), eye(&wantOut, low)
				equalBits(t, "rows", v, v2)
				MatMulNarrow(z, a, w, ep, &LowThen{Gamma: gamma, Beta: beta, Eps: 1e-5, Out: &out})
				equalBits(t, "narrowed, norm", z, want)
				equalBits(t, "narrowed, rows", eye(&out, low), v2)
				MatMulLow(nil, &in, w, ep, &LowThen{Gamma: gamma, Beta: beta, Eps: 1e-5, Out: &out})
				equalBits(t, "rows alone", eye(&out, low), v2)
			}
			SetThreads(0)
			LayerNormNarrow(&out, nil, y, gamma, beta, 1e-5, low)
			equalBits(t, "LayerNormNarrow", eye(&out, low), eye(&wantOut, low))
		}
	}
}

// eye is what r holds: its product with the identity, which every type represents.
func eye(r *LowRows, low LowType) *Tensor {
	m, k := r.Dims()
	id := fresh(Float32, k, k)
	id.Fill(0)
	for i := range k {
		id.F32()[i*k+i] = 1
	}
	w := PackBF16(id, false)
	if low == LowInt8 {
		w = PackInt8(id, false)
	}
	y := fresh(Float32, m, k)
	MatMulLow(y, r, w, nil, nil)
	return y
}

// TestLowSlope checks that the parameter of an activation arrives.
func TestLowSlope(t *testing.T) {
	a, w := input(Float32, 1, 3, 40), PackInt8(input(Float32, 2, 40, 20), false)
	want, leaky, y := fresh(Float32, 3, 20), fresh(Float32, 3, 20), fresh(Float32, 3, 20)
	MatMulInt8(want, a, w, nil)
	Scale(leaky, want, 0.25)
	Maximum(want, want, leaky)
	MatMulInt8(y, a, w, &Epilogue{Act: ActLeakyReLU, Slope: 0.25})
	equalBits(t, "leaky", y, want)
}

// TestLowRowsAlone checks that a row of a batch has the bits of the row alone.
func TestLowRowsAlone(t *testing.T) {
	defer restore(t)()
	const m, k, n = 37, 130, 70
	a, b := input(Float32, 1, m, k), input(Float32, 2, k, n)
	for _, low := range []LowType{LowInt8, LowBF16} {
		w, product := PackInt8(b, false), MatMulInt8
		if low == LowBF16 {
			w, product = PackBF16(b, false), MatMulBF16
		}
		all, one := fresh(Float32, m, n), fresh(Float32, 1, n)
		product(all, a, w, nil)
		for i := range m {
			product(one, FromFloat32(a.F32()[i*k:(i+1)*k], 1, k), w, nil)
			equalBits(t, low.String(), one, FromFloat32(all.F32()[i*n:(i+1)*n], 1, n))
		}
	}
}

// TestLowNotFinite checks that a NaN or an infinity of the activations stays in its row.
func TestLowNotFinite(t *testing.T) {
	a, b := input(Float32, 1, 3, 50), input(Float32, 2, 50, 20)
	a.F32()[50+7] = float32(math.Inf(1))
	a.F32()[100+9] = float32(math.NaN())
	for _, low := range []LowType{LowInt8, LowBF16} {
		w, product := PackInt8(b, false), MatMulInt8
		if low == LowBF16 {
			w, product = PackBF16(b, false), MatMulBF16
		}
		y := fresh(Float32, 3, 20)
		product(y, a, w, nil)
		for i, v := range y.F32() {
			finite := !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
			if finite != (i < 20) {
				t.Errorf("%s: element %d is %g", low, i, v)
			}
		}
	}
}

func TestLowMisuse(t *testing.T) {
	f := func(shape ...int) *Tensor { return New(Float32, shape...) }
	var rows LowRows
	NarrowRows(&rows, f(2, 3), LowInt8)
	for i, run := range []func(){
		func() { PackInt8(New(Float64, 3, 4), false) },
		func() { PackBF16(f(3), false) },
		func() { NarrowRows(&rows, New(Float64, 2, 3), LowBF16) },
		func() { MatMulInt8(f(2, 4), f(2, 3), PackBF16(f(3, 4), false), nil) },
		func() { MatMulInt8(f(2, 4), f(2, 3), PackInt8(f(4, 4), false), nil) },
		func() { MatMulBF16(f(3, 4), f(2, 3), PackBF16(f(3, 4), false), nil) },
		func() { MatMulLow(nil, &rows, PackInt8(f(3, 4), false), nil, nil) },
		func() { MatMulLow(f(2, 4), &rows, PackInt8(f(3, 4), false), &Epilogue{Bias: f(3)}, nil) },
		func() { MatMulLow(f(2, 4), &rows, PackInt8(f(3, 4), false), nil, &LowThen{Out: &rows}) },
		func() { MatMulLow(f(2, 4), &rows, PackInt8(f(3, 4), false), nil, &LowThen{Gamma: f(4)}) },
	} {
		if err := Catch(run); err == nil {
			t.Errorf("call %d was accepted", i)
		}
	}
}

// TestLowNoAllocation checks that low-precision products allocate nothing in steady state.
func TestLowNoAllocation(t *testing.T) {
	defer restore(t)()
	a, b, y := input(Float32, 1, 16, 384), input(Float32, 2, 384, 400), fresh(Float32, 16, 400)
	gamma := input(Float32, 3, 400)
	var in, out LowRows
	for _, threads := range []int{1, 3} {
		SetThreads(threads)
		for _, w := range []*PackedLow{PackInt8(b, false), PackBF16(b, false)} {
			if n := testing.AllocsPerRun(20, func() {
				NarrowRows(&in, a, w.Type())
				MatMulLow(y, &in, w, &Epilogue{Bias: gamma, Act: ActGELU}, &LowThen{Gamma: gamma, Beta: gamma, Out: &out})
				MatMulLow(nil, &in, w, nil, &LowThen{Out: &out})
				if w.Type() == LowInt8 {
					MatMulInt8(y, a, w, nil)
				} else {
					MatMulBF16(y, a, w, nil)
				}
			}); n != 0 {
				t.Errorf("%s with %d threads: %g allocations", w.Type(), threads, n)
			}
		}
	}
}

// equalBits fails unless both tensors have the same bits, NaNs apart.
func equalBits(t *testing.T, what string, got, want *Tensor) {
	t.Helper()
	for i, v := range got.F32() {
		w := want.F32()[i]
		if math.Float32bits(v) != math.Float32bits(w) && (v == v || w == w) {
			t.Fatalf("%s: element %d is %g, want %g", what, i, v, w)
		}
	}
}
