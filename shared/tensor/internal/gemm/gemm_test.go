package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// everyWay runs f with every instruction set of this machine and several numbers of threads.
func everyWay(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer func() {
		if err := cpu.Set("auto"); err != nil {
			t.Fatal(err)
		}
		pool.SetThreads(0)
	}()
	for _, isa := range cpu.Available() {
		for _, threads := range []int{1, 2, 8} {
			if isa == cpu.Portable && threads == 2 {
				continue
			}
			if err := cpu.Set(isa.String()); err != nil {
				t.Fatal(err)
			}
			pool.SetThreads(threads)
			t.Run(fmt.Sprintf("%s-%d", isa, threads), f)
		}
	}
}

// random returns n values of both signs and of several magnitudes, some of them zero.
func random[T Float](r *rand.Rand, n int) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = T(float32(r.NormFloat64()))
		switch r.IntN(40) {
		case 0:
			s[i] = 0
		case 1:
			s[i] *= 1e-20
		}
	}
	return s
}

// poison fills a result with NaN, so that an element that is not written shows.
func poison[T Float](n int) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = T(math.NaN())
	}
	return s
}

func sameBits[T Float](t *testing.T, what string, got, want []T) {
	t.Helper()
	for i := range want {
		if math.Float64bits(float64(got[i])) != math.Float64bits(float64(want[i])) {
			t.Fatalf("%s: element %d of %d is %v, want %v", what, i, len(want), got[i], want[i])
		}
	}
}

// marks is an epilogue that counts how often each element was finished and adds 1 to it.
type marks[T Float] struct {
	seen []int32
	n    int
}

func (m *marks[T]) Finish(c []T, ld, row, col, rows, cols int) {
	if len(c) != (rows-1)*ld+cols {
		panic(fmt.Sprintf("%d elements for %d rows of %d with stride %d", len(c), rows, cols, ld))
	}
	for r := range rows {
		for j := range cols {
			m.seen[(row+r)*m.n+col+j]++
			c[r*ld+j]++
		}
	}
}

func (m *marks[T]) check(t *testing.T, what string, got, plain []T) {
	t.Helper()
	for i, n := range m.seen {
		if n != 1 {
			t.Fatalf("%s: element %d was finished %d times, want once", what, i, n)
		}
		plain[i]++
	}
	sameBits(t, what, got, plain)
}

func TestLayoutOfTile(t *testing.T) {
	var a tile
	var s segment
	rows := []struct {
		name      string
		got, want uintptr
	}{
		{"a", unsafe.Offsetof(a.a), 0}, {"b", unsafe.Offsetof(a.b), 8}, {"c", unsafe.Offsetof(a.c), 16},
		{"segs", unsafe.Offsetof(a.segs), 24}, {"rowA", unsafe.Offsetof(a.rowA), 32},
		{"rowC", unsafe.Offsetof(a.rowC), 40}, {"nseg", unsafe.Offsetof(a.nseg), 48},
		{"strideA", unsafe.Offsetof(a.strideA), 56}, {"strideB", unsafe.Offsetof(a.strideB), 64},
		{"panelB", unsafe.Offsetof(a.panelB), 72}, {"add", unsafe.Offsetof(a.add), 80},
		{"mask", unsafe.Offsetof(a.mask), 104}, {"pack", unsafe.Offsetof(a.pack), 112},
		{"ahead", unsafe.Offsetof(a.ahead), 120}, {"save", unsafe.Offsetof(a.save), 128},
		{"bias", unsafe.Offsetof(a.bias), 136}, {"residual", unsafe.Offsetof(a.residual), 144},
		{"fetch", unsafe.Offsetof(a.fetch), 152}, {"fetchPanel", unsafe.Offsetof(a.fetchPanel), 160},
		{"offB", unsafe.Offsetof(s.offB), 8}, {"n", unsafe.Offsetof(s.n), 16}, {"end", unsafe.Offsetof(s.end), 20},
		{"segment", unsafe.Sizeof(s), 24},
	}
	for _, r := range rows {
		if unsafe.Sizeof(uintptr(0)) == 8 && r.got != r.want {
			t.Errorf("%s lies at %d, the assembly expects %d", r.name, r.got, r.want)
		}
	}
}

// products are shapes of matrix products: M, N, K.
var products = [][3]int{
	{0, 5, 3}, {3, 0, 2}, {3, 5, 0}, {1, 1, 1}, {1, 16, 256}, {1, 100, 300}, {2, 33, 257}, {5, 48, 64}, {7, 17, 19},
	{8, 48, 512}, {9, 31, 5}, {13, 64, 70}, {15, 80, 513}, {17, 112, 40}, {50, 16, 30}, {64, 64, 64}, {49, 130, 33},
}

