package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// sparsely returns n values of which about a share is not zero; zeros have both signs.
func sparsely(r *rand.Rand, n int, share float64) []float32 {
	s := random[float32](r, n)
	for i := range s {
		if r.Float64() >= share {
			s[i] = float32(math.Copysign(0, r.Float64()-0.5))
		}
	}
	return s
}

// checkSparse compares the product that leaves out zeros with the whole one, of unpacked and packed operands.
func checkSparse(t *testing.T, a, b []float32, p Product) {
	t.Helper()
	what := fmt.Sprintf("%+v", p)
	want, wantEp := poison[float32](p.M*p.N), &marks[float32]{seen: make([]int32, p.M*p.N), n: p.N}
	MatMul(want, a, b, p, wantEp)
	for _, packed := range []*Packed[float32]{nil, PackB(b, p.K, p.N, 0, p.TransB)} {
		got, ep := poison[float32](p.M*p.N), &marks[float32]{seen: make([]int32, p.M*p.N), n: p.N}
		MatMulSparse(got, a, b, packed, p, ep)
		for i := range want {
			g, w := math.Float32bits(got[i]), math.Float32bits(want[i])
			if g != w && !(got[i] != got[i] && want[i] != want[i]) { // payloads of NaN are not specified
				t.Fatalf("%s: element %d is %v (%08x), want %v (%08x)", what, i, got[i], g, want[i], w)
			}
		}
		for i, n := range ep.seen {
			if n != 1 {
				t.Fatalf("%s: element %d was finished %d times", what, i, n)
			}
		}
	}
}

func TestSparseIsWhole(t *testing.T) {
	everyWay(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, s := range [][3]int{{16, 300, 40}, {17, 256, 784}, {33, 520, 17}, {100, 70, 500}, {1, 600, 900}, {50, 1, 7000}, {61, 290, 130},
			{40, 300, 200}} {
			for _, share := range []float64{0, 0.02, 0.2, 0.5, 0.8, 1} {
				for form := range 4 {
					p := Product{M: s[0], K: s[1], N: s[2], TransA: form&1 != 0, TransB: form&2 != 0}
					checkSparse(t, sparsely(r, p.M*p.K, share), random[float32](r, p.K*p.N), p)
				}
			}
		}
	})
}

// What is not finite meets zeros, which must be computed then; sums that become -0 must not stay so.
func TestSparseOfOddNumbers(t *testing.T) {
	everyWay(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		p := Product{M: 40, K: 300, N: 170}
		for range 4 {
			a, b := sparsely(r, p.M*p.K, 0.2), random[float32](r, p.K*p.N)
			b[r.IntN(len(b))] = float32(math.Inf(1))
			checkSparse(t, a, b, p)
			b[r.IntN(len(b))] = float32(math.NaN())
			checkSparse(t, a, b, p)
		}
		for range 4 {
			a, b := sparsely(r, p.M*p.K, 0.01), random[float32](r, p.K*p.N)
			for i := range a {
				a[i] *= 1e-30
			}
			for i := range b {
				b[i] *= 1e-30
			}
			checkSparse(t, a, b, p)
			a[r.IntN(len(a))] = float32(math.Inf(-1))
			a[r.IntN(len(a))] = float32(math.NaN())
			checkSparse(t, a, b, p)
		}
	})
}

