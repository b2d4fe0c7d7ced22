package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/internal/winograd"
)

// refForm is the side of the tiles in which a convolution is computed, 0 for a direct one.
func refForm[T Float](c Conv) int {
	ho, wo := c.H+c.PadTop+c.PadBottom-2, c.W+c.PadLeft+c.PadRight-2
	if size[T]() == 8 || c.KH != 3 || c.KW != 3 || c.StrideH > 1 || c.StrideW > 1 || c.Ci%16 != 0 || c.Co%16 != 0 ||
		c.Ci*c.Co == 0 {
		return 0
	}
	tiles := func(k int) int { return ((ho + k - 1) / k) * ((wo + k - 1) / k) }
	switch {
	case tiles(4) >= 9 || tiles(4) >= 4 && 36*c.Ci*c.Co <= 1<<20:
		return 4
	case tiles(2) >= 12:
		return 2
	}
	return 0
}

// winogradMatrices are the transforms of F(k) at its points, in one dimension, as matrices.
func winogradMatrices(k int) (input, weights, output func(x []float32) []float32) {
	f := func(a, b, c float32) float32 { return fma(a, b, c) }
	if k == 2 {
		return func(x []float32) []float32 {
				return []float32{x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]}
			}, func(w []float32) []float32 {
				return []float32{w[0], 0.5 * ((w[0] + w[2]) + w[1]), 0.5 * ((w[0] + w[2]) - w[1]), w[2]}
			}, func(m []float32) []float32 {
				return []float32{(m[0] + m[1]) + m[2], (m[1] - m[2]) - m[3]}
			}
	}
	const a2, b2, a, b = 25. / 64, 9. / 4, 5. / 8, 3. / 2
	ga, gb := float32(1/(2*a2*(a2-b2))), float32(1/(2*b2*(b2-a2)))
	return func(x []float32) []float32 {
			e, o, g, p := f(-b2, x[2], x[4]), f(-b2, x[1], x[3]), f(-a2, x[2], x[4]), f(-a2, x[1], x[3])
			return []float32{f(a2*b2, x[0], f(-a2-b2, x[2], x[4])), f(a, o, e), f(-a, o, e), f(b, p, g), f(-b, p, g),
				f(a2*b2, x[1], f(-a2-b2, x[3], x[5]))}
		}, func(w []float32) []float32 {
			t, s := f(a2, w[2], w[0]), f(b2, w[2], w[0])
			return []float32{1 / (a2 * b2) * w[0], ga * f(a, w[1], t), ga * f(-a, w[1], t), gb * f(b, w[1], s),
				gb * f(-b, w[1], s), w[2]}
		}, func(m []float32) []float32 {
			s, d, t, e := m[1]+m[2], m[1]-m[2], m[3]+m[4], m[3]-m[4]
			be, bt := b*e, b2*t
			return []float32{(m[0] + s) + t, f(a, d, be), f(a2, s, bt), f(a*a2, d, f(b*b2, e, m[5]))}
		}
}

// both applies a transform along one dimension of a square and then along the other: down the columns first, or along
// the rows first.
func both(x [][]float32, columnsFirst bool, f func([]float32) []float32) [][]float32 {
	rows := func(x [][]float32) [][]float32 {
		y := make([][]float32, len(x))
		for i := range x {
			y[i] = f(x[i])
		}
		return y
	}
	flip := func(x [][]float32) [][]float32 {
		y := make([][]float32, len(x[0]))
		for j := range y {
			for i := range x {
				y[j] = append(y[j], x[i][j])
			}
		}
		return y
	}
	if columnsFirst {
		return rows(flip(rows(flip(x))))
	}
	return flip(rows(flip(rows(x))))
}

// refWinograd is a convolution in tiles of k x k, products over the channels in blocks of 64.
func refWinograd(y, x, w []float32, c Conv, k int) {
	ho, wo := c.H+c.PadTop+c.PadBottom-2, c.W+c.PadLeft+c.PadRight-2
	input, weights, output := winogradMatrices(k)
	span := k + 2
	u := make([][][]float32, c.Ci*c.Co)
	for i := range u {
		taps := make([][]float32, 3)
		for t := range 9 {
			taps[t/3] = append(taps[t/3], w[t*len(u)+i])
		}
		u[i] = both(taps, false, weights)
	}
	v := make([][][]float32, c.Ci)
	for tile := range c.N * ((ho + k - 1) / k) * ((wo + k - 1) / k) {
		tw := (wo + k - 1) / k
		n, i0, j0 := tile/tw/((ho+k-1)/k), tile/tw%((ho+k-1)/k)*k, tile%tw*k
		for ci := range v {
			d := make([][]float32, span)
			for p := range span * span {
				d[p/span] = append(d[p/span], at(x, n, i0-c.PadTop+p/span, j0-c.PadLeft+p%span, ci, c.H, c.W, c.Ci))
			}
			v[ci] = both(d, true, input)
		}
		for co := range c.Co {
			m := make([][]float32, span)
			for p := range span * span {
				m[p/span] = append(m[p/span], sum(c.Ci, func(k int) bool { return k%64 == 63 }, func(k int) (float32, float32) {
					return v[k][p/span][p%span], u[k*c.Co+co][p/span][p%span]
				}))
			}
			for i, row := range both(m, false, output) {
				for j, r := range row {
					if i0+i < ho && j0+j < wo {
						y[((n*ho+i0+i)*wo+j0+j)*c.Co+co] = r
					}
				}
			}
		}
	}
}

