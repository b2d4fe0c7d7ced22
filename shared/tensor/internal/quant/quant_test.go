package quant

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// normals is n numbers that the tag decides.
func normals(n, tag int) []float32 {
	x := make([]float32, n)
	rng.New(7).Normal(x, uint64(tag), uint32(n), rng.General)
	return x
}

// withKernels runs f on every kernel set.
func withKernels(t *testing.T, f func(t *testing.T)) {
	before := cpu.Active()
	defer func() { _ = cpu.Set(before.String()) }()
	for _, isa := range cpu.Available() {
		if err := cpu.Set(isa.String()); err != nil {
			t.Fatal(err)
		}
		t.Run(isa.String(), f)
	}
}

// random packs normals of [n, k] and returns the weights as the format has them.
func random(t *testing.T, kind Kind, n, k int) (*Packed, []float32) {
	t.Helper()
	raw := make([]byte, n*k/kind.Block()*kind.BlockBytes())
	kind.Quantize(raw, normals(n*k, 1))
	p, err := Pack(kind, raw, n, k)
	if err != nil {
		t.Fatal(err)
	}
	w := make([]float32, n*k)
	kind.Dequantize(w, raw)
	return p, w
}

// TestRow checks the repacked weights against the blocks.
func TestRow(t *testing.T) {
	for kind := range Kind(kinds) {
		const n, k = 37, 768
		p, w := random(t, kind, n, k)
		got := make([]float32, k)
		for i := range n {
			if p.Row(got, i); !slices.Equal(got, w[i*k:(i+1)*k]) {
				t.Fatalf("%s: row %d differs", kind, i)
			}
		}
	}
}

// TestProduct compares every kernel set, number of rows and of threads with the portable kernel, bit for bit, and that
// with the float64 product of the dequantised weights: the error comes from the digits of the rows.
func TestProduct(t *testing.T) {
	defer pool.SetThreads(0)
	for kind := range Kind(kinds) {
		for _, s := range [][3]int{{1, 5, 256}, {2, 37, 512}, {13, 100, 256}, {31, 131, 1024}} {
			m, n, k := s[0], s[1], s[2]
			if kind == Q80 || kind == Q40 {
				k += 32
			}
			t.Run(fmt.Sprintf("%s/%dx%dx%d", kind, m, n, k), func(t *testing.T) {
				w, dense := random(t, kind, n, k)
				x := normals(m*k, 2)
				var want []float32
				before := cpu.Active()
				if err := cpu.Set("portable"); err != nil {
					t.Fatal(err)
				}
				want = product(x, m, w)
				_ = cpu.Set(before.String())
				checkError(t, want, x, dense, m, n, k)
				withKernels(t, func(t *testing.T) {
					for threads := 1; threads <= 3; threads++ {
						pool.SetThreads(threads)
						if got := product(x, m, w); !slices.Equal(got, want) {
							t.Fatalf("%d threads differ from portable Go", threads)
						}
					}
					for r := range m {
						one := product(x[r*k:(r+1)*k], 1, w)
						if !slices.Equal(one, want[r*n:(r+1)*n]) {
							t.Fatalf("row %d alone differs", r)
						}
					}
				})
			})
		}
	}
}

func product(x []float32, m int, w *Packed) []float32 {
	rows := NewRows(m, w.K())
	rows.Quantize(0, x)
	c := make([]float32, m*w.N())
	for i := range c {
		c[i] = float32(math.NaN())
	}
	MatMul(c, rows, m, w, nil)
	return c
}

// checkError bounds the norm of the error by 0.9 % of the result's, where there are enough results for it to be steady:
// normals of magnitude up to about 2.6 in steps of 32 are rounded to multiples of 2.6/127, with a root mean square of
// 0.6 %.
func checkError(t *testing.T, got, x, w []float32, m, n, k int) {
	t.Helper()
	var diff, norm float64
	for r := range m {
		for o := range n {
			var sum float64
			for i := range k {
				sum += float64(x[r*k+i]) * float64(w[o*k+i])
			}
			d := float64(got[r*n+o]) - sum
			diff += d * d
			norm += sum * sum
		}
	}
	e := math.Sqrt(diff / norm)
	t.Logf("relative error %.4f %%", 100*e)
	if !(e < 0.009) && m*n > 50 {
		t.Errorf("relative error %g", e)
	}
}

