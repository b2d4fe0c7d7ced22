package gemm

import (
	"fmt"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/winograd"
)

// Conv is the shape of a convolution of pictures [N, H, W, Ci] with weights [KH, KW, Ci, Co].
type Conv struct {
	N, H, W, Ci, Co                      int
	KH, KW                               int
	StrideH, StrideW                     int // 0 means 1
	PadTop, PadBottom, PadLeft, PadRight int
}

// Out is the height and width of the result.
func (c Conv) Out() (ho, wo int) {
	c = c.normal()
	return (c.H+c.PadTop+c.PadBottom-c.KH)/c.StrideH + 1, (c.W+c.PadLeft+c.PadRight-c.KW)/c.StrideW + 1
}

// Flops is the number of floating-point operations (two for every multiply-add) of the convolution,
// the same for both of its gradients.
func (c Conv) Flops() float64 {
	ho, wo := c.Out()
	return 2 * float64(c.N*ho*wo) * float64(c.KH*c.KW*c.Ci) * float64(c.Co)
}

// normal fills the default strides and panics on an impossible shape.
func (c Conv) normal() Conv {
	c.StrideH, c.StrideW = max(c.StrideH, 1), max(c.StrideW, 1)
	if min(c.N, c.H, c.W, c.Ci, c.Co, c.PadTop, c.PadBottom, c.PadLeft, c.PadRight) < 0 || min(c.KH, c.KW) < 1 ||
		c.H+c.PadTop+c.PadBottom < c.KH || c.W+c.PadLeft+c.PadRight < c.KW {
		panic(fmt.Sprintf("gemm: impossible convolution %+v", c))
	}
	return c
}

// geometry is the forward convolution as the kernels see it.
func (c Conv) geometry() geometry {
	ho, wo := c.Out()
	return geometry{n: c.N, h: c.H, w: c.W, ch: c.Ci, oh: ho, ow: wo, co: c.Co, kh: c.KH, kw: c.KW,
		sh: c.StrideH, sw: c.StrideW, top: c.PadTop, left: c.PadLeft,
		cN: ho * wo * c.Co, cH: wo * c.Co, cW: c.Co}
}

// check panics unless the operands have the lengths that the shape says; w < 0 skips the weights.
func (c Conv) check(x, w, y int) {
	ho, wo := c.Out()
	if x != c.N*c.H*c.W*c.Ci || (w >= 0 && w != c.KH*c.KW*c.Ci*c.Co) || y != c.N*ho*wo*c.Co {
		panic(fmt.Sprintf("gemm: operands of %d, %d and %d elements do not fit %+v", x, w, y, c))
	}
}

// PackedConv is the weights of a convolution packed once. Winograd forms are added when a picture's size first asks
// for them. It is immutable while it is in use, and safe for concurrent use.
type PackedConv[T Float] struct {
	c      Conv // of which only the kernel and the channels count
	direct *Packed[T]
	forms  winogradWeights
}

// PackConv packs convolution weights [KH, KW, Ci, Co] for Conv2DPacked.
func PackConv[T Float](w []T, c Conv) *PackedConv[T] {
	return &PackedConv[T]{c: c, direct: PackB(w, c.KH*c.KW*c.Ci, c.Co, 0, false)}
}

// fits says whether the weights were packed for the kernel of c.
func (p *PackedConv[T]) fits(c Conv) bool {
	return c.KH == p.c.KH && c.KW == p.c.KW && c.Ci == p.c.Ci && c.Co == p.c.Co
}

// Conv2D computes dst [N, Ho, Wo, Co] = x [N, H, W, Ci] * w [KH, KW, Ci, Co], and then ep on it if it
// is not nil.
func Conv2D[T Float](dst, x, w []T, c Conv, ep Epilogue[T]) {
	c = c.normal()
	c.check(len(x), len(w), len(dst))
	g := c.geometry()
	if f := winogradForm[T](&g); f != winograd.None {
		winogradConv(as32(dst), as32(x), nil, nil, rowTaps(as32(w), c.Ci, c.Co), g, f, epilogue32(ep))
		return
	}
	j := newJob[T]()
	j.weights(w, nil, c.KH*c.KW*c.Ci, c.Co, g.n*g.oh*g.ow)
	j.convolve(dst, x, nil, g, ep)
	j.release()
}

