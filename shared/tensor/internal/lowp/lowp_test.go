package lowp

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// eachSet runs f with every kernel set of this CPU and puts the choice back.
func eachSet(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	before := cpu.Active().String()
	defer func() { _ = cpu.Set(before) }()
	for _, isa := range cpu.Available() {
		if err := cpu.Set(isa.String()); err != nil {
			t.Fatal(err)
		}
		t.Run(isa.String(), f)
	}
}

// normals are n numbers of standard deviation 1.
func normals(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// same says whether two results agree bit for bit, NaNs apart.
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || (a != a && b != b)
}

func TestLayoutOfTile(t *testing.T) {
	var v tile
	for name, at := range map[string][2]uintptr{
		"a": {unsafe.Offsetof(v.a), 0}, "b": {unsafe.Offsetof(v.b), 8}, "c": {unsafe.Offsetof(v.c), 16},
		"strideA": {unsafe.Offsetof(v.strideA), 24}, "panelB": {unsafe.Offsetof(v.panelB), 32},
		"stride": {unsafe.Offsetof(v.stride), 40}, "lines": {unsafe.Offsetof(v.lines), 48},
		"scale": {unsafe.Offsetof(v.scale), 56}, "start": {unsafe.Offsetof(v.start), 64},
		"rowScale": {unsafe.Offsetof(v.rowScale), 72}, "bias": {unsafe.Offsetof(v.bias), 80},
		"ahead": {unsafe.Offsetof(v.ahead), 88},
	} {
		if at[0] != at[1] {
			t.Errorf("%s lies at %d, the assembly thinks at %d", name, at[0], at[1])
		}
	}
}

// reference is a product by the definition of the package comment, written without its helpers.
func reference(f Format, a, b, bias []float32, m, k, n int) []float32 {
	c := make([]float32, m*n)
	column, row := make([]float32, k), make([]float32, k)
	for i := range m {
		for j := range n {
			for l := range k {
				row[l], column[l] = a[i*k+l], b[l*n+j]
			}
			var v float32
			if f == Int8 {
				qa, sa := referenceInt8(row)
				qb, sb := referenceInt8(column)
				var sum int64
				for l := range k {
					sum += qa[l] * qb[l]
				}
				s := sa * sb
				v = float32(sum) * s
			} else {
				v = referenceBF16(row, column)
			}
			if bias != nil {
				x := float32(v) + bias[j]
				v = x
			}
			c[i*n+j] = v
		}
	}
	return c
}

func referenceInt8(x []float32) (q []int64, scale float32) {
	q = make([]int64, len(x))
	var m float32
	for _, v := range x {
		if v != v || math.IsInf(float64(v), 0) {
			return q, float32(math.NaN())
		}
		m = max(m, float32(math.Abs(float64(v))))
	}
	if m < float32(math.Pow(2, -100)) {
		return q, 0
	}
	inv := 127 / m
	for i, v := range x {
		p := v * inv
		q[i] = int64(math.RoundToEven(float64(p)))
	}
	return q, m / 127
}

// referenceBF16 rounds by float64 arithmetic and sums with flushing.
func referenceBF16(x, w []float32) float32 {
	zero := func(v float64) float64 {
		if math.Abs(v) < math.Pow(2, -126) {
			return math.Copysign(0, v)
		}
		return v
	}
	bf16 := func(v float32) float64 {
		d := float64(v)
		if d == 0 || d != d || math.IsInf(d, 0) {
			return d
		}
		e := math.Max(math.Floor(math.Log2(math.Abs(d))), -126)
		ulp := math.Pow(2, e-7)
		d = math.Copysign(math.RoundToEven(math.Abs(d)/ulp)*ulp, d)
		if math.Abs(d) > math.MaxFloat32 {
			return math.Inf(int(math.Copysign(1, d)))
		}
		return zero(d)
	}
	at := func(s []float32, i int) float64 {
		if i >= len(s) {
			return 0
		}
		return bf16(s[i])
	}
	var acc float64
	for l := 0; l < len(x); l += 2 {
		for _, i := range []int{l + 1, l} {
			acc = zero(fused32(at(x, i), at(w, i), acc))
		}
	}
	return float32(acc)
}

