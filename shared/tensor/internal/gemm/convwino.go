package gemm

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/internal/winograd"
)

// winogradBlock is the length of a block of the reduction over channels in the products of Winograd's forms. Their
// sums are worth more bits than those of a direct convolution, because the transform of the results subtracts them.
const winogradBlock = 64

// winogradForm is the form in which a convolution of float32 is computed. The shape of one picture alone decides: the
// number of tiles says whether a form is worth the bytes of its transformed weights, which are 4 (F4) and 1.8 (F2)
// times those of the direct form.
func winogradForm[T Float](g *geometry) winograd.Form {
	if size[T]() != 4 || g.kh != 3 || g.kw != 3 || g.sh != 1 || g.sw != 1 || g.ch == 0 || g.co == 0 ||
		g.ch%winograd.Lanes != 0 || g.co%Width != 0 {
		return winograd.None
	}
	const small = 1 << 20 // elements of transformed weights that stay in cache
	switch t4, t2 := tilesOf(g, winograd.F4), tilesOf(g, winograd.F2); {
	case t4 >= 9, t4 >= 4 && winogradLen(winograd.F4, g.ch, g.co) <= small:
		return winograd.F4
	case t2 >= 12:
		return winograd.F2
	default:
		return winograd.None
	}
}

// tilesOf counts the tiles of a picture.
func tilesOf(g *geometry, f winograd.Form) int {
	k := f.Tile()
	return ((g.oh + k - 1) / k) * ((g.ow + k - 1) / k)
}

// winogradLen is the number of elements of transformed weights: for each point, panels as in Packed.
func winogradLen(f winograd.Form, ch, co int) int { return f.Points() * ch * co }

// taps are weights to be transformed: 9 taps, tap bytes apart, of lines that lie line bytes apart; panels of 16
// columns lie panel bytes apart.
type taps struct {
	src              unsafe.Pointer
	tap, line, panel int
}

// rowTaps are the taps of weights [3, 3, ch, co].
func rowTaps(w []float32, ch, co int) taps {
	return taps{src: first(w), tap: ch * co * 4, line: co * 4, panel: Width * 4}
}

// panelTaps are the taps of packed weights.
func panelTaps(data []float32, ch int) taps {
	return taps{src: first(data), tap: ch * Width * 4, line: Width * 4, panel: 9 * ch * Width * 4}
}

// winogradWeights is the transformed weights of a convolution, made when a picture's size first asks for them.
type winogradWeights struct {
	mu    sync.Mutex
	forms [2]atomic.Pointer[[]float32]
}

