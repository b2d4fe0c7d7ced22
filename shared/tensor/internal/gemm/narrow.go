package gemm

import "unsafe"

// A convolution with few output channels would leave most columns of a panel empty. For those the roles
// are exchanged: the output channels are the rows of a tile and 16 neighbouring pixels (or, for weight
// gradients, 16 neighbouring channels) its columns. Every output keeps its own order of arithmetic.

// narrowOut says whether roles are exchanged for co output channels.
func narrowOut(co int) bool { return co <= maxRows }

// planar is the layout of an exchanged forward convolution: every channel of the padded lines that a part
// reads is a plane of its own.
type planar struct {
	width int // pixels of a line
	pitch int // elements from one plane to the next, with room to read a panel too far
}

// narrowTask computes bands of output rows with the roles exchanged.
type narrowTask[T Float] struct {
	j    *job[T]
	g    geometry // of all phases together
	pl   planar
	y, x []T
}

// exchange computes the phases, of stride 1 along lines, with the roles exchanged. Their union is g.
func (j *job[T]) exchange(y, x []T, g geometry, ep Epilogue[T]) {
	width := g.ow - 1 + g.kw
	flops := 0
	for i := range j.phases {
		flops += j.phases[i].flops()
	}
	const planes = 1 << 15 // elements of the planes of a part
	j.grid.choose(1, g.n*g.oh, g.ow, max(planes/(g.ch*width*g.sh), 1), 1, 1, float64(flops))
	lines := g.lines(min(j.grid.bandRows, g.oh))
	pl := planar{width: width, pitch: (lines*width+2*Width+63)/64*64 + Width}
	t := &j.narrow
	*t = narrowTask[T]{j: j, g: g, pl: pl, y: y, x: x}
	j.kern, j.ep = kernelsFor[T](), ep
	for i := range j.phases {
		p := &j.phases[i]
		p.at = (g.top-p.g.top)*width + g.left - p.g.left
		p.tapSegments(layout{}, size[T]())
		cut := t.tapRuns(j.spare[:0], p)
		p.segs, j.spare = cut, p.segs
	}
	dispatch(j.grid.count(), t, float64(flops))
}

// tapRuns appends the segments of a phase, which are cut by kernel rows, in runs of the channels of one tap.
func (t *narrowTask[T]) tapRuns(cut []segment, ph *phase) []segment {
	g, es := &ph.g, size[T]()
	k := 0
	for _, s := range ph.segs {
		for left := int(s.n); left > 0; {
			tap, c := k/g.ch, k%g.ch
			n := min(left, g.ch-c)
			p := segment{offA: k * ph.b.strideK, n: int32(n)}
			p.offB = (tap/g.kw*t.pl.width + tap%g.kw + c*t.pl.pitch) * es
			k, left = k+n, left-n
			if left == 0 {
				p.end = s.end
			}
			cut = append(cut, p)
		}
	}
	return cut
}

// Do computes one part: rows are output rows counted through the batch.
func (t *narrowTask[T]) Do(i int) {
	j, g := t.j, &t.g
	q := j.grid.at(i)
	s := newScratch[T]()
	defer s.release()
	s.a = grow(s.a, g.ch*t.pl.pitch)
	s.rowA = rowsFrom(s.rowA, g.co, 0, size[T]())
	for r := q.r0; r < q.r1; {
		n, i0 := r/g.oh, r%g.oh
		i1 := min(g.oh, i0+q.r1-r)
		t.planes(s.a, n, i0, i1)
		for k := range j.phases {
			if p := &j.phases[k]; i0 < p.g.oh {
				t.phase(s, p, n, i0, min(i1, p.g.oh))
			}
		}
		r += i1 - i0
	}
	if j.ep != nil {
		from, to := g.element(q.r0), g.element(q.r1)
		j.ep.Finish(t.y[from:to], g.co, from/g.co, 0, (to-from)/g.co, g.co)
	}
}

// phase computes rows [i0, i1) of picture n in one phase.
func (t *narrowTask[T]) phase(s *scratch[T], p *phase, n, i0, i1 int) {
	g, width, es := &p.g, t.pl.width, size[T]()
	if len(p.segs) == 0 {
		for i := i0; i < i1; i++ {
			for o := range g.ow {
				at := g.c0 + n*g.cN + i*g.cH + o*g.cW
				clear(t.y[at : at+g.co])
			}
		}
		return
	}
	// With stride 1 the outputs of all lines are one run, the padding between them included.
	runs, length := 1, (i1-i0-1)*width+g.ow
	if g.sh > 1 {
		runs, length = i1-i0, g.ow
	}
	panels := panelsOf(length)
	s.b = grow(s.b, g.co*panels*Width)
	s.rowC = rowsFrom(s.rowC, g.co, 0, panels*Width*es)
	b := operand{strideK: t.pl.pitch * es, strideP: Width * es}
	for run := range runs {
		b.base = unsafe.Pointer(&s.a[p.at+run*g.sh*width])
		s.sweep(t.j.kern, p.b.base, first(s.b), p.b.strideK, b, 0, panels, panels*Width, p.segs, false)
		for o := range (i1 - i0) / runs {
			t.scatter(g, s.b[o*width:], panels*Width, g.c0+n*g.cN+(i0+run+o)*g.cH)
		}
	}
}

