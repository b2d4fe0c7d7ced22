package gemm

import (
	"fmt"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/winograd"
)

// flipTask packs, for one output phase, the taps of the transposed kernel: panel i of the part holds
// columns (channels of x) of B[tap][co][ci], taps in descending kernel position.
type flipTask[T Float] struct {
	dst, w     []T
	c          Conv
	kh0, kw0   int // smallest kernel position of the phase
	rows, cols int // taps of the phase
}

// Do packs one panel.
func (t *flipTask[T]) Do(i int) {
	c := &t.c
	k := t.rows * t.cols * c.Co
	dst := t.dst[i*Width*k : (i+1)*Width*k]
	channels := min(Width, c.Ci-i*Width)
	for a := t.rows - 1; a >= 0; a-- {
		for b := t.cols - 1; b >= 0; b-- {
			tap := (t.kh0+a*c.StrideH)*c.KW + t.kw0 + b*c.StrideW
			src := t.w[(tap*c.Ci+i*Width)*c.Co : (tap+1)*c.Ci*c.Co]
			packRows(dst[:c.Co*Width], src, c.Co, channels, c.Co)
			dst = dst[c.Co*Width:]
		}
	}
}

// phase is one output phase of an input gradient: the convolution of dy that gives it, and its weights.
func (t *flipTask[T]) phase(w []T, c Conv, ph, pw int) geometry {
	*t = flipTask[T]{w: w, c: c, kh0: (ph + c.PadTop) % c.StrideH, kw0: (pw + c.PadLeft) % c.StrideW}
	t.rows = tapsOf(c.KH, t.kh0, c.StrideH)
	t.cols = tapsOf(c.KW, t.kw0, c.StrideW)
	ho, wo := c.Out()
	g := geometry{n: c.N, h: ho, w: wo, ch: c.Co, co: c.Ci, kh: t.rows, kw: t.cols, sh: 1, sw: 1,
		oh: (c.H - ph + c.StrideH - 1) / c.StrideH, ow: (c.W - pw + c.StrideW - 1) / c.StrideW,
		c0: (ph*c.W + pw) * c.Ci, cN: c.H * c.W * c.Ci, cH: c.StrideH * c.W * c.Ci, cW: c.StrideW * c.Ci}
	g.top = t.rows - 1 - (ph+c.PadTop)/c.StrideH
	g.left = t.cols - 1 - (pw+c.PadLeft)/c.StrideW
	if t.rows*t.cols == 0 { // nothing meets this phase: an empty reduction
		t.rows, t.cols = 0, 0
		g.kh, g.kw, g.ch, g.top, g.left = 1, 1, 0, 0, 0
	}
	return g
}

// length is the number of elements of the phase's packed weights.
func (t *flipTask[T]) length() int { return PackedLen(t.rows*t.cols*t.c.Co, t.c.Ci) }

// pack fills dst with the phase's weights.
func (t *flipTask[T]) pack(dst []T) {
	t.dst = dst
	dispatch(panelsOf(t.c.Ci), t, float64(t.rows*t.cols*t.c.Co*t.c.Ci)*16)
}

// PackedGrad is the weights of an input gradient, or of a transposed convolution, packed once for all
// phases. It is immutable while it is in use.
type PackedGrad[T Float] struct {
	c     Conv // of which only the kernel, channels, strides and paddings count
	data  []T
	forms winogradWeights
}

// PackInputGrad packs weights [KH, KW, Ci, Co] for InputGradPacked.
func PackInputGrad[T Float](w []T, c Conv) *PackedGrad[T] {
	c = c.normal()
	if len(w) != c.KH*c.KW*c.Ci*c.Co {
		panic(fmt.Sprintf("gemm: %d weights do not fit %+v", len(w), c))
	}
	p := &PackedGrad[T]{c: c}
	var f flipTask[T]
	for ph := range c.StrideH {
		for pw := range c.StrideW {
			f.phase(w, c, ph, pw)
			at := len(p.data)
			p.data = append(p.data, make([]T, f.length())...)
			f.pack(p.data[at:])
		}
	}
	return p
}

// fits says whether the weights were packed for the kernel of c.
func (p *PackedGrad[T]) fits(c Conv) bool {
	return c.KH == p.c.KH && c.KW == p.c.KW && c.Ci == p.c.Ci && c.Co == p.c.Co && c.StrideH == p.c.StrideH &&
		c.StrideW == p.c.StrideW && c.PadTop == p.c.PadTop && c.PadLeft == p.c.PadLeft
}