// TestQuantizeRows compares the kernel with Go on all kinds of numbers.
func TestQuantizeRows(t *testing.T) {
	x := normals(64*Step, 3)
	inf := float32(math.Inf(1))
	for i, v := range []float32{0, inf, -inf, float32(math.NaN()), 1e-45, 1e-38, -3e38, 0x1p-100, 0x1.fffp-101, 127} {
		step := x[i*Step : (i+1)*Step]
		switch {
		case i == 0:
			clear(step)
		case i >= 4:
			for k := range step {
				step[k] = v * float32(k-16) / 16
			}
		}
		step[5] = v
	}
	for i := range Step { // exact halves round to even
		x[20*Step+i] = float32(i) - 15.5
	}
	x[20*Step] = 127
	want := NewRows(64, Step)
	for i := range want.recs {
		want.recs[i].set((*[Step]float32)(x[i*Step:]))
	}
	withKernels(t, func(t *testing.T) {
		got := NewRows(64, Step)
		got.Quantize(0, x)
		for i := range got.recs {
			g, w := got.recs[i], want.recs[i]
			if g.scale != g.scale && w.scale != w.scale { // NaN
				g.scale, w.scale = 0, 0
			}
			if g.sum != g.sum && w.sum != w.sum {
				g.sum, w.sum = 0, 0
			}
			if g != w {
				t.Errorf("step %d: %+v, want %+v", i, g, w)
			}
		}
	})
}

// TestNonFinite checks that a row with a NaN or an infinity is NaN in every output, and no other row.
func TestNonFinite(t *testing.T) {
	for kind := range Kind(kinds) {
		w, _ := random(t, kind, 20, 256)
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			x := normals(14*256, 4)
			x[3*256+77] = float32(bad)
			withKernels(t, func(t *testing.T) {
				for i, v := range product(x, 14, w) {
					if (v != v) != (i/20 == 3) {
						t.Fatalf("%s: element %d is %g", kind, i, v)
					}
				}
			})
		}
	}
}

// TestHalf compares all half-precision numbers, and rounding, with float64 arithmetic.
func TestHalf(t *testing.T) {
	var b [2]byte
	for h := range 1 << 16 {
		b[0], b[1] = byte(h), byte(h>>8)
		v := half(b[:])
		exp, frac := h>>10&31, float64(h&0x3FF)
		want := math.Ldexp(frac+1024, exp-25)
		if exp == 0 {
			want = math.Ldexp(frac, -24)
		}
		if exp == 31 {
			if want = math.Inf(1); frac != 0 {
				want = math.NaN()
			}
		}
		if h>>15 != 0 {
			want = -want
		}
		if float64(v) != want && want == want {
			t.Fatalf("%#x is %g, want %g", h, v, want)
		}
		var back [2]byte
		if putHalf(back[:], v); back != b && want == want {
			t.Fatalf("%g became %v, want %v", v, back, b)
		}
		if exp < 30 && h>>15 == 0 { // halfway to the next: to even; a little more: up
			b[0], b[1] = byte(h+1), byte((h+1)>>8)
			next := half(b[:])
			mid := (v + next) / 2
			putHalf(back[:], mid)
			if int(back[0])&1 != 0 {
				t.Fatalf("the middle after %#x is not even", h)
			}
			if putHalf(back[:], math.Nextafter32(mid, 1e9)); back != b {
				t.Fatalf("above the middle after %#x: %v", h, back)
			}
		}
	}
}

// TestPackErrors checks that Pack refuses what a damaged file can hold.
func TestPackErrors(t *testing.T) {
	for kind := range Kind(kinds) {
		size := 2 * kind.BlockBytes()
		if _, err := Pack(kind, make([]byte, size), 2, kind.Block()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		bad := make([]byte, size)
		for i := range bad {
			bad[i] = 0xFF // scales become NaN
		}
		for _, c := range []struct {
			raw  []byte
			n, k int
		}{
			{bad, 2, kind.Block()},
			{make([]byte, size-1), 2, kind.Block()},
			{make([]byte, size), 1, kind.Block()},
			{make([]byte, size), 2, kind.Block() + 1},
			{make([]byte, size), 0, kind.Block()},
			{make([]byte, size), 2, 0},
			{make([]byte, size), math.MaxInt / 4, kind.Block() * 8},
		} {
			if _, err := Pack(kind, c.raw, c.n, c.k); err == nil {
				t.Errorf("%s: [%d, %d] of %d bytes was accepted", kind, c.n, c.k, len(c.raw))
			}
		}
	}
	if _, err := Pack(9, nil, 1, 32); err == nil {
		t.Error("an unknown format was accepted")
	}
}
