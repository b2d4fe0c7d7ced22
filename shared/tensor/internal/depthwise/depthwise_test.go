package depthwise

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// shapes are strides, paddings and channels that take every path.
var shapes = []gemm.Conv{
	{N: 2, H: 9, W: 12, Ci: 32, Co: 32, KH: 3, KW: 3, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 1, H: 8, W: 19, Ci: 21, Co: 21, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1,
		PadRight: 1},
	{N: 3, H: 7, W: 7, Ci: 16, Co: 16, KH: 7, KW: 7, PadTop: 3, PadBottom: 3, PadLeft: 3, PadRight: 3},
	{N: 1, H: 13, W: 11, Ci: 40, Co: 40, KH: 5, KW: 5, StrideH: 2, StrideW: 2, PadTop: 2, PadBottom: 2, PadLeft: 2,
		PadRight: 2},
	{N: 2, H: 5, W: 4, Ci: 3, Co: 6, KH: 3, KW: 2, PadTop: 1, PadRight: 1},
	{N: 2, H: 6, W: 9, Ci: 12, Co: 36, KH: 3, KW: 3, StrideH: 1, StrideW: 3, PadLeft: 2, PadBottom: 1},
	{N: 1, H: 4, W: 5, Ci: 1, Co: 1, KH: 1, KW: 1},
	{N: 1, H: 6, W: 6, Ci: 17, Co: 17, KH: 2, KW: 2, StrideH: 3, StrideW: 3}, // pixels that nothing meets
	{N: 1, H: 3, W: 3, Ci: 18, Co: 18, KH: 3, KW: 3, PadTop: 4, PadBottom: 4, PadLeft: 4, PadRight: 4},
	{N: 1, H: 4, W: 12, Ci: 16, Co: 16, KH: 2, KW: 11, PadLeft: 5, PadRight: 5}, // more taps than a kernel takes
}

// reference computes all three in float64 by the definition; order matters to nobody there.
func reference(x, w, dy []float32, c gemm.Conv) (y, dx, dw []float64) {
	sh, sw := max(c.StrideH, 1), max(c.StrideW, 1)
	ho, wo := c.Out()
	m := c.Co / c.Ci
	y, dx, dw = make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w))
	for o := range dy {
		co, j, i, n := o%c.Co, o/c.Co%wo, o/c.Co/wo%ho, o/c.Co/wo/ho
		for tap := range c.KH * c.KW {
			h, v := i*sh-c.PadTop+tap/c.KW, j*sw-c.PadLeft+tap%c.KW
			if h < 0 || h >= c.H || v < 0 || v >= c.W {
				continue
			}
			at, k := ((n*c.H+h)*c.W+v)*c.Ci+co/m, tap*c.Co+co
			y[o] += float64(float64(x[at]) * float64(w[k]))
			dx[at] += float64(float64(dy[o]) * float64(w[k]))
			dw[k] += float64(float64(dy[o]) * float64(x[at]))
		}
	}
	return y, dx, dw
}

func operands(c gemm.Conv) (x, w, dy []float32) {
	r := rand.New(rand.NewPCG(7, uint64(c.Co)))
	draw := func(n int) []float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = float32(r.NormFloat64())
		}
		return s
	}
	ho, wo := c.Out()
	return draw(c.N * c.H * c.W * c.Ci), draw(c.KH * c.KW * c.Co), draw(c.N * ho * wo * c.Co)
}

// bias adds 1 to every element, once.
type bias struct{}

func (bias) Finish(c []float32, ld, _, _, rows, cols int) {
	for r := range rows {
		for i := range cols {
			c[r*ld+i]++
		}
	}
}

// TestDepthwise compares all kernel sets and threads with the definition in float64, and with one another bit for
// bit.
func TestDepthwise(t *testing.T) {
	defer pool.SetThreads(0)
	defer func() { _ = cpu.Set("auto") }()
	for _, c := range shapes {
		x, w, dy := operands(c)
		wantY, wantDX, wantDW := reference(x, w, dy, c)
		var first [3][]float32
		for _, isa := range cpu.Available() {
			if err := cpu.Set(isa.String()); err != nil {
				t.Fatal(err)
			}
			for _, threads := range []int{1, 3} {
				pool.SetThreads(threads)
				name := fmt.Sprintf("%+v, %s, %d threads", c, isa, threads)
				y, dx, dw := nans(len(dy)), nans(len(x)), nans(len(w))
				Forward(y, x, w, c, bias{})
				for i := range y {
					y[i]--
				}
				InputGrad(dx, dy, w, c)
				WeightGrad(dw, x, dy, c)
				near(t, name+": y", y, wantY, 5e-7)
				near(t, name+": dx", dx, wantDX, 3e-7)
				near(t, name+": dw", dw, wantDW, 3e-7)
				Forward(y, x, w, c, nil)
				if first[0] == nil {
					first = [3][]float32{y, dx, dw}
				}
				for i, s := range [][]float32{y, dx, dw} {
					for k := range s {
						if math.Float32bits(s[k]) != math.Float32bits(first[i][k]) {
							t.Fatalf("%s: element %d of result %d is %g, want %g", name, k, i, s[k], first[i][k])
						}
					}
				}
			}
		}
	}
}