// inputGrad computes the phases of dx; with stride 1 there is one phase. The weights are w, or pg if it
// is not nil.
func (j *job[T]) inputGrad(dx, dy, w []T, pg *PackedGrad[T], c Conv, ep Epilogue[T]) {
	if len(dx) == 0 {
		return
	}
	var data []T // the packed weights of all phases
	if pg != nil {
		data = pg.data
	} else {
		j.packed = grow(j.packed, j.flip.total(w, c))
		data = j.packed
	}
	j.phases = j.phases[:0]
	for ph := range c.StrideH {
		for pw := range c.StrideW {
			f := &j.flip
			g := f.phase(w, c, ph, pw)
			part := data[:f.length()]
			data = data[len(part):]
			if ph >= c.H || pw >= c.W {
				continue
			}
			if pg == nil {
				f.pack(part)
			}
			form := winograd.None
			if c.StrideH*c.StrideW == 1 {
				form = winogradForm[T](&g)
			}
			if form != winograd.None {
				t := panelTaps(as32(part), c.Co)
				var u []float32
				if pg != nil {
					u = pg.forms.get(form, t, c.Co, c.Ci)
				}
				winogradConv(as32(dx), as32(dy), nil, u, t, g, form, epilogue32(ep))
				return
			}
			j.addPhase(g, packedOperand(part, f.rows*f.cols*c.Co))
		}
	}
	j.convolvePhases(dx, dy, nil, ep)
}

// total is the number of elements of the packed weights of all phases.
func (t *flipTask[T]) total(w []T, c Conv) int {
	n := 0
	for ph := range c.StrideH {
		for pw := range c.StrideW {
			t.phase(w, c, ph, pw)
			n += t.length()
		}
	}
	return n
}

// tapsOf counts the kernel positions from first on in steps of stride.
func tapsOf(k, first, stride int) int {
	if first >= k {
		return 0
	}
	return (k-first-1)/stride + 1
}

// wgradTask computes parts of a weight gradient, for a chunk of pictures at a time: first the pictures
// are copied with their padding and dy is packed where needed, one part per picture; then the parts of
// dw add what the chunk gives.
type wgradTask[T Float] struct {
	j         *job[T]
	g         geometry
	l         layout
	dw        []T
	srcX, dy  []T
	x         []T // prepared pictures of the chunk, if they are not read in place
	dyPacked  []T // prepared dy of the chunk, if it is not read in place
	packDY    bool
	preparing bool
	n0, n1    int // pictures of the chunk
	picture   int // elements of a prepared picture
	exchanged bool
	narrow    narrowGrad[T]
}

// wgradChunk bounds the elements of prepared pictures and of dy in a chunk.
const wgradChunk = 1 << 17

func (j *job[T]) weightGrad(dw, x, dy []T, c Conv) {
	ho, wo := c.Out()
	if len(dw) == 0 {
		return
	}
	pixels := ho * wo
	if c.N*pixels == 0 {
		clear(dw)
		return
	}
	es := size[T]()
	g := c.geometry()
	keepX, keepDY, keepNarrow := j.wgrad.x, j.wgrad.dyPacked, j.wgrad.narrow
	t := &j.wgrad
	*t = wgradTask[T]{j: j, g: g, l: g.layout(), dw: dw, srcX: x, dy: dy, narrow: keepNarrow,
		exchanged: narrowOut(c.Co) && c.KW*c.Ci >= Width}
	t.packDY = c.Co%Width != 0 && !t.exchanged
	if t.exchanged {
		// A copy leaves room for the columns that the last panel reads too far.
		t.l = layout{line: ((g.ow-1)*g.sw + g.kw) * g.ch}
	}
	j.kern = kernelsFor[T]()
	t.picture = c.H * c.W * c.Ci
	if !t.l.inPlace {
		t.picture = g.lines(ho) * t.l.line
	}
	chunk := max(1, wgradChunk/max(t.picture, pixels*c.Co))
	chunk = min(chunk, c.N)
	if !t.l.inPlace {
		t.x = grow(keepX, chunk*t.picture+Width)
		clear(t.x[chunk*t.picture:])
	}
	if t.packDY {
		t.dyPacked = grow(keepDY, PackedLen(chunk*pixels, c.Co))
	}
	rows := c.KH * c.KW * c.Ci
	flops := 2 * float64(rows) * float64(c.Co) * float64(min(chunk, c.N)*pixels)
	if t.exchanged {
		t.exchangeGrad(flops)
	} else {
		j.grid.choose(1, rows, 1, 1<<15, panelsOf(c.Co), 32, flops)
	}
	for t.n0 = 0; t.n0 < c.N; t.n0 = t.n1 {
		t.n1 = min(t.n0+chunk, c.N)
		if t.packDY || !t.l.inPlace {
			t.preparing = true
			dispatch(t.n1-t.n0, t, 16*float64((t.n1-t.n0)*t.picture))
			t.preparing = false
		}
		k := (t.n1 - t.n0) * pixels
		if t.packDY {
			j.b = packedOperand(t.dyPacked, k)
		} else {
			j.b = operand{base: unsafe.Add(first(dy), t.n0*pixels*c.Co*es), strideK: c.Co * es, strideP: Width * es}
		}
		t.segments()
		dispatch(j.grid.count(), t, flops)
	}
	if t.exchanged {
		t.storeExchanged()
	}
	if t.x == nil {
		t.x = keepX
	}
	if t.dyPacked == nil {
		t.dyPacked = keepDY
	}
}