// Conv2DPacked is Conv2D with weights packed by PackConv for the same kernel and channels.
func Conv2DPacked[T Float](dst, x []T, w *PackedConv[T], c Conv, ep Epilogue[T]) {
	c.check(len(x), -1, len(dst))
	w.convolve(dst, x, nil, c, 0, ep)
}

// Conv2DConcatPacked is Conv2DPacked of pictures whose first split channels lie in x and the others in x2.
func Conv2DConcatPacked[T Float](dst, x, x2 []T, w *PackedConv[T], c Conv, split int, ep Epilogue[T]) {
	if split < 1 || split >= c.Ci || len(x) != c.N*c.H*c.W*split {
		panic(fmt.Sprintf("gemm: %d elements of %d channels do not fit %+v", len(x), split, c))
	}
	c.check(len(x)+len(x2), -1, len(dst))
	w.convolve(dst, x, x2, c, split, ep)
}

func (p *PackedConv[T]) convolve(dst, x, x2 []T, c Conv, split int, ep Epilogue[T]) {
	c = c.normal()
	if !p.fits(c) {
		panic(fmt.Sprintf("gemm: weights packed for %+v do not fit %+v", p.c, c))
	}
	g := c.geometry()
	g.split = split
	if f := winogradForm[T](&g); f != winograd.None {
		t := panelTaps(as32(p.direct.Data), c.Ci)
		winogradConv(as32(dst), as32(x), as32(x2), p.forms.get(f, t, c.Ci, c.Co), t, g, f, epilogue32(ep))
		return
	}
	j := newJob[T]()
	j.weights(nil, p.direct, c.KH*c.KW*c.Ci, c.Co, g.n*g.oh*g.ow)
	j.convolve(dst, x, x2, g, ep)
	j.release()
}

// as32 is s, whose type must be float32.
func as32[T Float](s []T) []float32 { return unsafe.Slice((*float32)(first(s)), len(s)) }

// epilogue32 is ep, whose element type must be float32.
func epilogue32[T Float](ep Epilogue[T]) Epilogue[float32] {
	if ep == nil {
		return nil
	}
	return any(ep).(Epilogue[float32])
}

// InputGrad computes dx [N, H, W, Ci] from dy [N, Ho, Wo, Co] and w [KH, KW, Ci, Co], and then ep on it
// if it is not nil (rows are then pixels of dx, columns are Ci). It is also the transposed convolution
// of dy. Pixels of dx that no output saw are +0.
func InputGrad[T Float](dx, dy, w []T, c Conv, ep Epilogue[T]) {
	c = c.normal()
	c.check(len(dx), len(w), len(dy))
	j := newJob[T]()
	j.inputGrad(dx, dy, w, nil, c, ep)
	j.release()
}

// InputGradPacked is InputGrad with weights packed by PackInputGrad for the same kernel, channels, strides
// and top and left padding; N, H, W and the other paddings may differ.
func InputGradPacked[T Float](dx, dy []T, w *PackedGrad[T], c Conv, ep Epilogue[T]) {
	c = c.normal()
	c.check(len(dx), -1, len(dy))
	if !w.fits(c) {
		panic(fmt.Sprintf("gemm: weights packed for %+v do not fit %+v", w.c, c))
	}
	j := newJob[T]()
	j.inputGrad(dx, dy, nil, w, c, ep)
	j.release()
}

// WeightGrad computes dw [KH, KW, Ci, Co] from x [N, H, W, Ci] and dy [N, Ho, Wo, Co].
func WeightGrad[T Float](dw, x, dy []T, c Conv) {
	c = c.normal()
	c.check(len(x), len(dw), len(dy))
	if g := c.geometry(); winogradGradient[T](&g) && g.n > 0 {
		winogradWeightGrad(as32(dw), as32(x), as32(dy), g)
		return
	}
	j := newJob[T]()
	j.weightGrad(dw, x, dy, c)
	j.release()
}