// fused32 is x*w + acc rounded once to float32.
func fused32(x, w, acc float64) float64 {
	for _, v := range []float64{x, w, acc} {
		if v != v || math.IsInf(v, 0) || v == 0 {
			return float64(float32(x*w + acc)) // exact, or no numbers
		}
	}
	sum := new(big.Float).SetPrec(600).SetFloat64(x)
	sum.Mul(sum, new(big.Float).SetFloat64(w))
	sum.Add(sum, new(big.Float).SetFloat64(acc))
	if sum.Sign() == 0 {
		return 0
	}
	f, _ := sum.SetPrec(24).Float64() // 24 bits at any exponent; what is denormal is flushed
	if math.Abs(f) > math.MaxFloat32 {
		return math.Inf(int(math.Copysign(1, f)))
	}
	return f
}

func TestProduct(t *testing.T) {
	shapes := [][3]int{{1, 1, 1}, {1, 5, 16}, {2, 7, 33}, {3, 64, 70}, {7, 130, 48}, {9, 31, 65}, {17, 384, 100},
		{70, 40, 130}, {25, 66, 200}, {1, 384, 1152}, {16, 96, 640}, {129, 9, 20}, {20, 0, 5}}
	for _, f := range []Format{Int8, BF16} {
		for _, s := range shapes {
			m, k, n := s[0], s[1], s[2]
			a, b, bias := normals(1, m*k), normals(2, k*n), normals(3, n)
			want := reference(f, a, b, bias, m, k, n)
			w := Pack(f, b, k, n, false)
			turned := make([]float32, k*n)
			for i := range k {
				for j := range n {
					turned[j*k+i] = b[i*n+j]
				}
			}
			w2 := Pack(f, turned, k, n, true)
			eachSet(t, func(t *testing.T) {
				for _, threads := range []int{1, 2, 8} {
					pool.SetThreads(threads)
					var rows Rows
					rows.From(f, a, m, k)
					for i, w := range []*Weights{w, w2} {
						c := make([]float32, m*n)
						p := Product{C: c, A: &rows, B: w, Bias: bias}
						if i == 1 {
							p.A, p.X, p.M = nil, a, m
						}
						p.Run()
						for i := range c {
							if !same(c[i], want[i]) {
								t.Fatalf("%s %v, %d threads: element %d is %g, want %g", f, s, threads, i, c[i], want[i])
							}
						}
					}
				}
				pool.SetThreads(0)
			})
		}
	}
}

// TestSpecial holds bf16 products of zeros, denormals, infinities, NaN and the largest numbers against the definition.
func TestSpecial(t *testing.T) {
	const m, k, n = 40, 24, 64
	r := rand.New(rand.NewPCG(5, 5))
	odd := []float32{0, float32(math.Copysign(0, -1)), 0x1p-126, 0x1p-127, -0x1p-130, 0x1p-64, -0x1p-63, 0x1.8p-65,
		math.MaxFloat32, -math.MaxFloat32, 0x1.FEp127, 0x1p64, -0x1p63, 1, -1, 0x1.FFFFFEp-127, 0x1p-133, 0x1.01p-126}
	fill := func(x []float32, infinite float64) {
		for i := range x {
			switch u := r.Float64(); {
			case u < infinite:
				x[i] = []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}[r.IntN(3)]
			case u < 0.5:
				x[i] = odd[r.IntN(len(odd))]
			default: // any exponent
				x[i] = float32(math.Ldexp(r.Float64()*2-1, r.IntN(250)-125))
			}
		}
	}
	for _, infinite := range []float64{0, 0.01} {
		a, b := make([]float32, m*k), make([]float32, k*n)
		fill(a, infinite)
		fill(b, infinite)
		for i := range k * 4 { // some rows among denormals only
			a[i] = float32(math.Ldexp(r.Float64()*2-1, -60-r.IntN(8)))
		}
		for i := range b {
			if i%n < 16 {
				b[i] = float32(math.Ldexp(r.Float64()*2-1, -60-r.IntN(10)))
			}
		}
		want := reference(BF16, a, b, nil, m, k, n)
		w := Pack(BF16, b, k, n, false)
		eachSet(t, func(t *testing.T) {
			var rows Rows
			rows.From(BF16, a, m, k)
			c := make([]float32, m*n)
			p := Product{C: c, A: &rows, B: w}
			p.Run()
			bad := 0
			for i := range c {
				if !same(c[i], want[i]) {
					if bad++; bad < 5 {
						t.Errorf("element %d is %g (%x), want %g (%x)", i, c[i], math.Float32bits(c[i]), want[i],
							math.Float32bits(want[i]))
					}
				}
			}
			if bad > 0 {
				t.Errorf("%d of %d differ", bad, len(c))
			}
		})
	}
}

