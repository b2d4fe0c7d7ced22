package gemm

import (
	"math"
	"math/rand/v2"
	"testing"
)

// refGradientForm says whether a weight gradient is computed in tiles.
func refGradientForm[T Float](c Conv) bool {
	c = c.normal()
	ho, wo := c.Out()
	return size[T]() == 4 && c.KH == 3 && c.KW == 3 && c.StrideH == 1 && c.StrideW == 1 && c.Ci%16 == 0 &&
		c.Co%16 == 0 && c.Ci*c.Co > 0 && ((ho+3)/4)*((wo+3)/4) >= 4
}

// gradientMatrices are the transposes of the transforms of results and of weights.
func gradientMatrices() (spread, collect func(x []float32) []float32) {
	const a2, b2, a, b = 25. / 64, 9. / 4, 5. / 8, 3. / 2
	f := func(a, b, c float32) float32 { return fma(a, b, c) }
	ga, gb := float32(1/(2*a2*(a2-b2))), float32(1/(2*b2*(b2-a2)))
	return func(y []float32) []float32 {
			t, p, s, q := f(a2, y[2], y[0]), f(a2, y[3], y[1]), f(b2, y[2], y[0]), f(b2, y[3], y[1])
			return []float32{y[0], f(a, p, t), f(-a, p, t), f(b, q, s), f(-b, q, s), y[3]}
		}, func(m []float32) []float32 {
			s, d := float32(ga*(m[1]+m[2])), float32(ga*(m[1]-m[2]))
			t, e := float32(gb*(m[3]+m[4])), float32(gb*(m[3]-m[4]))
			be := float32(b * e)
			return []float32{f(1/(a2*b2), m[0], s) + t, f(a, d, be), f(a2, s, f(b2, t, m[5]))}
		}
}

// refWinogradWeightGrad is a weight gradient in tiles of 4x4, products over the tiles in blocks of 64.
func refWinogradWeightGrad(dw, x, dy []float32, c Conv) {
	ho, wo := c.Out()
	input, _, _ := winogradMatrices(4)
	spread, collect := gradientMatrices()
	th, tw := (ho+3)/4, (wo+3)/4
	transformed := func(x []float32, side, h, w, top, left, ch int, f func([]float32) []float32) [][][]float32 {
		var l [][][]float32
		for t := range c.N * th * tw {
			n, i0, j0 := t/tw/th, t/tw%th*4-top, t%tw*4-left
			for k := range ch {
				d := make([][]float32, side)
				for p := range side * side {
					d[p/side] = append(d[p/side], at(x, n, i0+p/side, j0+p%side, k, h, w, ch))
				}
				l = append(l, both(d, true, f))
			}
		}
		return l
	}
	v := transformed(x, 6, c.H, c.W, c.PadTop, c.PadLeft, c.Ci, input)
	u := transformed(dy, 4, ho, wo, 0, 0, c.Co, spread)
	for ci := range c.Ci {
		for co := range c.Co {
			m := make([][]float32, 6)
			for p := range 36 {
				m[p/6] = append(m[p/6], sum(c.N*th*tw, func(k int) bool { return k%64 == 63 }, func(k int) (float32, float32) {
					return v[k*c.Ci+ci][p/6][p%6], u[k*c.Co+co][p/6][p%6]
				}))
			}
			for i, row := range both(m, false, collect) {
				for j, r := range row {
					dw[((i*3+j)*c.Ci+ci)*c.Co+co] = r
				}
			}
		}
	}
}

// A weight gradient in tiles stays as close to the exact result as Conv2DWeightGrad states.
func TestWinogradGradientError(t *testing.T) {
	for _, c := range []Conv{
		same3(16, 28, 28, 32, 32), same3(16, 14, 14, 64, 64), same3(64, 7, 7, 64, 48), same3(1, 16, 16, 64, 64),
		same3(1, 7, 7, 64, 64),
	} {
		r := rand.New(rand.NewPCG(27, 28))
		x, dy := make([]float32, c.N*c.H*c.W*c.Ci), make([]float32, c.N*c.H*c.W*c.Co)
		for i := range x {
			v := r.NormFloat64()
			x[i] = float32(v / (1 + math.Exp(-v)))
		}
		for i := range dy {
			dy[i] = float32(r.NormFloat64())
		}
		got, want, direct := make([]float32, 9*c.Ci*c.Co), make([]float64, 9*c.Ci*c.Co), make([]float32, 9*c.Ci*c.Co)
		WeightGrad(got, x, dy, c)
		WeightGrad(want, widen(x), widen(dy), c)
		j := newJob[float32]()
		j.weightGrad(direct, x, dy, c.normal())
		j.release()
		far := func(got []float32) float64 {
			var d, norm float64
			for i, v := range want {
				d += (float64(got[i]) - v) * (float64(got[i]) - v)
				norm += v * v
			}
			return math.Sqrt(d / norm)
		}
		t.Logf("%dx%dx%dx%d-%d: %.2g, directly %.2g", c.N, c.H, c.W, c.Ci, c.Co, far(got), far(direct))
		if e := far(got); e > 1.5e-6 {
			t.Errorf("%+v: error %.3g", c, e)
		}
	}
}