func TestMatMul(t *testing.T) {
	type row struct {
		p       Product
		a, b, c []float32
		a64     []float64
		b64     []float64
		c64     []float64
	}
	var rows []row
	r := rand.New(rand.NewPCG(3, 4))
	for _, s := range products {
		for trans := range 4 {
			p := Product{M: s[0], N: s[1], K: s[2], TransA: trans&1 != 0, TransB: trans&2 != 0}
			w := row{p: p, a: random[float32](r, p.M*p.K), b: random[float32](r, p.K*p.N), c: make([]float32, p.M*p.N)}
			refMatMul(w.c, w.a, w.b, p)
			w.a64, w.b64, w.c64 = widen(w.a), widen(w.b), make([]float64, p.M*p.N)
			refMatMul(w.c64, w.a64, w.b64, p)
			rows = append(rows, w)
		}
	}
	everyWay(t, func(t *testing.T) {
		for _, w := range rows {
			p := w.p
			name := fmt.Sprintf("%+v", p)
			got := poison[float32](p.M * p.N)
			MatMul(got, w.a, w.b, p, nil)
			sameBits(t, name, got, w.c)

			m := &marks[float32]{seen: make([]int32, p.M*p.N), n: p.N}
			packed := PackB(w.b, p.K, p.N, 0, p.TransB)
			got = poison[float32](p.M * p.N)
			MatMulPacked[float32](got, w.a, packed, p, m)
			m.check(t, name+" packed", got, append([]float32(nil), w.c...))

			got64 := poison[float64](p.M * p.N)
			MatMul(got64, w.a64, w.b64, p, nil)
			sameBits(t, name+" float64", got64, w.c64)
		}
	})
}

func widen(s []float32) []float64 {
	d := make([]float64, len(s))
	for i, v := range s {
		d[i] = float64(v)
	}
	return d
}

// A product large enough for several parts, with strides that make A be copied.
func TestMatMulLarge(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, p := range []Product{
		{M: 203, N: 150, K: 1024}, {M: 100, N: 300, K: 1536, TransA: true}, {M: 512, N: 128, K: 260, TransA: true},
		{M: 70, N: 530, K: 256, TransB: true},
	} {
		a, b := random[float32](r, p.M*p.K), random[float32](r, p.K*p.N)
		want := make([]float32, p.M*p.N)
		for _, isa := range cpu.Available() {
			if isa == cpu.Portable {
				continue
			}
			for _, threads := range []int{1, 2, 8} {
				if err := cpu.Set(isa.String()); err != nil {
					t.Fatal(err)
				}
				pool.SetThreads(threads)
				got := poison[float32](p.M * p.N)
				MatMul(got, a, b, p, nil)
				if want[0] == 0 {
					copy(want, got)
					for range 300 {
						i, j := r.IntN(p.M), r.IntN(p.N)
						if w := refElement(a, b, p, i, j); w != got[i*p.N+j] {
							t.Fatalf("%+v: element (%d, %d) is %v, want %v", p, i, j, got[i*p.N+j], w)
						}
					}
				}
				sameBits(t, fmt.Sprintf("%+v %s %d threads", p, isa, threads), got, want)
			}
		}
	}
	pool.SetThreads(0)
	if err := cpu.Set("auto"); err != nil {
		t.Fatal(err)
	}
}

// refElement is one element of a product in the stated order.
func refElement(a, b []float32, p Product, i, j int) float32 {
	sa, sb, ia, ib := 1, p.N, i*p.K, j
	if p.TransA {
		sa, ia = p.M, i
	}
	if p.TransB {
		sb, ib = 1, j*p.K
	}
	return sum(p.K, func(k int) bool { return k%BlockK == BlockK-1 },
		func(k int) (float32, float32) { return a[ia+k*sa], b[ib+k*sb] })
}

func TestBatches(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	everyWay(t, func(t *testing.T) {
		for _, batch := range []int{2, 5, 40} {
			for _, p := range []Product{
				{M: 7, N: 20, K: 12, LDA: 15, LDB: 33, LDC: 22, Batch: batch, StrideA: 150, StrideB: 500, StrideC: 170},
				{M: 7, N: 20, K: 12, TransB: true, LDB: 13, Batch: batch, StrideA: 84, StrideB: 260, StrideC: 140},
				{M: 6, N: 32, K: 10, Batch: batch, StrideA: 60, StrideC: 192},
				{M: 6, N: 32, K: 10, TransA: true, Batch: batch, StrideA: 64, StrideC: 200},
			} {
				a, b := random[float32](r, batch*150), random[float32](r, max(batch*500, 330))
				want, got := poison[float32](batch*200), poison[float32](batch*200)
				refMatMul(want, a, b, p)
				MatMul(got, a, b, p, nil)
				for s := range batch {
					for i := range p.M {
						o := s*p.StrideC + i*orTight(p.LDC, p.N)
						sameBits(t, fmt.Sprintf("%+v", p), got[o:o+p.N], want[o:o+p.N])
					}
				}
			}
		}
	})
}