func nans(n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(math.NaN())
	}
	return s
}

func near(t *testing.T, name string, got []float32, want []float64, limit float64) {
	t.Helper()
	var d, s float64
	for i := range want {
		e := float64(got[i]) - want[i]
		d += float64(e * e)
		s += float64(want[i] * want[i])
	}
	if e := math.Sqrt(d / max(s, 1e-30)); !(e <= limit) {
		t.Errorf("%s: error %.2g, want at most %.1g", name, e, limit)
	}
}

// TestOrder computes one shape by the order of the package's comment.
func TestOrder(t *testing.T) {
	c := gemm.Conv{N: 2, H: 20, W: 40, Ci: 17, Co: 17, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadBottom: 1,
		PadLeft: 1, PadRight: 1}
	x, w, dy := operands(c)
	y, dx, dw := nans(len(dy)), nans(len(x)), nans(len(w))
	Forward(y, x, w, c, nil)
	InputGrad(dx, dy, w, c)
	WeightGrad(dw, x, dy, c)
	at := func(s []float32, n, i, j, ch int) (float32, bool) {
		if i < 0 || i >= c.H || j < 0 || j >= c.W {
			return 0, false
		}
		return s[((n*c.H+i)*c.W+j)*c.Ci+ch], true
	}
	for o := range y {
		ch, j, i, n := o%c.Ci, o/c.Ci%c.W, o/c.Ci/c.W%c.H, o/c.Ci/c.W/c.H
		var sum, back float32
		for tap := range 9 {
			if v, ok := at(x, n, i+tap/3-1, j+tap%3-1, ch); ok {
				sum = fma(v, w[tap*c.Ci+ch], sum)
			}
			if v, ok := at(dy, n, i+tap/3-1, j+tap%3-1, ch); ok {
				back = fma(v, w[(8-tap)*c.Ci+ch], back)
			}
		}
		if sum != y[o] || back != dx[o] {
			t.Fatalf("element %d is %g and %g, want %g and %g", o, y[o], dx[o], sum, back)
		}
	}
	for k := range dw {
		tap, ch := k/c.Ci, k%c.Ci
		var total float32
		for band := range 2 * 4 { // 256/40 = 6 lines each
			var sum float32
			for i := band % 4 * 6; i < min(band%4*6+6, c.H); i++ {
				for j := range c.W {
					if v, ok := at(x, band/4, i+tap/3-1, j+tap%3-1, ch); ok {
						d, _ := at(dy, band/4, i, j, ch)
						sum = fma(v, d, sum)
					}
				}
			}
			total += sum
		}
		if total != dw[k] {
			t.Fatalf("gradient %d is %g, want %g", k, dw[k], total)
		}
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for _, c := range shapes[:6] {
		x, w, dy := operands(c)
		y, dx, dw := nans(len(dy)), nans(len(x)), nans(len(w))
		if n := testing.AllocsPerRun(30, func() {
			Forward(y, x, w, c, nil)
			InputGrad(dx, dy, w, c)
			WeightGrad(dw, x, dy, c)
		}); n >= 1 {
			t.Errorf("%+v: %g allocations", c, n)
		}
	}
}

// TestLayout compares the layout of args with that which the assembly knows.
func TestLayout(t *testing.T) {
	var a args
	for i, off := range []uintptr{
		unsafe.Offsetof(a.y), unsafe.Offsetof(a.x), unsafe.Offsetof(a.w), unsafe.Offsetof(a.yPixel),
		unsafe.Offsetof(a.xPixel), unsafe.Offsetof(a.xRow), unsafe.Offsetof(a.xTap), unsafe.Offsetof(a.wRow),
		unsafe.Offsetof(a.wTap), unsafe.Offsetof(a.rows), unsafe.Offsetof(a.taps), unsafe.Offsetof(a.pixels),
		unsafe.Offsetof(a.bytes),
	} {
		if off != uintptr(8*i) {
			t.Errorf("field %d lies at %d", i, off)
		}
	}
}
