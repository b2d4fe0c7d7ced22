package gemm

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// This file states the order of arithmetic of the package as plainly as possible.

// fma is the fused multiply-add of either element type.
func fma[T Float](a, b, c T) T {
	if size[T]() == 4 {
		return T(vec.FMA32(float32(a), float32(b), float32(c)))
	}
	return T(math.FMA(float64(a), float64(b), float64(c)))
}

// sum is a reduction of n products in the blocks that ends says: ends(k) tells that a block ends after k.
func sum[T Float](n int, ends func(k int) bool, term func(k int) (a, b T)) T {
	var total, acc T
	first := true
	for k := range n {
		a, b := term(k)
		acc = fma(a, b, acc)
		if ends(k) || k == n-1 {
			if first {
				total = acc
			} else {
				total += acc
			}
			first, acc = false, 0
		}
	}
	return total
}

func refMatMul[T Float](c, a, b []T, p Product) {
	p = p.normal(len(c), len(a), len(b))
	for s := range p.Batch {
		for i := range p.M {
			for j := range p.N {
				c[s*p.StrideC+i*p.LDC+j] = sum(p.K, func(k int) bool { return k%BlockK == BlockK-1 },
					func(k int) (T, T) {
						ia, ib := i*p.LDA+k, k*p.LDB+j
						if p.TransA {
							ia = k*p.LDA + i
						}
						if p.TransB {
							ib = j*p.LDB + k
						}
						return a[s*p.StrideA+ia], b[s*p.StrideB+ib]
					})
			}
		}
	}
}

// convEnds is where blocks end in a reduction over taps of ci channels.
func convEnds(ci int) func(k int) bool {
	if ci > BlockK {
		return func(k int) bool { c := k % ci; return c == ci-1 || c%BlockK == BlockK-1 }
	}
	block := max(BlockK/max(ci, 1), 1) * ci
	return func(k int) bool { return k%block == block-1 }
}

// at is a picture element, or zero over the padding.
func at[T Float](x []T, n, h, w, ci, height, width, channels int) T {
	if h < 0 || h >= height || w < 0 || w >= width {
		return 0
	}
	return x[((n*height+h)*width+w)*channels+ci]
}

func refConv[T Float](y, x, w []T, c Conv) {
	c = c.normal()
	ho, wo := c.Out()
	for n := range c.N {
		for i := range ho {
			for j := range wo {
				for co := range c.Co {
					y[((n*ho+i)*wo+j)*c.Co+co] = sum(c.KH*c.KW*c.Ci, convEnds(c.Ci), func(k int) (T, T) {
						tap, ci := k/c.Ci, k%c.Ci
						h, v := i*c.StrideH-c.PadTop+tap/c.KW, j*c.StrideW-c.PadLeft+tap%c.KW
						return at(x, n, h, v, ci, c.H, c.W, c.Ci), w[k*c.Co+co]
					})
				}
			}
		}
	}
}

func refInputGrad[T Float](dx, dy, w []T, c Conv) {
	c = c.normal()
	ho, wo := c.Out()
	for n := range c.N {
		for h := range c.H {
			for v := range c.W {
				var khs, kws []int // kernel rows and columns that meet this pixel, descending
				for kh := c.KH - 1; kh >= 0; kh-- {
					if (h+c.PadTop-kh)%c.StrideH == 0 {
						khs = append(khs, kh)
					}
				}
				for kw := c.KW - 1; kw >= 0; kw-- {
					if (v+c.PadLeft-kw)%c.StrideW == 0 {
						kws = append(kws, kw)
					}
				}
				for ci := range c.Ci {
					dx[((n*c.H+h)*c.W+v)*c.Ci+ci] = sum(len(khs)*len(kws)*c.Co, convEnds(c.Co), func(k int) (T, T) {
						tap, co := k/c.Co, k%c.Co
						kh, kw := khs[tap/len(kws)], kws[tap%len(kws)]
						i, j := (h+c.PadTop-kh)/c.StrideH, (v+c.PadLeft-kw)/c.StrideW
						return at(dy, n, i, j, co, ho, wo, c.Co), w[((kh*c.KW+kw)*c.Ci+ci)*c.Co+co]
					})
				}
			}
		}
	}
}

func refWeightGrad[T Float](dw, x, dy []T, c Conv) {
	c = c.normal()
	ho, wo := c.Out()
	pixels := ho * wo
	for tap := range c.KH * c.KW {
		for ci := range c.Ci {
			for co := range c.Co {
				dw[(tap*c.Ci+ci)*c.Co+co] = sum(c.N*pixels,
					func(k int) bool { q := k % pixels; return q == pixels-1 || q%BlockK == BlockK-1 },
					func(k int) (T, T) {
						n, i, j := k/pixels, k%pixels/wo, k%wo
						h, v := i*c.StrideH-c.PadTop+tap/c.KW, j*c.StrideW-c.PadLeft+tap%c.KW
						return at(x, n, h, v, ci, c.H, c.W, c.Ci), dy[k*c.Co+co]
					})
			}
		}
	}
}