// Row i of a product equals the product of row i alone, to the bit.
func TestRowAloneEqualsRowInBatch(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const k, n = 700, 100
	a, b := random[float32](r, 33*k), random[float32](r, k*n)
	packed := PackB(b, k, n, 0, false)
	all := make([]float32, 33*n)
	MatMul(all, a, b, Product{M: 33, N: n, K: k}, nil)
	for i := range 33 {
		got := poison[float32](n)
		MatMulPacked(got, a[i*k:(i+1)*k], packed, Product{M: 1, N: n, K: k}, nil)
		sameBits(t, fmt.Sprintf("row %d", i), got, all[i*n:(i+1)*n])
	}
}

// Random shapes, transpositions, instruction sets and threads, against the stated order to the bit and
// against float64 in norm.
func TestMatMulOfRandomShapes(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	defer pool.SetThreads(0)
	defer func() { _ = cpu.Set("auto") }()
	isas := cpu.Available()
	for i := range 160 {
		p := Product{M: 1 + r.IntN(40), N: 1 + r.IntN(120), K: 1 + r.IntN(600)}
		if i%4 == 0 { // few rows, many panels
			p.M, p.N = 1+r.IntN(5), 1+r.IntN(700)
		}
		p.TransA, p.TransB = r.IntN(2) == 0, r.IntN(2) == 0
		if err := cpu.Set(isas[r.IntN(len(isas))].String()); err != nil {
			t.Fatal(err)
		}
		pool.SetThreads(1 + r.IntN(4))
		a, b := random[float32](r, p.M*p.K), random[float32](r, p.K*p.N)
		want, got := make([]float32, p.M*p.N), poison[float32](p.M*p.N)
		refMatMul(want, a, b, p)
		MatMul(got, a, b, p, nil)
		name := fmt.Sprintf("%+v on %s", p, cpu.Active())
		sameBits(t, name, got, want)

		exact := make([]float64, p.M*p.N)
		refMatMul(exact, widen(a), widen(b), p)
		diff, norm := 0.0, 0.0
		for i, v := range exact {
			diff += (v - float64(got[i])) * (v - float64(got[i]))
			norm += v * v
		}
		if diff > 1e-12*norm {
			t.Fatalf("%s: relative error %g, want at most 1e-6", name, math.Sqrt(diff/norm))
		}
	}
}

func TestMisfitsPanic(t *testing.T) {
	rows := []struct {
		name string
		f    func()
	}{
		{"short A", func() {
			MatMul(make([]float32, 4), make([]float32, 3), make([]float32, 4), Product{M: 2, N: 2, K: 2}, nil)
		}},
		{"stride below the row", func() {
			MatMul(make([]float32, 4), make([]float32, 9), make([]float32, 4), Product{M: 2, N: 2, K: 2, LDA: 1}, nil)
		}},
		{"packed operand of another shape", func() {
			MatMulPacked(make([]float32, 4), make([]float32, 4), NewPacked[float32](3, 2), Product{M: 2, N: 2, K: 2}, nil)
		}},
		{"kernel larger than the picture", func() {
			Conv2D(nil, make([]float32, 4), make([]float32, 9), Conv{N: 1, H: 2, W: 2, Ci: 1, Co: 1, KH: 3, KW: 3}, nil)
		}},
		{"short weights", func() {
			c := Conv{N: 1, H: 2, W: 2, Ci: 1, Co: 1, KH: 2, KW: 2}
			Conv2D(make([]float32, 1), make([]float32, 4), make([]float32, 3), c, nil)
		}},
		{"weights packed for another stride", func() {
			c := Conv{N: 1, H: 2, W: 2, Ci: 1, Co: 1, KH: 2, KW: 2}
			w := PackInputGrad(make([]float32, 4), c)
			c.StrideH = 2
			InputGradPacked(make([]float32, 4), make([]float32, 1), w, c, nil)
		}},
	}
	for _, row := range rows {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", row.name)
				}
			}()
			row.f()
		}()
	}
}