func (w *winogradWeights) get(f winograd.Form, t taps, ch, co int) []float32 {
	slot := &w.forms[f-winograd.F2]
	if u := slot.Load(); u != nil {
		return *u
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := slot.Load(); u != nil {
		return *u
	}
	u := make([]float32, winogradLen(f, ch, co))
	j := winogradJobs.get()
	j.transform(u, f, t, ch, co)
	j.release()
	slot.Store(&u)
	return u
}

// winogradJob is one convolution in a Winograd form: first, unless they came packed, the weights are transformed, a
// panel in each part; then every part takes a band of rows of tiles and a chunk of panels through all three steps.
type winogradJob struct {
	form winograd.Form
	g    geometry
	x, y []float32
	x2   []float32 // the channels from g.split on
	u    []float32
	ep   Epilogue[float32]
	kern kernels
	segs []segment

	taps         taps
	transforming bool

	th, tw                     int // tiles down and across a picture
	band, bands, chunk, panels int // rows of tiles and panels of a part
	block                      int // tiles in work at a time
	own                        []float32
}

// winogradScratch is the working memory of one part.
type winogradScratch struct {
	args  winograd.Args
	table [winograd.MaxPoints]unsafe.Pointer
	v, m  []float32 // transformed pixels and products, [points][tiles][channels]
	zeros []float32 // a pixel of the padding
	dump  []float32 // a result beyond the picture
}

var (
	winogradJobs      freeList[winogradJob]
	winogradScratches freeList[winogradScratch]
)

func (j *winogradJob) release() {
	*j = winogradJob{segs: j.segs[:0], own: j.own}
	winogradJobs.put(j)
}

// transform writes the weights t of form f to u.
func (j *winogradJob) transform(u []float32, f winograd.Form, t taps, ch, co int) {
	j.form, j.u, j.taps, j.g.ch, j.g.co, j.transforming = f, u, t, ch, co, true
	dispatch(co/Width, j, float64(ch*co)*64)
	j.transforming = false
}

// winogradConv computes a geometry in form f by the weights u, or by t if u is nil. x2 holds the channels from g.split
// on, if that is not 0.
func winogradConv(y, x, x2, u []float32, t taps, g geometry, f winograd.Form, ep Epilogue[float32]) {
	if g.n == 0 {
		return
	}
	j := winogradJobs.get()
	if u == nil {
		j.own = grow(j.own, winogradLen(f, g.ch, g.co))
		u = j.own
		j.transform(u, f, t, g.ch, g.co)
	}
	j.form, j.g, j.x, j.x2, j.y, j.u, j.ep, j.kern = f, g, x, x2, y, u, ep, kernelsFor[float32]()
	j.segs = j.segs[:0]
	for k := 0; k < g.ch; k += winogradBlock {
		n := min(winogradBlock, g.ch-k)
		j.segs = append(j.segs, segment{offA: k * 4, offB: k * Width * 4, n: int32(n), end: 1})
	}
	j.cut()
	flops := 2 * float64(g.n*j.th*j.tw*f.Points()) * float64(g.ch) * float64(g.co)
	dispatch(j.bands*((j.panels+j.chunk-1)/j.chunk), j, flops)
	j.release()
}

// cut chooses the parts. The transformed pixels of a block of tiles should stay in the second-level cache, and yet a
// block should have many tiles, because every block reads all weights of its panels.
func (j *winogradJob) cut() {
	const cache = 160 << 10 // elements of transformed pixels
	g, k := &j.g, j.form.Tile()
	few := 16 // tiles below which reading the weights takes longer than the products
	if winogradLen(j.form, g.ch, g.co) <= cache {
		few = 8
	}
	j.th, j.tw = (g.oh+k-1)/k, (g.ow+k-1)/k
	rows := g.n * j.th
	j.block = max(cache/(j.form.Points()*g.ch)/8*8, few)
	j.panels = g.co / Width
	j.chunk = j.panels
	j.band = min(rows, max(1, j.block/j.tw))
	count := func() int {
		j.bands = (rows + j.band - 1) / j.band
		return j.bands * ((j.panels + j.chunk - 1) / j.chunk)
	}
	threads := pool.Threads()
	for threads > 1 && count() < 2*threads {
		switch {
		case j.band > 1 && j.band*j.tw >= 2*few:
			j.band = (j.band + 1) / 2
		case count() < threads && j.chunk > maxPanels:
			j.chunk = (j.chunk + 1) / 2
		default:
			threads = 1
		}
	}
	j.bands = (rows + j.band - 1) / j.band
	j.band = (rows + j.bands - 1) / j.bands
	count()
}

// Do transforms one panel of weights, or computes one part.
func (j *winogradJob) Do(i int) {
	s := winogradScratches.get()
	defer s.release()
	if j.transforming {
		k := j.g.ch
		s.args.Src = unsafe.Add(j.taps.src, i*j.taps.panel)
		s.args.Tap, s.args.Line, s.args.N = j.taps.tap, j.taps.line, k
		s.args.Data, s.args.Stride = unsafe.Pointer(&j.u[i*k*Width]), k*j.g.co*4
		winograd.Weights(j.form, &s.args)
		return
	}
	band := i % j.bands
	r0 := band * j.band
	r1 := min(r0+j.band, j.g.n*j.th)
	p0 := i / j.bands * j.chunk
	p1 := min(p0+j.chunk, j.panels)
	if r0 >= r1 {
		return
	}
	sw := newScratch[float32]()
	for t0, end := r0*j.tw, r1*j.tw; t0 < end; t0 += j.block {
		t1 := min(t0+j.block, end)
		j.pixels(s, t0, t1)
		const most = 8 // panels whose products stay in cache
		for p := p0; p < p1; p += most {
			j.products(s, sw, t1-t0, p, min(p+most, p1))
			j.results(s, t0, t1, p, min(p+most, p1))
		}
	}
	sw.release()
	if j.ep != nil {
		g := &j.g
		row0, row1 := j.outRow(r0)*g.ow, j.outRow(r1)*g.ow
		col, cols := p0*Width, (p1-p0)*Width
		j.ep.Finish(j.y[row0*g.co+col:(row1-1)*g.co+col+cols], g.co, row0, col, row1-row0, cols)
	}
}

// outRow is the first output row, counted through the batch, of a row of tiles.
func (j *winogradJob) outRow(r int) int { return r/j.th*j.g.oh + r%j.th*j.form.Tile() }

// place is the picture and the first output of tile t.
func (j *winogradJob) place(t int) (n, h, w int) {
	r, k := t/j.tw, j.form.Tile()
	return r / j.th, r % j.th * k, t % j.tw * k
}

// pointStride is the distance in elements of the points of n tiles whose rows are ld elements apart: an odd number of
// cache lines, so that the points of a tile fall into different cache sets.
func pointStride(n, ld int) int {
	if lines := n * ld / Width; lines%2 == 0 {
		return (lines + 1) * Width
	}
	return n * ld
}

// pixels transforms the pixels of tiles [t0, t1).
func (j *winogradJob) pixels(s *winogradScratch, t0, t1 int) {
	g := &j.g
	ld := g.ch + Width // rows a power of two apart would fall into the same few cache sets
	s.v = grow(s.v, pointStride(t1-t0, ld)*j.form.Points())
	if len(s.zeros) < g.ch {
		s.zeros = make([]float32, g.ch)
	}
	if g.split == 0 {
		j.channels(s, t0, t1, j.x, 0, g.ch)
		return
	}
	j.channels(s, t0, t1, j.x, 0, g.split)
	j.channels(s, t0, t1, j.x2, g.split, g.ch-g.split)
}

// channels transforms the n channels of x, which become channels c0 and on.
func (j *winogradJob) channels(s *winogradScratch, t0, t1 int, in []float32, c0, n int) {
	g, span, ld := &j.g, j.form.Span(), j.g.ch+Width
	zero, x := first(s.zeros), first(in)
	s.args.Table, s.args.N, s.args.Stride = &s.table[0], 4*n, 4*pointStride(t1-t0, ld)
	for t := t0; t < t1; t++ {
		pic, h0, w0 := j.place(t)
		h0, w0 = h0-g.top, w0-g.left
		for i := range span {
			h := h0 + i
			line := (pic*g.h + h) * g.w
			for k := range span {
				w := w0 + k
				p := zero
				if uint(h) < uint(g.h) && uint(w) < uint(g.w) {
					p = unsafe.Add(x, (line+w)*n*4)
				}
				s.table[i*span+k] = p
			}
		}
		s.args.Data = unsafe.Pointer(&s.v[(t-t0)*ld+c0])
		winograd.Input(j.form, &s.args)
	}
}

// products multiplies n transformed tiles by panels [p0, p1) of the weights, at each point.
func (j *winogradJob) products(s *winogradScratch, sw *scratch[float32], n, p0, p1 int) {
	g := &j.g
	ldv, ldm := g.ch+Width, (p1-p0)*Width+Width
	points, stridev, stridem := j.form.Points(), pointStride(n, ldv), pointStride(n, ldm)
	s.m = grow(s.m, stridem*points)
	sw.rowA = rowsFrom(sw.rowA, n, 0, ldv*4)
	sw.rowC = rowsFrom(sw.rowC, n, 0, ldm*4)
	for p := range points {
		b := packedOperand(j.u[p*g.ch*g.co+p0*g.ch*Width:], g.ch)
		sw.sweep(j.kern, unsafe.Pointer(&s.v[p*stridev]), unsafe.Pointer(&s.m[p*stridem]), 4, b, 0, p1-p0, (p1-p0)*Width,
			j.segs, false)
	}
}

// results transforms the products of tiles [t0, t1) and panels [p0, p1) into y.
func (j *winogradJob) results(s *winogradScratch, t0, t1, p0, p1 int) {
	g, k := &j.g, j.form.Tile()
	ld := (p1-p0)*Width + Width
	s.dump = grow(s.dump, (p1-p0)*Width)
	dump, y := first(s.dump), unsafe.Add(first(j.y), p0*Width*4)
	s.args.Table, s.args.N, s.args.Stride = &s.table[0], 4*(p1-p0)*Width, 4*pointStride(t1-t0, ld)
	for t := t0; t < t1; t++ {
		pic, h0, w0 := j.place(t)
		for i := range k {
			h := h0 + i
			line := (pic*g.oh + h) * g.ow
			for l := range k {
				w := w0 + l
				p := dump
				if h < g.oh && w < g.ow {
					p = unsafe.Add(y, (line+w)*g.co*4)
				}
				s.table[i*k+l] = p
			}
		}
		s.args.Data = unsafe.Pointer(&s.m[(t-t0)*ld])
		winograd.Output(j.form, &s.args)
	}
}

// release puts the scratch back; it keeps no operand alive.
func (s *winogradScratch) release() {
	s.table = [winograd.MaxPoints]unsafe.Pointer{}
	s.args.Data, s.args.Src, s.args.Table = nil, nil, nil
	winogradScratches.put(s)
}
