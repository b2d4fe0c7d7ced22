package tensor_test

import (
	"math"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

var (
	nan     = math.NaN()
	inf     = math.Inf(1)
	minus0  = math.Copysign(0, -1)
	bothPos = []float64{0, minus0, 1, -1, inf, -inf, nan}
)

// TestSpecialValues checks what the comments promise for NaN, infinities, signed zeros and ties, in both types
// and on every kernel set.
func TestSpecialValues(t *testing.T) {
	defer restore(t)()
	unary := []struct {
		name string
		f    func(dst, x *Tensor)
		want []float64 // of bothPos
	}{
		{"Neg", Neg, []float64{minus0, 0, -1, 1, -inf, inf, nan}},
		{"Abs", Abs, []float64{0, 0, 1, 1, inf, inf, nan}},
		{"ReLU", ReLU, []float64{0, 0, 1, 0, inf, 0, nan}},
		{"Sqrt", Sqrt, []float64{0, minus0, 1, nan, inf, nan, nan}},
		{"Rsqrt", Rsqrt, []float64{inf, -inf, 1, nan, 0, nan, nan}},
		{"Recip", Recip, []float64{inf, -inf, 1, -1, 0, minus0, nan}},
		{"Exp", Exp, []float64{1, 1, math.E, 1 / math.E, inf, 0, nan}},
		{"Log", Log, []float64{-inf, -inf, 0, nan, inf, nan, nan}},
		{"Tanh", Tanh, []float64{0, minus0, math.Tanh(1), -math.Tanh(1), 1, -1, nan}},
		{"Sigmoid", Sigmoid, []float64{0.5, 0.5, 1 / (1 + 1/math.E), 1 / (1 + math.E), 1, 0, nan}},
		{"Sin", Sin, []float64{0, minus0, math.Sin(1), -math.Sin(1), nan, nan, nan}},
		{"Cos", Cos, []float64{1, 1, math.Cos(1), math.Cos(1), nan, nan, nan}},
		{"Erf", Erf, []float64{0, minus0, math.Erf(1), -math.Erf(1), 1, -1, nan}},
		{"Clamp", func(dst, x *Tensor) { Clamp(dst, x, -0.5, 0.5) }, []float64{0, minus0, 0.5, -0.5, 0.5, -0.5, nan}},
		{"ClampZero", func(dst, x *Tensor) { Clamp(dst, x, 0, 0) }, []float64{0, minus0, 0, 0, 0, 0, nan}},
	}
	for _, kernels := range AvailableKernels() {
		if err := SetKernels(kernels); err != nil {
			t.Fatal(err)
		}
		for _, d := range []DType{Float32, Float64} {
			x := FromFloat64(bothPos, len(bothPos)).To(d)
			for _, r := range unary {
				y := fresh(d, x.Len())
				r.f(y, x)
				for i, w := range r.want {
					if !closeTo(at(y, i), w, d) {
						t.Errorf("%s %s: %s(%g) = %g, want %g", kernels, d, r.name, bothPos[i], at(y, i), w)
					}
				}
			}
			checkPairs(t, kernels, d)
		}
	}
}

// checkPairs checks binary operations on all pairs, in every position of a vector.
func checkPairs(t *testing.T, kernels string, d DType) {
	t.Helper()
	binary := []struct {
		name string
		f    func(dst, a, b *Tensor)
		want func(a, b float64) float64
	}{
		{"Maximum", Maximum, func(a, b float64) float64 { return max(a, b) }},
		{"Minimum", Minimum, func(a, b float64) float64 { return min(a, b) }},
		{"Greater", Greater, func(a, b float64) float64 {
			if a > b {
				return 1
			}
			return 0
		}},
		{"Where", func(dst, a, b *Tensor) { Where(dst, a, a, b) }, func(a, b float64) float64 {
			if a != 0 {
				return a
			}
			return b
		}},
	}
	n := len(bothPos)
	a, b := New(d, n*n), New(d, n*n)
	for i := range n * n {
		set(a, i, bothPos[i/n])
		set(b, i, bothPos[i%n])
	}
	for _, r := range binary {
		y := fresh(d, n*n)
		r.f(y, a, b)
		for i := range n * n {
			if w := r.want(at(a, i), at(b, i)); !closeTo(at(y, i), w, d) {
				t.Errorf("%s %s: %s(%g, %g) = %g, want %g", kernels, d, r.name, at(a, i), at(b, i), at(y, i), w)
			}
		}
	}
}

// TestSpecialReductions checks reductions over rows that hold NaN, infinities or nothing.
func TestSpecialReductions(t *testing.T) {
	for _, d := range []DType{Float32, Float64} {
		rows := []struct {
			name string
			f    func(dst, x *Tensor)
			x    []float64
			want []float64
		}{
			{"MaxAlong NaN", func(y, x *Tensor) { MaxAlong(y, x, 0) }, []float64{1, nan, 3}, []float64{nan}},
			{"MaxAlong zeros", func(y, x *Tensor) { MaxAlong(y, x, 0) }, []float64{minus0, 0, minus0}, []float64{0}},
			{"Softmax masked", Softmax, []float64{-inf, 0, -inf}, []float64{0, 1, 0}},
			{"Softmax all masked", Softmax, []float64{-inf, -inf}, []float64{0, 0}},
			{"Softmax Inf", Softmax, []float64{inf, 0}, []float64{nan, nan}},
			{"Softmax NaN", Softmax, []float64{1, nan}, []float64{nan, nan}},
			{"LogSoftmax all masked", LogSoftmax, []float64{-inf, -inf}, []float64{-inf, -inf}},
			{"LogSoftmax masked", LogSoftmax, []float64{-inf, 0}, []float64{-inf, 0}},
			{"Sum NaN", func(y, x *Tensor) { Sum(y, x) }, []float64{1, nan}, []float64{nan}},
			{"Sum of infinities", func(y, x *Tensor) { Sum(y, x) }, []float64{inf, -inf}, []float64{nan}},
			{"Sum of nothing", func(y, x *Tensor) { Sum(y, x) }, []float64{}, []float64{0}},
		}
		for _, r := range rows {
			x := FromFloat64(r.x, len(r.x)).To(d)
			y := fresh(d, len(r.want))
			if len(r.want) == 1 {
				y = fresh(d)
			}
			r.f(y, x)
			for i, w := range r.want {
				if !closeTo(at(y, i), w, d) {
					t.Errorf("%s %s: element %d is %g, want %g", r.name, d, i, at(y, i), w)
				}
			}
		}
	}
}

// TestMaxPool2Ties checks that the derivative of a tie goes to the first of the four, and NaN to the first NaN.
func TestMaxPool2Ties(t *testing.T) {
	rows := []struct {
		x    []float32 // top left, top right, bottom left, bottom right
		hit  int
		name string
	}{
		{[]float32{1, 1, 1, 1}, 0, "all equal"},
		{[]float32{0, 2, 2, 1}, 1, "two equal"},
		{[]float32{float32(minus0), 0, 0, 0}, 0, "signed zeros"},
		{[]float32{5, float32(nan), 7, float32(nan)}, 1, "NaN"},
		{[]float32{1, 2, 3, 4}, 3, "last"},
	}
	for _, r := range rows {
		x, dx := FromFloat32(r.x, 1, 2, 2, 1), fresh(Float32, 1, 2, 2, 1)
		MaxPool2Grad(dx, x, FromFloat32([]float32{3}, 1, 1, 1, 1))
		for i, v := range dx.F32() {
			if want := map[bool]float32{true: 3}[i == r.hit]; v != want {
				t.Errorf("%s: element %d gets %g, want %g", r.name, i, v, want)
			}
		}
	}
}
