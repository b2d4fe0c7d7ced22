package gemm

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/winograd"
)

// winogradGradient says whether the weight gradient of a convolution of float32 is computed in the form F4: with the
// pixels of a tile and the gradients of its 4x4 results transformed, their products at each point are summed over the
// tiles of the batch, and the sums transformed into the taps. The shape of one picture alone decides: a batch of few
// tiles pays for the transform of the sums, whose number does not depend on the tiles.
func winogradGradient[T Float](g *geometry) bool {
	return size[T]() == 4 && g.kh == 3 && g.kw == 3 && g.sh == 1 && g.sw == 1 && g.ch > 0 && g.co > 0 &&
		g.ch%winograd.Lanes == 0 && g.co%Width == 0 && tilesOf(g, winograd.F4) >= 4
}

// gradientJob is one such gradient. Tiles are taken in chunks: first they are transformed, some tiles in each part;
// then every part adds what they give to some points.
type gradientJob struct {
	g         geometry
	x, dy, dw []float32
	kern      kernels
	segs      []segment
	step      gradientStep

	th, tw, tiles int
	t0, t1        int       // tiles of the chunk
	v, u, m       []float32 // transformed pixels and dy, [points][tiles][channels]; sums, [points][ch][co]
	zeros         []float32
}

type gradientStep uint8

const (
	stepTransform gradientStep = iota
	stepMultiply
	stepCollect
)

var gradientJobs freeList[gradientJob]

// tilesOfPart is the number of tiles that a part transforms.
const tilesOfPart = 8

// winogradWeightGrad computes dw; there is at least one picture.
func winogradWeightGrad(dw, x, dy []float32, g geometry) {
	j := gradientJobs.get()
	j.g, j.x, j.dy, j.dw, j.kern = g, x, dy, dw, kernelsFor[float32]()
	const form = winograd.F4
	j.th, j.tw = (g.oh+3)/4, (g.ow+3)/4
	j.tiles = g.n * j.th * j.tw
	// Enough tiles that the sums are read and written seldom, few enough that what was transformed stays in cache.
	chunk := max(1<<18, 4*form.Points()*g.ch*g.co) / (form.Points() * (g.ch + g.co))
	chunk = min(max(chunk/winogradBlock, 1)*winogradBlock, j.tiles)
	j.v = grow(j.v, form.Points()*pointStride(chunk, g.ch+Width))
	j.u = grow(j.u, form.Points()*pointStride(chunk, g.co+Width))
	j.m = grow(j.m, form.Points()*pointStride(g.ch, g.co))
	if n := max(g.ch, g.co); len(j.zeros) < n {
		j.zeros = make([]float32, n)
	}
	for j.t0 = 0; j.t0 < j.tiles; j.t0 = j.t1 {
		j.t1 = min(j.t0+chunk, j.tiles)
		n := j.t1 - j.t0
		flops := 2 * float64(n*form.Points()) * float64(g.ch) * float64(g.co)
		j.step = stepTransform
		dispatch((n+tilesOfPart-1)/tilesOfPart, j, flops)
		j.segs = j.segs[:0]
		for k := 0; k < n; k += winogradBlock {
			j.segs = append(j.segs, segment{
				offA: k * (g.ch + Width) * 4, offB: k * (g.co + Width) * 4, n: int32(min(winogradBlock, n-k)), end: 1,
			})
		}
		j.step = stepMultiply
		dispatch(form.Points(), j, flops)
	}
	j.step = stepCollect
	dispatch(g.ch/winograd.Lanes, j, float64(g.ch*g.co)*64)
	*j = gradientJob{segs: j.segs[:0], v: j.v, u: j.u, m: j.m, zeros: j.zeros}
	gradientJobs.put(j)
}

// Do does one part of a step.
func (j *gradientJob) Do(i int) {
	switch j.step {
	case stepTransform:
		j.transform(j.t0+i*tilesOfPart, min(j.t0+(i+1)*tilesOfPart, j.t1))
	case stepMultiply:
		j.multiply(i)
	case stepCollect:
		j.collect(i*winograd.Lanes, (i+1)*winograd.Lanes)
	}
}

// transform transforms tiles [t0, t1): their pixels and the gradients of their results.
func (j *gradientJob) transform(t0, t1 int) {
	g, n := &j.g, j.t1-j.t0
	s := winogradScratches.get()
	defer s.release()
	s.args.Table = &s.table[0]
	for t := t0; t < t1; t++ {
		r := t / j.tw
		pic, h, w := r/j.th, r%j.th*4, t%j.tw*4
		s.args.N, s.args.Stride = 4*g.ch, 4*pointStride(n, g.ch+Width)
		s.args.Data = unsafe.Pointer(&j.v[(t-j.t0)*(g.ch+Width)])
		j.pixels(s, j.x, 6, pic, h-g.top, w-g.left, g.h, g.w, g.ch)
		winograd.Input(winograd.F4, &s.args)
		s.args.N, s.args.Stride = 4*g.co, 4*pointStride(n, g.co+Width)
		s.args.Data = unsafe.Pointer(&j.u[(t-j.t0)*(g.co+Width)])
		j.pixels(s, j.dy, 4, pic, h, w, g.oh, g.ow, g.co)
		winograd.Spread(&s.args)
	}
}

// pixels sets the table to the pixels of a square of a picture of height x width x ch.
func (j *gradientJob) pixels(s *winogradScratch, x []float32, side, pic, h0, w0, height, width, ch int) {
	zero, base := first(j.zeros), first(x)
	for i := range side {
		h := h0 + i
		line := (pic*height + h) * width
		for k := range side {
			w := w0 + k
			p := zero
			if uint(h) < uint(height) && uint(w) < uint(width) {
				p = unsafe.Add(base, (line+w)*ch*4)
			}
			s.table[i*side+k] = p
		}
	}
}

// multiply adds the products of the chunk's tiles at point p.
func (j *gradientJob) multiply(p int) {
	g, n := &j.g, j.t1-j.t0
	s := newScratch[float32]()
	defer s.release()
	s.rowA = rowsFrom(s.rowA, g.ch, 0, 4)
	s.rowC = rowsFrom(s.rowC, g.ch, 0, g.co*4)
	b := operand{
		base: unsafe.Pointer(&j.u[p*pointStride(n, g.co+Width)]), strideK: (g.co + Width) * 4, strideP: Width * 4,
	}
	s.sweep(j.kern, unsafe.Pointer(&j.v[p*pointStride(n, g.ch+Width)]), unsafe.Pointer(&j.m[p*pointStride(g.ch, g.co)]),
		(g.ch+Width)*4, b, 0, g.co/Width, g.co, j.segs, j.t0 > 0)
}

// collect transforms the sums of channels [c0, c1) of x into the gradients of the taps.
func (j *gradientJob) collect(c0, c1 int) {
	g := &j.g
	s := winogradScratches.get()
	defer s.release()
	for tap := range 9 {
		s.table[tap] = unsafe.Pointer(&j.dw[(tap*g.ch+c0)*g.co])
	}
	s.args.Table, s.args.N, s.args.Stride = &s.table[0], 4*(c1-c0)*g.co, 4*pointStride(g.ch, g.co)
	s.args.Data = unsafe.Pointer(&j.m[c0*g.co])
	winograd.Collect(&s.args)
}
