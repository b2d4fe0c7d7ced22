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
	g    geometry
	pl   planar
	y, x []T
}

// exchange computes a geometry of stride 1 along lines with the roles exchanged; j.b holds packed weights.
func (j *job[T]) exchange(y, x []T, g geometry, ep Epilogue[T]) {
	es := size[T]()
	flops := 2 * float64(g.n*g.oh*g.ow) * float64(g.kh*g.kw*g.ch) * float64(g.co)
	width := g.ow - 1 + g.kw
	const planes = 1 << 15 // elements of the planes of a part
	j.grid.choose(1, g.n*g.oh, g.ow, max(planes/(g.ch*width*g.sh), 1), 1, 1, flops)
	lines := g.lines(min(j.grid.bandRows, g.oh))
	pl := planar{width: width, pitch: (lines*width+2*Width+63)/64*64 + Width}
	t := &j.narrow
	*t = narrowTask[T]{j: j, g: g, pl: pl, y: y, x: x}
	j.kern, j.ep = kernelsFor[T](), ep
	j.tapSegments(&g, layout{})
	// The segments above are cut by kernel rows; here a run is the channels of one tap.
	cut := j.narrowSegs[:0]
	k := 0
	for _, s := range j.segs {
		for left := int(s.n); left > 0; {
			tap, c := k/g.ch, k%g.ch
			n := min(left, g.ch-c)
			p := segment{offA: k * j.b.strideK, n: int32(n)}
			p.offB = (tap/g.kw*width + tap%g.kw + c*pl.pitch) * es
			k, left = k+n, left-n
			if left == 0 {
				p.end = s.end
			}
			cut = append(cut, p)
		}
	}
	j.segs, j.narrowSegs = cut, j.segs
	dispatch(j.grid.count(), t, flops)
}

// Do computes one part: rows are output rows counted through the batch.
func (t *narrowTask[T]) Do(i int) {
	j, g := t.j, &t.g
	es := size[T]()
	q := j.grid.at(i)
	s := newScratch[T]()
	defer s.release()
	s.a = grow(s.a, g.ch*t.pl.pitch)
	s.rowA = rowsFrom(s.rowA, g.co, 0, es)
	b := operand{strideK: t.pl.pitch * es, strideP: Width * es}
	for r := q.r0; r < q.r1; {
		n, i0 := r/g.oh, r%g.oh
		i1 := min(g.oh, i0+q.r1-r)
		t.planes(s.a, n, i0, i1)
		// With stride 1 the outputs of all lines are one run, the padding between them included.
		runs, length := 1, (i1-i0-1)*t.pl.width+g.ow
		if g.sh > 1 {
			runs, length = i1-i0, g.ow
		}
		panels := panelsOf(length)
		s.b = grow(s.b, g.co*panels*Width)
		s.rowC = rowsFrom(s.rowC, g.co, 0, panels*Width*es)
		for run := range runs {
			b.base = unsafe.Pointer(&s.a[run*g.sh*t.pl.width])
			s.sweep(j.kern, j.b.base, first(s.b), j.b.strideK, b, 0, panels, panels*Width, j.segs, false)
			for o := range (i1 - i0) / runs {
				t.scatter(s.b[o*t.pl.width:], panels*Width, g.c0+n*g.cN+(i0+run+o)*g.cH)
			}
		}
		r += i1 - i0
	}
	if j.ep != nil {
		row, m := q.r0*g.ow, (q.r1-q.r0)*g.ow
		j.ep.Finish(t.y[row*g.co:(row+m)*g.co], g.co, row, 0, m, g.co)
	}
}

// scatter stores one output row, whose channels lie pitch elements apart in src, from element c of y on.
func (t *narrowTask[T]) scatter(src []T, pitch, c int) {
	g := &t.g
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
