package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// forEachKernel runs f under every instruction set of the machine.
func forEachKernel(t *testing.T, f func(t *testing.T)) {
	defer setKernels(t, "auto")
	for _, isa := range kernelNames() {
		setKernels(t, isa)
		t.Run(isa, f)
	}
}

func normals(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// lanesTree is the documented order of reductions, written once more: lane l adds l, l+16, ...; then 8, 4, 2, 1.
func lanesTree(n int, step func(acc float32, i int) float32) float32 {
	var a [16]float32
	for l := range a {
		for i := l; i < n; i += 16 {
			a[l] = step(a[l], i)
		}
	}
	for _, h := range []int{8, 4, 2, 1} {
		for l := range h {
			a[l] += a[l+h]
		}
	}
	return a[0]
}

func TestReductionOrder(t *testing.T) {
	forEachKernel(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 15, 16, 17, 100, 1023, maxCall + 37} {
			x, y := normals(1, n), normals(2, n)
			rows := []struct {
				name      string
				got, want float32
			}{
				{"Sum", Sum(x), lanesTree(n, func(a float32, i int) float32 { return a + x[i] })},
				{"SumSquares", SumSquares(x), lanesTree(n, func(a float32, i int) float32 { return FMA32(x[i], x[i], a) })},
				{"Dot", Dot(x, y), lanesTree(n, func(a float32, i int) float32 { return FMA32(x[i], y[i], a) })},
				{"SumSquareDevs", SumSquareDevs(x, 0.5), lanesTree(n, func(a float32, i int) float32 {
					return FMA32(x[i]-0.5, x[i]-0.5, a)
				})},
				{"SumExp", SumExp(x, 0.5), lanesTree(n, func(a float32, i int) float32 { return a + Exp32(x[i]-0.5) })},
			}
			for _, r := range rows {
				if r.got != r.want {
					t.Errorf("%s of %d: %x, want %x", r.name, n, r.got, r.want)
				}
			}
			if n > 0 {
				top := float32(math.Inf(-1))
				for _, v := range x {
					top = max(top, v)
				}
				if Max(x) != top {
					t.Errorf("Max of %d: %g, want %g", n, Max(x), top)
				}
			}
		}
	})
}

func TestColumnOrder(t *testing.T) {
	forEachKernel(t, func(t *testing.T) {
		for _, cols := range []int{1, 3, 8, 16, 31, 64, 129} {
			for _, rows := range []int{0, 1, 2, 3, 4, 5, 33} {
				x := normals(3, rows*cols+1)
				got := make([]float32, cols)
				ColSums(got, x, rows, cols)
				run := normals(4, cols)
				want := append([]float32{}, run...)
				SumRows(run, x, rows, cols)
				for c := range cols {
					var p [4]float32
					for r := range rows {
						p[r%4] += x[r*cols+c]
						want[c] += x[r*cols+c]
					}
					if w := (p[0] + p[2]) + (p[1] + p[3]); got[c] != w || run[c] != want[c] {
						t.Fatalf("%d x %d, column %d: ColSums %x, want %x; SumRows %x, want %x",
							rows, cols, c, got[c], w, run[c], want[c])
					}
				}
			}
		}
	})
}

func TestSpecialRows(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	rows := []struct {
		name            string
		x, soft, logSum []float32
	}{
		{"all masked", []float32{-inf, -inf, -inf}, []float32{0, 0, 0}, []float32{-inf, -inf, -inf}},
		{"one left", []float32{-inf, 3, -inf}, []float32{0, 1, 0}, []float32{-inf, 0, -inf}},
		{"NaN among masked", []float32{nan, -inf, -inf}, []float32{nan, nan, nan}, []float32{nan, nan, nan}},
		{"NaN hidden by its lane", append([]float32{nan}, masked(16)...), nil, nil},
		{"Inf", []float32{1, inf, 2}, []float32{nan, nan, nan}, []float32{nan, nan, nan}},
		{"huge", []float32{3e38, -3e38}, []float32{1, 0}, nil},
		{"empty", nil, nil, nil},
	}
	forEachKernel(t, func(t *testing.T) {
		for _, r := range rows {
			y := make([]float32, len(r.x))
			SoftmaxRow(y, r.x)
			if r.name == "NaN hidden by its lane" {
				for _, v := range y {
					if v == v {
						t.Errorf("%s: softmax has %g", r.name, v)
					}
				}
				continue
			}
			for i := range y {
				if math.Float32bits(y[i]) != math.Float32bits(canon(r.soft[i])) {
					t.Errorf("%s: softmax %v, want %v", r.name, y, r.soft)
				}
			}
			LogSoftmaxRow(y, r.x)
			for i := range r.logSum {
				if math.Float32bits(y[i]) != math.Float32bits(canon(r.logSum[i])) {
					t.Errorf("%s: log softmax %v, want %v", r.name, y, r.logSum)
				}
			}
		}
	})
}

func masked(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Inf(-1))
	}
	return x
}