// TestTinySums looks at sums beside the smallest normal number: they are rounded to 24 bits before they are flushed.
func TestTinySums(t *testing.T) {
	for _, r := range []struct{ small, want float32 }{
		{0.25, 0x1p-126}, {0.5, 0x1p-126}, {0.5078125, 0}, {0.75, 0}, {1, 0}, {1.0078125, 0}, {2, 0},
	} {
		for sign := float32(-1); sign <= 1; sign += 2 { // sign * (2^-126 - small * 2^-150)
			a, b := []float32{-0x1p-75 * r.small, 0x1p-63}, make([]float32, 2*Width)
			for i := range Width {
				b[i], b[Width+i] = 0x1p-75*sign, 0x1p-63*sign
			}
			w := Pack(BF16, b, 2, Width, false)
			eachSet(t, func(t *testing.T) {
				var rows Rows
				rows.From(BF16, a, 1, 2)
				c := make([]float32, Width)
				p := Product{C: c, A: &rows, B: w}
				p.Run()
				if want := r.want * sign; !same(c[3], want) {
					t.Errorf("%g: %g, want %g", r.small, c[3], want)
				}
			})
		}
	}
}

// TestNotFinite checks that a row with NaN or infinity is NaN alone, that a zero row is zero, and the same of columns.
func TestNotFinite(t *testing.T) {
	const m, k, n = 5, 40, 33
	a, b := normals(1, m*k), normals(2, k*n)
	a[0*k+3], a[2*k+17] = float32(math.NaN()), float32(math.Inf(-1))
	clear(a[3*k : 4*k])
	b[7*n+20] = float32(math.Inf(1))
	w := Pack(Int8, b, k, n, false)
	eachSet(t, func(t *testing.T) {
		var rows Rows
		rows.From(Int8, a, m, k)
		c := make([]float32, m*n)
		p := Product{C: c, A: &rows, B: w}
		p.Run()
		for i := range m {
			for j := range n {
				v := c[i*n+j]
				switch bad := i == 0 || i == 2 || j == 20; {
				case bad != (v != v):
					t.Fatalf("element %d, %d is %g", i, j, v)
				case i == 3 && !bad && v != 0:
					t.Fatalf("element %d, %d is %g, want 0", i, j, v)
				}
			}
		}
	})
}

// TestRounding holds the narrowing of rows in every kernel set against portable code.
func TestRounding(t *testing.T) {
	x := normals(9, 3*113)
	x[5], x[6], x[7], x[120] = 0x1.01p0, 0x1.03p0, -0x1.01p0, math.MaxFloat32
	for i := range 113 {
		x[226+i] = float32(i-56) / 112 * 127 // ties among them
	}
	for _, f := range []Format{Int8, BF16} {
		var want Rows
		_ = cpu.Set("portable")
		want.From(f, x, 3, 113)
		_ = cpu.Set("auto")
		eachSet(t, func(t *testing.T) {
			var got Rows
			got.From(f, x, 3, 113)
			if string(got.Row(0)) != string(want.Row(0)) || string(got.Row(1)) != string(want.Row(1)) ||
				string(got.Row(2)) != string(want.Row(2)) || fmt.Sprint(got.Scale) != fmt.Sprint(want.Scale) {
				t.Errorf("%s: rows differ", f)
			}
		})
	}
	for u := range 1 << 16 {
		if v := FromBF16(uint16(u)); v == v && ToBF16(v) != uint16(u) {
			t.Fatalf("bf16 %#x does not survive", u)
		}
	}
}