// refWinogradGrad is the input gradient: the convolution of dy by the flipped, transposed weights.
func refWinogradGrad(dx, dy, w []float32, c Conv, k int) {
	flipped := make([]float32, len(w))
	for t := range 9 {
		for ci := range c.Ci {
			for co := range c.Co {
				flipped[(t*c.Co+co)*c.Ci+ci] = w[((8-t)*c.Ci+ci)*c.Co+co]
			}
		}
	}
	refWinograd(dx, dy, flipped, c.adjoint(), k)
}

// adjoint is the convolution that gives the input gradient of a convolution by 3x3 with stride 1.
func (c Conv) adjoint() Conv {
	ho, wo := c.Out()
	return Conv{N: c.N, H: ho, W: wo, Ci: c.Co, Co: c.Ci, KH: 3, KW: 3, PadTop: 2 - c.PadTop,
		PadBottom: 2 - c.PadBottom, PadLeft: 2 - c.PadLeft, PadRight: 2 - c.PadRight}
}

// winogradShapes reach both forms, borders, rests of tiles, uneven padding, several blocks and chunks.
var winogradShapes = []Conv{
	same3(1, 7, 9, 16, 16),
	same3(2, 13, 11, 32, 48),
	same3(1, 8, 8, 80, 16),
	same3(1, 4, 12, 80, 16), // from here on F(2)
	same3(2, 3, 11, 16, 48),
	{N: 1, H: 3, W: 13, Ci: 32, Co: 16, KH: 3, KW: 3, PadTop: 1, PadBottom: 2, PadLeft: 2},
	{N: 1, H: 15, W: 16, Ci: 16, Co: 32, KH: 3, KW: 3},
	{N: 2, H: 14, W: 13, Ci: 16, Co: 16, KH: 3, KW: 3, PadTop: 2, PadRight: 1},
}

func TestWinograd(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	var rows []convRow[float32]
	for _, c := range winogradShapes {
		rows = append(rows, newConvRow[float32](r, c))
		if refForm[float32](c) == 0 || refForm[float64](c) != 0 {
			t.Errorf("%+v: not the form that this test is for", c)
		}
	}
	everyWay(t, func(t *testing.T) {
		for i := range rows {
			rows[i].check(t)
		}
	})
}

// Large shapes: several blocks of tiles, chunks of panels, reductions of several blocks. A picture alone, on one
// thread, by packed weights, has the bits it has in a batch on four.
func TestWinogradAloneEqualsBatch(t *testing.T) {
	defer pool.SetThreads(0)
	r := rand.New(rand.NewPCG(23, 24))
	for _, c := range []Conv{same3(3, 16, 16, 256, 160), same3(5, 9, 7, 160, 64), same3(2, 32, 20, 48, 256)} {
		ho, wo := c.Out()
		x, w := random[float32](r, c.N*c.H*c.W*c.Ci), random[float32](r, 9*c.Ci*c.Co)
		all := make([]float32, c.N*ho*wo*c.Co)
		pool.SetThreads(4)
		Conv2D(all, x, w, c, nil)
		one := c
		one.N = 1
		pool.SetThreads(1)
		packed := PackConv(w, c)
		for n := range c.N {
			got := poison[float32](ho * wo * c.Co)
			Conv2DPacked(got, x[n*c.H*c.W*c.Ci:(n+1)*c.H*c.W*c.Ci], packed, one, nil)
			sameBits(t, fmt.Sprintf("%+v picture %d", c, n), got, all[n*ho*wo*c.Co:(n+1)*ho*wo*c.Co])
		}
	}
}

// Both forms stay as close to the exact result as package winograd states.
func TestWinogradError(t *testing.T) {
	for _, row := range []struct {
		c    Conv
		most float64
	}{
		{same3(1, 8, 8, 256, 128), 4e-7}, {same3(1, 16, 16, 256, 64), 1e-6}, {same3(1, 28, 28, 32, 32), 1e-6},
		{same3(1, 16, 16, 512, 16), 1.1e-6}, {same3(1, 7, 7, 80, 80), 1e-6},
	} {
		r := rand.New(rand.NewPCG(25, 26))
		c := row.c
		x, w := make([]float32, c.H*c.W*c.Ci), make([]float32, 9*c.Ci*c.Co)
		for i := range x {
			v := r.NormFloat64()
			x[i] = float32(v / (1 + math.Exp(-v)))
		}
		for i := range w {
			w[i] = float32(2*r.Float64() - 1)
		}
		got, want := make([]float32, c.H*c.W*c.Co), make([]float64, c.H*c.W*c.Co)
		Conv2D(got, x, w, c, nil)
		Conv2D(want, widen(x), widen(w), c, nil)
		var d, norm float64
		for i, v := range want {
			d += (float64(got[i]) - v) * (float64(got[i]) - v)
			norm += v * v
		}
		e := math.Sqrt(d / norm)
		t.Logf("%dx%dx%d-%d in tiles of %d: %.2g", c.H, c.W, c.Ci, c.Co, refForm[float32](c), e)
		if e > row.most {
			t.Errorf("%+v: error %.3g, want at most %.3g", c, e, row.most)
		}
	}
}

// The assembly of package winograd holds offsets of the fields of its argument.
func TestLayoutOfWinogradArgs(t *testing.T) {
	var a winograd.Args
	got := []uintptr{unsafe.Offsetof(a.Table), unsafe.Offsetof(a.Data), unsafe.Offsetof(a.Stride), unsafe.Offsetof(a.N),
		unsafe.Offsetof(a.Src), unsafe.Offsetof(a.Tap), unsafe.Offsetof(a.Line)}
	for i, o := range got {
		if o != uintptr(8*i) {
			t.Errorf("field %d lies at %d", i, o)
		}
	}
}