func TestBinarySpecialValues(t *testing.T) {
	inf, nan, nz := float32(math.Inf(1)), float32(math.NaN()), float32(math.Copysign(0, -1))
	rows := []struct {
		op         Binary
		a, b, want float32
	}{
		{Maximum, 0, nz, 0}, {Maximum, nz, 0, 0}, {Maximum, nz, nz, nz}, {Maximum, nan, 1, nan}, {Maximum, 1, nan, nan},
		{Maximum, inf, nan, nan}, {Maximum, -inf, 1, 1}, {Minimum, 0, nz, nz}, {Minimum, nz, 0, nz}, {Minimum, 0, 0, 0},
		{Minimum, nan, -inf, nan}, {Minimum, 1, nan, nan}, {Greater, nan, 1, 0}, {Greater, 1, nan, 0}, {Greater, 0, nz, 0},
		{Greater, inf, 1, 1}, {Div, 0, 0, nan}, {Div, 1, nz, -inf}, {Sub, inf, inf, nan}, {Add, nz, nz, nz},
		{Mul, inf, 0, nan},
	}
	forEachKernel(t, func(t *testing.T) {
		for _, r := range rows {
			w := math.Float32bits(canon(r.want))
			y := []float32{0, 0, 0}
			Zip(r.op, y[:1], []float32{r.a}, []float32{r.b})
			ZipScalar(r.op, y[1:2], []float32{r.a}, r.b, false)
			ZipScalar(r.op, y[2:], []float32{r.b}, r.a, true)
			for form, v := range y {
				if math.Float32bits(v) != w {
					t.Errorf("op %d of %g and %g, form %d: %x, want %08x", r.op, r.a, r.b, form, math.Float32bits(v), w)
				}
			}
			d := []float64{0}
			Zip(r.op, d, []float64{float64(r.a)}, []float64{float64(r.b)})
			if math.Float32bits(canon(float32(d[0]))) != w {
				t.Errorf("float64 op %d of %g and %g: %g", r.op, r.a, r.b, d[0])
			}
		}
		y := []float32{0, 0, 0, 0, 0}
		Clamp(y, []float32{nz, nan, inf, -inf, 0.5}, 0, 1)
		for i, w := range []float32{nz, nan, 1, 0, 0.5} {
			if math.Float32bits(y[i]) != math.Float32bits(canon(w)) {
				t.Errorf("Clamp: element %d is %x", i, y[i])
			}
		}
		Where(y, []float32{nan, 0, nz, 1, -1}, []float32{1, 1, 1, 1, 1}, []float32{2, 2, 2, 2, 2})
		for i, w := range []float32{1, 2, 2, 1, 1} {
			if y[i] != w {
				t.Errorf("Where: element %d is %g", i, y[i])
			}
		}
	})
}

// dst may be an input.
func TestInPlace(t *testing.T) {
	forEachKernel(t, func(t *testing.T) {
		const n = 77
		a, b, c := normals(5, n), normals(6, n), normals(7, n)
		rows := map[string]func(dst, x []float32){
			"Map":               func(d, x []float32) { Map(Tanh, d, x) },
			"Zip":               func(d, x []float32) { Zip(Sub, d, x, b) },
			"ZipScalar":         func(d, x []float32) { ZipScalar(Div, d, x, 3, true) },
			"MulAdd":            func(d, x []float32) { MulAdd(d, b, x, c) },
			"MulAddSiLU":        func(d, x []float32) { MulAddSiLU(d, b, x, c) },
			"SiLUGrad":          func(d, x []float32) { SiLUGrad(d, x, b) },
			"SoftmaxRow":        func(d, x []float32) { SoftmaxRow(d, x) },
			"LogSoftmaxRow":     func(d, x []float32) { LogSoftmaxRow(d, x) },
			"SoftmaxGradRow":    func(d, x []float32) { SoftmaxGradRow(d, b, x) },
			"LogSoftmaxGradRow": func(d, x []float32) { LogSoftmaxGradRow(d, b, x) },
			"LayerNormRow":      func(d, x []float32) { LayerNormRow(d, x, b, c, 1e-5) },
			"LayerNormGradRow":  func(d, x []float32) { LayerNormGradRow(d, x, b, c, 0.1, 2) },
			"AffineRows":        func(d, x []float32) { AffineRows(d, x, b[:7], c[:7]) },
			"AffineGradRows":    func(d, x []float32) { AffineGradRows(d, b, x, c[:11], b[:11], a[:11], c[:11]) },
		}
		for name, f := range rows {
			want, x := make([]float32, n), append([]float32{}, a...)
			f(want, a)
			f(x, x)
			for i := range x {
				if x[i] != want[i] {
					t.Fatalf("%s in place: element %d is %g, want %g", name, i, x[i], want[i])
				}
			}
		}
	})
}

func TestNoAllocation(t *testing.T) {
	forEachKernel(t, func(t *testing.T) {
		const n = 600
		x, y, z := normals(8, n), normals(9, n), make([]float32, n)
		if k := testing.AllocsPerRun(5, func() {
			Map(Sin, z, x)
			Zip(Add, z, x, y)
			ZipScalar(Sub, z, x, 2, true)
			ZipRow(Mul, z, x, y[:6], false)
			AffineSiLURows(z, x, y[:6], y[:6])
			AffineGradRows(z, x, y, x[:6], x[:6], x[:6], x[:6])
			SoftmaxRow(z, x)
			LogSoftmaxRow(z, x)
			LayerNormRow(z, x, y, y, 1e-5)
			LayerNormGradRow(z, x, y, y, 0, 1)
			z[0] = Sum(x) + Dot(x, y) + Max(x) + AbsMax(x) + SumExp(x, 1)
		}); k != 0 {
			t.Errorf("%g allocations", k)
		}
	})
}