// TestIntegerOverflow checks the largest sums.
func TestIntegerOverflow(t *testing.T) {
	const k, n = MaxK, 16
	a, b := make([]float32, k), make([]float32, k*n)
	for i := range a {
		a[i] = 1
	}
	for i := range b {
		b[i] = float32(1 - i%2*2)
	}
	w := Pack(Int8, b, k, n, false)
	eachSet(t, func(t *testing.T) {
		var rows Rows
		rows.From(Int8, a, 1, k)
		c := make([]float32, n)
		p := Product{C: c, A: &rows, B: w}
		p.Run()
		for j, v := range c {
			if want := float64(k) * float64(1-j%2*2); math.Abs(float64(v)-want) > 1e-6*k {
				t.Errorf("column %d: %g, want %g", j, v, want)
			}
		}
	})
}

// TestAccuracy pins the norm-wise error of products of normals against float64; the doc comments of package tensor
// state these bounds.
func TestAccuracy(t *testing.T) {
	for _, k := range []int{64, 384, 1536, 4096} {
		const m, n = 32, 32
		a, b := normals(uint64(k), m*k), normals(uint64(k)+1, k*n)
		exact := make([]float64, m*n)
		for i := range m {
			for j := range n {
				for l := range k {
					exact[i*n+j] += float64(a[i*k+l]) * float64(b[l*n+j])
				}
			}
		}
		for f, bound := range map[Format]float64{Int8: 0.015, BF16: 0.0027} {
			var rows Rows
			rows.From(f, a, m, k)
			c := make([]float32, m*n)
			p := Product{C: c, A: &rows, B: Pack(f, b, k, n, false)}
			p.Run()
			var diff, norm float64
			for i, v := range c {
				d := float64(v) - exact[i]
				diff += d * d
				norm += exact[i] * exact[i]
			}
			if e := math.Sqrt(diff / norm); e > bound {
				t.Errorf("%s, K = %d: error %.5f, want at most %g", f, k, e, bound)
			} else {
				t.Logf("%s, K = %d: error %.5f", f, k, e)
			}
		}
	}
}

// TestThen holds norm and narrowing of whole rows, with and without a result, against single steps.
func TestThen(t *testing.T) {
	for _, s := range [][3]int{{1, 64, 48}, {16, 96, 640}, {64, 128, 384}, {130, 64, 200}} {
		m, k, n := s[0], s[1], s[2]
		a, b := normals(1, m*k), normals(2, k*n)
		gamma, beta := normals(3, n), normals(4, n)
		for _, f := range []Format{Int8, BF16} {
			var rows, out, want Rows
			w := Pack(f, b, k, n, false)
			rows.From(f, a, m, k)
			plain, normed := make([]float32, m*n), make([]float32, m*n)
			p := Product{C: plain, A: &rows, B: w}
			p.Run()
			want.Normed(f, normed, plain, m, n, gamma, beta, 1e-5)
			for _, threads := range []int{1, 2, 8} {
				pool.SetThreads(threads)
				for _, c := range [][]float32{make([]float32, m*n), nil} {
					p := Product{C: c, A: &rows, B: w, Then: Then{Gamma: gamma, Beta: beta, Eps: 1e-5, Out: &out, Format: f}}
					p.Run()
					for i := range c {
						if !same(c[i], normed[i]) {
							t.Fatalf("%s %v: norm %d is %g, want %g", f, s, i, c[i], normed[i])
						}
					}
					for i := range m {
						if string(out.Row(i)) != string(want.Row(i)) {
							t.Fatalf("%s %v, %d threads: row %d differs", f, s, threads, i)
						}
					}
				}
			}
			pool.SetThreads(0)
		}
	}
}

// TestInstructions checks on a CPU that has them that the wide kernels are in use.
func TestInstructions(t *testing.T) {
	for _, f := range []Format{Int8, BF16} {
		t.Logf("%s: %+v, peak of a thread %.0f GOP/s", f, kernelsFor(f).accumulators, Peak(f))
	}
}
