package tensor

// ConvSpec is the geometry of a convolution besides the kernel's size. A stride of 0 means 1.
type ConvSpec struct {
	StrideH, StrideW                     int
	PadTop, PadBottom, PadLeft, PadRight int
}

// Same is the geometry of an odd kernel of size k with stride 1 that keeps the picture's size.
func Same(k int) ConvSpec {
	p := k / 2
	return ConvSpec{StrideH: 1, StrideW: 1, PadTop: p, PadBottom: p, PadLeft: p, PadRight: p}
}

// Normalize replaces strides of 0 by 1.
func (s ConvSpec) Normalize() ConvSpec {
	s.StrideH, s.StrideW = max(s.StrideH, 1), max(s.StrideW, 1)
	return s
}

// Out is the size of the result for a picture of h x w and a kernel of kh x kw.
func (s ConvSpec) Out(h, w, kh, kw int) (ho, wo int) {
	s = s.Normalize()
	return (h+s.PadTop+s.PadBottom-kh)/s.StrideH + 1, (w+s.PadLeft+s.PadRight-kw)/s.StrideW + 1
}

// convShape checks a convolution: x [N, H, W, Ci], w [KH, KW, Ci, Co], y [N, Ho, Wo, Co].
func convShape(op string, x, w, y *Tensor, s ConvSpec) ConvSpec {
	sameType(op, x, w, y)
	if s.StrideH < 0 || s.StrideW < 0 || min(s.PadTop, s.PadBottom, s.PadLeft, s.PadRight) < 0 {
		panic(shapeError(op, "negative stride or padding", x, w))
	}
	s = s.Normalize()
	if x.rank != 4 || w.rank != 4 || y.rank != 4 {
		panic(shapeError(op, "want [N,H,W,Ci], [KH,KW,Ci,Co] and [N,Ho,Wo,Co]", x, w, y))
	}
	kh, kw := w.shape[0], w.shape[1]
	if kh < 1 || kw < 1 || x.shape[1]+s.PadTop+s.PadBottom < kh || x.shape[2]+s.PadLeft+s.PadRight < kw {
		panic(shapeError(op, "the kernel is empty or larger than the padded picture", x, w))
	}
	ho, wo := s.Out(x.shape[1], x.shape[2], kh, kw)
	if x.shape[3] != w.shape[2] || y.shape != [MaxRank]int{x.shape[0], ho, wo, w.shape[3]} {
		panic(shapeError(op, "channels or sizes do not agree", x, w, y))
	}
	return s
}

// Conv2D is the convolution (cross-correlation) of pictures: x [N, H, W, Ci], w [KH, KW, Ci, Co], dst
// [N, Ho, Wo, Co]. It is the product of the patches by w flattened to [KH*KW*Ci, Co]; k runs over
// (tap, channel). Blocks hold floor(256/Ci) whole taps, at least one; with Ci above 256 a block is 256
// channels of one tap. Padding takes part in the chain as zeros.
func Conv2D(dst, x, w *Tensor, spec ConvSpec) {
	spec = convShape("Conv2D", x, w, dst, spec)
	if dst.dtype == Float64 {
		conv2D[float64](dst, x, w, spec)
		return
	}
	conv2D[float32](dst, x, w, spec)
}

func conv2D[T float](dst, x, w *Tensor, s ConvSpec) {
	d, p, q := data[T](dst), data[T](x), data[T](w)
	n, h, wd, ci := x.Dims4()
	kh, kw, _, co := w.Dims4()
	_, ho, wo, _ := dst.Dims4()
	blockTaps, blockCh := max(1, 256/max(ci, 1)), min(ci, 256)
	for i := range n * ho * wo {
		b, oy, ox := i/(ho*wo), i/wo%ho, i%wo
		for c := range co {
			var sum T
			for t0 := 0; t0 < kh*kw; t0 += blockTaps {
				for c0 := 0; c0 < ci; c0 += blockCh {
					var acc T
					for t := t0; t < min(t0+blockTaps, kh*kw); t++ {
						y, xx := oy*s.StrideH-s.PadTop+t/kw, ox*s.StrideW-s.PadLeft+t%kw
						for k := c0; k < min(c0+blockCh, ci); k++ {
							var v T
							if y >= 0 && y < h && xx >= 0 && xx < wd {
								v = p[((b*h+y)*wd+xx)*ci+k]
							}
							acc = fma(v, q[(t*ci+k)*co+c], acc)
						}
					}
					sum += acc
				}
			}
			d[i*co+c] = sum
		}
	}
}

// Conv2DInputGrad is the derivative of Conv2D by its input, and the transposed convolution: dx
// [N, H, W, Ci] from dy [N, Ho, Wo, Co].
func Conv2DInputGrad(dx, dy, w *Tensor, spec ConvSpec) {
	spec = convShape("Conv2DInputGrad", dx, w, dy, spec)
	if dx.dtype == Float64 {
		convInputGrad[float64](dx, dy, w, spec)
		return
	}
	convInputGrad[float32](dx, dy, w, spec)
}

func convInputGrad[T float](dx, dy, w *Tensor, s ConvSpec) {
	d, g, q := data[T](dx), data[T](dy), data[T](w)
	n, h, wd, ci := dx.Dims4()
	kh, kw, _, co := w.Dims4()
	_, ho, wo, _ := dy.Dims4()
	clear(d)
	for i := range n * ho * wo {
		b, oy, ox := i/(ho*wo), i/wo%ho, i%wo
		for t := range kh * kw {
			y, xx := oy*s.StrideH-s.PadTop+t/kw, ox*s.StrideW-s.PadLeft+t%kw
			if y < 0 || y >= h || xx < 0 || xx >= wd {
				continue
			}
			for k := range ci {
				at := ((b*h+y)*wd+xx)*ci + k
				for c := range co {
					d[at] = fma(g[i*co+c], q[(t*ci+k)*co+c], d[at])
				}
			}
		}
	}
}

// Conv2DWeightGrad is the derivative of Conv2D by its weights: dw [KH, KW, Ci, Co].
func Conv2DWeightGrad(dw, x, dy *Tensor, spec ConvSpec) {
	spec = convShape("Conv2DWeightGrad", x, dw, dy, spec)
	if dw.dtype == Float64 {
		convWeightGrad[float64](dw, x, dy, spec)
		return
	}
	convWeightGrad[float32](dw, x, dy, spec)
}

func convWeightGrad[T float](dw, x, dy *Tensor, s ConvSpec) {
	d, p, g := data[T](dw), data[T](x), data[T](dy)
	n, h, wd, ci := x.Dims4()
	_, kw, _, co := dw.Dims4()
	_, ho, wo, _ := dy.Dims4()
	for at := range d {
		c, k, t := at%co, at/co%ci, at/(co*ci)
		var sum T
		for b := range n {
			for p0 := 0; p0 < ho*wo; p0 += 256 {
				var acc T
				for i := p0; i < min(p0+256, ho*wo); i++ {
					y, xx := i/wo*s.StrideH-s.PadTop+t/kw, i%wo*s.StrideW-s.PadLeft+t%kw
					var v T
					if y >= 0 && y < h && xx >= 0 && xx < wd {
						v = p[((b*h+y)*wd+xx)*ci+k]
					}
					acc = fma(v, g[(b*ho*wo+i)*co+c], acc)
				}
				sum += acc
			}
		}
		d[at] = sum
	}
}