// segments lists the pixels of the chunk in blocks of BlockK of one picture.
func (t *wgradTask[T]) segments() {
	j, g, l := t.j, &t.g, t.l
	es := size[T]()
	j.segs = j.segs[:0]
	pixels := g.oh * g.ow
	for n := range t.n1 - t.n0 {
		base := n * t.picture * es
		if l.inPlace && g.sw == 1 && g.sh == 1 && g.ow == g.w {
			j.runs(pixels, BlockK, base, g.ch*es)
			continue
		}
		for i := range g.oh {
			off := base + i*g.sh*l.line*es
			for o := 0; o < g.ow; {
				k := i*g.ow + o
				m := min(g.ow-o, BlockK-k%BlockK)
				s := segment{offA: off + o*g.sw*g.ch*es, n: int32(m)}
				if t.exchanged {
					s.offA, s.offB = (n*pixels+k)*g.co*es, s.offA
				}
				if (k+m)%BlockK == 0 || k+m == pixels {
					s.end = 1
				}
				j.segs = append(j.segs, s)
				o += m
			}
		}
	}
	if t.exchanged {
		j.steps = cutSteps(j.steps, j.segs, (t.n1-t.n0)*pixels)
		return
	}
	j.makeSteps(j.b.strideK)
}

// Do prepares one picture, or computes one part of dw.
func (t *wgradTask[T]) Do(i int) {
	if t.preparing {
		t.prepare(i)
		return
	}
	j, g, l := t.j, &t.g, t.l
	es := size[T]()
	q := j.grid.at(i)
	s := newScratch[T]()
	defer s.release()
	if t.exchanged {
		t.doExchanged(s, q)
		return
	}
	s.rowA = grow(s.rowA, q.r1-q.r0)
	s.rowC = rowsFrom(s.rowC, q.r1-q.r0, q.r0*g.co*es, g.co*es)
	a, strideA := first(t.x), g.sw*g.ch*es
	if l.inPlace {
		a = unsafe.Add(first(t.srcX), t.n0*t.picture*es)
	}
	for r := range s.rowA {
		k := q.r0 + r
		s.rowA[r] = (k/(g.kw*g.ch)*l.line + k%(g.kw*g.ch)) * es
	}
	for n, st := range j.steps {
		s.sweep(j.kern, a, first(t.dw), strideA, j.b, q.p0, q.p1, g.co, st.segs, t.n0+n > 0)
	}
}

// prepare copies picture i of the chunk and packs its part of dy.
func (t *wgradTask[T]) prepare(i int) {
	g, l := &t.g, t.l
	n := t.n0 + i
	pixels := g.oh * g.ow
	x := t.srcX[n*g.h*g.w*g.ch : (n+1)*g.h*g.w*g.ch]
	if !l.inPlace {
		copyLines(g, l, t.x[i*t.picture:], x, nil, 0, g.oh)
	}
	if !t.packDY {
		return
	}
	k := (t.n1 - t.n0) * pixels
	for c0 := 0; c0 < g.co; c0 += Width {
		dst := t.dyPacked[c0*k+i*pixels*Width : c0*k+(i+1)*pixels*Width]
		packColumns(dst, t.dy[n*pixels*g.co+c0:(n+1)*pixels*g.co], pixels, min(Width, g.co-c0), g.co)
	}
}
