package gemm

// This file computes in the stated order, plainly.

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

// job is one call of the package.
type job[T Float] struct {
	packing packTask[T]
	rowBase int
}

func newJob[T Float]() *job[T] { return &job[T]{} }

func (j *job[T]) release() {}

func (j *job[T]) matmul(c, a, b []T, pb *Packed[T], p Product, ep Epilogue[T]) {
	if pb != nil {
		b = make([]T, p.K*p.N)
		for k := range p.K {
			for n := range p.N {
				b[k*p.N+n] = pb.Data[(n/Width*p.K+k)*Width+n%Width]
			}
		}
		p.LDB = p.N
	}
	refMatMul(c, a, b, p)
	if ep != nil {
		for s := range p.Batch {
			ep.Finish(c[s*p.StrideC:s*p.StrideC+(p.M-1)*p.LDC+p.N], p.LDC, j.rowBase+s*p.M, 0, p.M, p.N)
		}
	}
}

func (j *job[T]) conv(y, x, w []T, pb *Packed[T], c Conv, ep Epilogue[T]) {
	if pb != nil {
		w = make([]T, pb.K*pb.N)
		for k := range pb.K {
			for n := range pb.N {
				w[k*pb.N+n] = pb.Data[(n/Width*pb.K+k)*Width+n%Width]
			}
		}
	}
	refConv(y, x, w, c)
	if ep != nil && len(y) > 0 {
		ep.Finish(y, c.Co, 0, 0, len(y)/c.Co, c.Co)
	}
}

func (j *job[T]) inputGrad(dx, dy, w []T, c Conv, ep Epilogue[T]) {
	refInputGrad(dx, dy, w, c)
	if ep != nil && len(dx) > 0 {
		ep.Finish(dx, c.Ci, 0, 0, len(dx)/c.Ci, c.Ci)
	}
}

func (j *job[T]) weightGrad(dw, x, dy []T, c Conv) { refWeightGrad(dw, x, dy, c) }