// scatter stores one output row, whose channels lie pitch elements apart in src, from element c of y on.
func (t *narrowTask[T]) scatter(g *geometry, src []T, pitch, c int) {
	if g.cW == 1 {
		copy(t.y[c:c+g.ow], src)
		return
	}
	for r := range g.co {
		at := c + r
		for _, v := range src[r*pitch : r*pitch+g.ow] {
			t.y[at] = v
			at += g.cW
		}
	}
}

// planes writes the planes that output rows [i0, i1) of picture n read.
func (t *narrowTask[T]) planes(dst []T, n, i0, i1 int) {
	g, width, pitch := &t.g, t.pl.width, t.pl.pitch
	lo := min(max(0, g.left), width)
	hi := max(lo, min(width, g.w+g.left))
	lines := g.lines(i1 - i0)
	for l := range lines {
		h := i0*g.sh - g.top + l
		at := l * width
		if h < 0 || h >= g.h || hi == lo {
			for c := range g.ch {
				clear(dst[c*pitch+at : c*pitch+at+width])
			}
			continue
		}
		for c := range g.ch {
			d := dst[c*pitch+at : c*pitch+at+width]
			for i := range lo { // too short for a call
				d[i] = 0
			}
			for i := hi; i < width; i++ {
				d[i] = 0
			}
		}
		src := t.x[((n*g.h+h)*g.w+lo-g.left)*g.ch:]
		transposeInto(dst[at+lo:], src, hi-lo, g.ch, pitch, g.ch)
	}
	for c := range g.ch {
		clear(dst[c*pitch+lines*width : c*pitch+lines*width+Width]) // what a panel reads too far
	}
}

// transposeInto writes dst[c*ldd+r] = src[r*ld+c] for r < rows and c < cols.
func transposeInto[T Float](dst, src []T, rows, cols, ldd, ld int) {
	c0 := 0
	if size[T]() == 4 && rows >= 8 && cols >= 8 && canTranspose() {
		c0 = cols / 8 * 8
		_, _ = src[(rows-1)*ld+c0-1], dst[(c0-1)*ldd+rows-1]
		for r := 0; r < rows; r += 8 {
			r0 := min(r, rows-8) // the last group may overlap the one before
			transpose(unsafe.Pointer(&dst[r0]), unsafe.Pointer(&src[r0*ld]), ldd*4, ld*4, c0/8)
		}
	}
	for r := range rows {
		for c, v := range src[r*ld+c0 : r*ld+cols] {
			dst[(c0+c)*ldd+r] = v
		}
	}
}

// narrowGrad computes a weight gradient with the roles exchanged, as its transpose: rows are output
// channels, columns the kw*ci elements that one kernel row meets, and each kernel row is an item of the
// grid.
type narrowGrad[T Float] struct {
	sum   []T // the transposed gradient [kh][co][pitch]
	pitch int
}

// exchangeGrad sets the grid of an exchanged weight gradient.
func (t *wgradTask[T]) exchangeGrad(flops float64) {
	g := &t.g
	panels := panelsOf(g.kw * g.ch)
	t.narrow.pitch = panels * Width
	t.narrow.sum = grow(t.narrow.sum, g.kh*g.co*t.narrow.pitch)
	t.j.grid.choose(g.kh, 1, 1, 1, panels, 32, flops)
}

// doExchanged adds what the chunk gives to one part of the transposed gradient.
func (t *wgradTask[T]) doExchanged(s *scratch[T], q part) {
	g, n := &t.g, &t.narrow
	es := size[T]()
	s.rowA = rowsFrom(s.rowA, g.co, 0, es)
	s.rowC = rowsFrom(s.rowC, g.co, 0, n.pitch*es)
	b := operand{base: unsafe.Pointer(&t.x[q.item*t.l.line]), strideK: g.sw * g.ch * es, strideP: Width * es}
	dy := unsafe.Pointer(&t.dy[t.n0*g.oh*g.ow*g.co])
	c := unsafe.Pointer(&n.sum[q.item*g.co*n.pitch])
	for i, st := range t.j.steps {
		s.sweep(t.j.kern, dy, c, g.co*es, b, q.p0, q.p1, n.pitch, st.segs, t.n0+i > 0)
	}
}

// storeExchanged transposes the finished gradient into dw.
func (t *wgradTask[T]) storeExchanged() {
	g, n := &t.g, &t.narrow
	row := g.kw * g.ch
	for a := range g.kh {
		for r := range g.co {
			src := n.sum[(a*g.co+r)*n.pitch:]
			dst := t.dw[a*row*g.co+r:]
			for m := range row {
				dst[m*g.co] = src[m]
			}
		}
	}
}