func TestListedLayout(t *testing.T) {
	var l listed
	var s scan
	var i inspection
	for _, f := range []struct {
		name      string
		got, want uintptr
	}{
		{"b", unsafe.Offsetof(l.b), 0}, {"panel", unsafe.Offsetof(l.panel), 8}, {"at", unsafe.Offsetof(l.at), 16},
		{"values", unsafe.Offsetof(l.values), 24}, {"n", unsafe.Offsetof(l.n), 32}, {"add", unsafe.Offsetof(l.add), 40},
		{"mask", unsafe.Offsetof(l.mask), 48}, {"negative", unsafe.Offsetof(l.negative), 56},
		{"bias", unsafe.Offsetof(l.bias), 64}, {"c", unsafe.Offsetof(l.c), 72}, {"room", 4 * listBlock, 4 * (256 + 16)},
		{"scan a", unsafe.Offsetof(s.a), 0}, {"scan row", unsafe.Offsetof(s.row), 8}, {"scan n", unsafe.Offsetof(s.n), 16},
		{"scan at", unsafe.Offsetof(s.at), 24}, {"scan values", unsafe.Offsetof(s.values), 32},
		{"scan from", unsafe.Offsetof(s.from), 40}, {"scan step", unsafe.Offsetof(s.step), 48},
		{"scan count", unsafe.Offsetof(s.count), 56}, {"look b", unsafe.Offsetof(i.b), 0},
		{"look row", unsafe.Offsetof(i.row), 8}, {"look lines", unsafe.Offsetof(i.lines), 16},
		{"look panels", unsafe.Offsetof(i.panels), 24}, {"look mask", unsafe.Offsetof(i.mask), 32},
		{"look top", unsafe.Offsetof(i.top), 40}, {"look copy", unsafe.Offsetof(i.copy), 48},
		{"look copyRow", unsafe.Offsetof(i.copyRow), 56},
	} {
		if f.got != f.want {
			t.Errorf("%s is at %d, the assembly has %d", f.name, f.got, f.want)
		}
	}
}

// FuzzSparse compares products of any shape and density.
func FuzzSparse(f *testing.F) {
	f.Add(uint64(1), uint8(20), uint16(300), uint16(100), uint8(50), uint8(0))
	f.Add(uint64(2), uint8(99), uint16(257), uint16(784), uint8(10), uint8(1))
	f.Add(uint64(3), uint8(31), uint16(512), uint16(33), uint8(128), uint8(6))
	f.Fuzz(func(t *testing.T, seed uint64, m uint8, k, n uint16, share, form uint8) {
		r := rand.New(rand.NewPCG(seed, 0))
		p := Product{M: int(m) + 1, K: int(k)%700 + 1, N: int(n)%900 + 1, TransA: form&1 != 0, TransB: form&2 != 0}
		a, b := sparsely(r, p.M*p.K, float64(share)/255), random[float32](r, p.K*p.N)
		if form&4 != 0 {
			for i := range b {
				b[i] *= 1e-35
			}
		}
		checkSparse(t, a, b, p)
	})
}

func BenchmarkSparse(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range []struct {
		name   string
		p      Product
		share  float64
		packed bool
	}{
		{"up", Product{M: 100, K: 784, N: 500}, 0.19, false}, {"up", Product{M: 100, K: 784, N: 500}, 0.13, false},
		{"down", Product{M: 100, K: 500, N: 784, TransB: true}, 0.3, false},
		{"down", Product{M: 100, K: 500, N: 784, TransB: true}, 0.5, false},
		{"grad", Product{M: 784, K: 200, N: 500, TransA: true}, 0.16, false},
		{"grad", Product{M: 784, K: 200, N: 500, TransA: true}, 0.6, false},
	} {
		x, y, c := sparsely(r, s.p.M*s.p.K, s.share), random[float32](r, s.p.K*s.p.N), make([]float32, s.p.M*s.p.N)
		if s.share > 0.5 { // as of pictures and means: a half has no zeros, the other one every fifth column has none
			for i := range x {
				x[i] = 1
				if i < len(x)/2 && i%s.p.M/8%5 > 1 {
					x[i] = 0
				}
			}
		}
		name := fmt.Sprintf("%s/%.2f", s.name, s.share)
		b.Run(name+"/sparse", func(b *testing.B) {
			for b.Loop() {
				MatMulSparse(c, x, y, nil, s.p, nil)
			}
		})
		b.Run(name+"/whole", func(b *testing.B) {
			for b.Loop() {
				MatMul(c, x, y, s.p, nil)
			}
		})
	}
}
