package gemm

import (
	"slices"
	"unsafe"
)

// geometry is a convolution as the kernels see it: outputs oh x ow of pictures h x w x ch by a kernel
// kh x kw. Input row i*sh - top + a meets kernel row a; top and left may be negative. Output pixel
// (n, i, j) is stored at element c0 + n*cN + i*cH + j*cW of the result.
type geometry struct {
	n, h, w, ch    int
	oh, ow, co     int
	kh, kw, sh, sw int
	top, left      int
	c0, cN, cH, cW int
	// split > 0: the first split channels lie in one operand and the others in a second one.
	split int
}

// inside says whether every tap falls on the picture.
func (g *geometry) inside() bool {
	return g.top <= 0 && g.left <= 0 && (g.oh-1)*g.sh-g.top+g.kh <= g.h && (g.ow-1)*g.sw-g.left+g.kw <= g.w
}

// layout is where the kernels find the input: in place, or in a copy with padding. Either way the pixels
// of a picture line are contiguous, and so are the elements that one kernel row meets.
type layout struct {
	inPlace bool
	line    int // elements from one picture line to the next
}

func (g *geometry) layout() layout {
	if g.split == 0 && (g.ch == 0 || g.inside()) {
		return layout{inPlace: true, line: g.w * g.ch}
	}
	return layout{line: ((g.ow-1)*g.sw + g.kw) * g.ch}
}

// lines is the number of picture lines that n output rows read.
func (g *geometry) lines(n int) int { return (n-1)*g.sh + g.kh }

// copyLines writes the padded lines that output rows [i0, i1) of picture x read, and returns how many
// elements that were.
func copyLines[T Float](g *geometry, l layout, dst, x, x2 []T, i0, i1 int) int {
	lines := g.lines(i1 - i0)
	width := l.line / g.ch
	lo := min(max(0, g.left), width)      // first copied pixel that lies on the picture
	hi := max(lo, min(width, g.w+g.left)) // end of those pixels
	for r := range lines {
		d := dst[r*l.line : (r+1)*l.line]
		h := i0*g.sh - g.top + r
		if h < 0 || h >= g.h || hi == lo {
			clear(d)
			continue
		}
		clear(d[:lo*g.ch])
		from, to := h*g.w+lo-g.left, h*g.w+hi-g.left
		if g.split > 0 {
			copyPixels(d[lo*g.ch:], x[from*g.split:to*g.split], g.ch, g.split)
			copyPixels(d[lo*g.ch+g.split:], x2[from*(g.ch-g.split):to*(g.ch-g.split)], g.ch, g.ch-g.split)
		} else {
			copy(d[lo*g.ch:hi*g.ch], x[from*g.ch:to*g.ch])
		}
		clear(d[hi*g.ch:])
	}
	return lines * l.line
}

// copyPixels copies pixels of n channels to pixels that lie ld elements apart.
func copyPixels[T Float](dst, src []T, ld, n int) {
	for len(src) > 0 {
		copy(dst[:n], src[:n])
		src = src[n:]
		if len(src) > 0 {
			dst = dst[ld:]
		}
	}
}

// phase is one of the convolutions that a task computes from the same input: the only one, or that of the outputs of
// an input gradient that meet the same taps.
type phase struct {
	g     geometry
	b     operand
	at    int // elements from the first input of the task's geometry to the first of this one
	segs  []segment
	steps []step
}

// addPhase appends a convolution by the weights at b.
func (j *job[T]) addPhase(g geometry, b operand) {
	if g.n*g.oh*g.ow*g.co == 0 {
		return
	}
	n := len(j.phases)
	j.phases = slices.Grow(j.phases, 1)[:n+1]
	p := &j.phases[n]
	p.g, p.b = g, b
}

// union is the geometry of the input that all phases read together, and of the outputs of all.
func (j *job[T]) union() geometry {
	u := j.phases[0].g
	u.c0 = 0
	for _, p := range j.phases[1:] {
		u.ch = max(u.ch, p.g.ch)
		u.top, u.left = max(u.top, p.g.top), max(u.left, p.g.left)
		u.oh, u.ow = max(u.oh, p.g.oh), max(u.ow, p.g.ow)
	}
	for _, p := range j.phases {
		u.kh, u.kw = max(u.kh, u.top-p.g.top+p.g.kh), max(u.kw, u.left-p.g.left+p.g.kw)
	}
	return u
}

// element is where the outputs of row r of the batch begin, and with them those of a band of rows.
func (g *geometry) element(r int) int { return r/g.oh*g.cN + min(r%g.oh*g.cH, g.cN) }

// convTask computes bands of output rows.
type convTask[T Float] struct {
	j    *job[T]
	g    geometry // of all phases together
	l    layout
	y, x []T
	x2   []T // the channels from split on
}

// tapSegments lists the reduction over the taps and channels: a run for every kernel row, cut where a
// block ends.
func (p *phase) tapSegments(l layout, es int) {
	g := &p.g
	p.segs = p.segs[:0]
	row := g.kw * g.ch
	unit, block := g.kh*row, max(BlockK/max(g.ch, 1), 1)*g.ch
	if g.ch > BlockK {
		unit, block = g.ch, BlockK
	}
	for k := 0; k < g.kh*row; {
		blockEnd := min(k-k%unit+(k%unit/block+1)*block, k-k%unit+unit)
		end := min(blockEnd, k-k%row+row)
		s := segment{offA: (k/row*l.line + k%row) * es, n: int32(end - k)}
		if end == blockEnd {
			s.end = 1
		}
		p.segs = append(p.segs, s)
		k = end
	}
	follow(p.segs, p.b.strideK)
	p.steps = cutSteps(p.steps, p.segs, g.kh*row)
}

// convolve computes one geometry; j.b is set. x2 holds the channels from g.split on, if that is not 0.
func (j *job[T]) convolve(y, x, x2 []T, g geometry, ep Epilogue[T]) {
	j.phases = j.phases[:0]
	j.addPhase(g, j.b)
	j.convolvePhases(y, x, x2, ep)
}

// convolvePhases computes the phases, which all have the same strides.
func (j *job[T]) convolvePhases(y, x, x2 []T, ep Epilogue[T]) {
	if len(j.phases) == 0 {
		return
	}
	g := j.union()
	if narrowOut(g.co) && g.sw == 1 && g.ch >= 8 && g.split == 0 {
		j.exchange(y, x, g, ep)
		return
	}
	t := &j.conv2d
	*t = convTask[T]{j: j, g: g, l: g.layout(), y: y, x: x, x2: x2}
	j.kern, j.ep = kernelsFor[T](), ep
	flops := 0
	for i := range j.phases {
		p := &j.phases[i]
		p.at = (g.top-p.g.top)*t.l.line + (g.left-p.g.left)*g.ch
		p.tapSegments(t.l, size[T]())
		flops += p.flops()
	}
	const band = 1 << 15 // elements of input and of output that a part should touch
	perRow := max(g.cH, g.sh*t.l.line)
	j.grid.choose(1, g.n*g.oh, g.ow, max(band/perRow, (48+g.ow-1)/g.ow), panelsOf(g.co), 32, float64(flops))
	dispatch(j.grid.count(), t, float64(flops))
}

// flops is the work of a phase.
func (p *phase) flops() int { return 2 * p.g.n * p.g.oh * p.g.ow * p.g.kh * p.g.kw * p.g.ch * p.g.co }

// Do computes one part: rows are output rows counted through the batch.
func (t *convTask[T]) Do(i int) {
	j, g := t.j, &t.g
	q := j.grid.at(i)
	s := newScratch[T]()
	defer s.release()
	a := first(t.x)
	if !t.l.inPlace {
		t.copyInput(s, q)
		a = first(s.a)
	}
	for i := range j.phases {
		t.phase(s, q, a, &j.phases[i])
	}
	if j.ep != nil {
		from, to := g.element(q.r0)/g.co, g.element(q.r1)/g.co
		col := q.p0 * Width
		cols := min(q.p1*Width, g.co) - col
		j.ep.Finish(t.y[from*g.co+col:(to-1)*g.co+col+cols], g.co, from, col, to-from, cols)
	}
}

// copyInput copies the lines that a part reads, picture by picture.
func (t *convTask[T]) copyInput(s *scratch[T], q part) {
	g, l := &t.g, t.l
	pictures := (q.r1-1)/g.oh - q.r0/g.oh + 1
	s.a = grow(s.a, ((q.r1-q.r0)*g.sh+pictures*g.kh)*l.line)
	used, pixels := 0, g.h*g.w
	for r := q.r0; r < q.r1; {
		n, i0 := r/g.oh, r%g.oh
		i1 := min(g.oh, i0+q.r1-r)
		x, x2 := t.x, t.x2
		if g.split > 0 {
			x, x2 = x[n*pixels*g.split:(n+1)*pixels*g.split], x2[n*pixels*(g.ch-g.split):(n+1)*pixels*(g.ch-g.split)]
		} else {
			x = x[n*pixels*g.ch : (n+1)*pixels*g.ch]
		}
		used += copyLines(g, l, s.a[used:], x, x2, i0, i1)
		r += i1 - i0
	}
}

// phase computes what one phase gives to a part.
func (t *convTask[T]) phase(s *scratch[T], q part, a unsafe.Pointer, p *phase) {
	g, l := &t.g, t.l
	es := size[T]()
	s.rowA, s.rowC = s.rowA[:0], s.rowC[:0]
	copied, line, pixel := 0, g.sh*l.line, g.sw*g.ch
	for r := q.r0; r < q.r1; {
		n, i0 := r/g.oh, r%g.oh
		i1 := min(g.oh, i0+q.r1-r)
		base := copied
		if l.inPlace {
			base = ((n*g.h+i0*g.sh-g.top)*g.w - g.left) * g.ch
		}
		base += p.at
		c := p.g.c0 + n*g.cN + i0*g.cH
		for range min(i1, p.g.oh) - i0 {
			for o := range p.g.ow {
				s.rowA = append(s.rowA, (base+o*pixel)*es)
				s.rowC = append(s.rowC, (c+o*g.cW)*es)
			}
			base += line
			c += g.cH
		}
		copied += g.lines(i1-i0) * l.line
		r += i1 - i0
	}
	if len(s.rowA) == 0 {
		return
	}
	for n, st := range p.steps {
		s.sweep(t.j.kern, a, first(t.y), es, p.b, q.p0, q.p1, g.co, st.segs, n > 0)
	}
	if len(p.steps) == 0 {
		col := q.p0 * Width
		t.clear(s.rowC, col, min(q.p1*Width, g.co)-col)
	}
}

// clear zeroes columns of the given rows.
func (t *convTask[T]) clear(rowC []int, col, cols int) {
	es := size[T]()
	for _, off := range rowC {
		clear(t.y[off/es+col : off/es+col+cols])
	}
}

// weights sets B for a convolution of the given number of output pixels.
func (j *job[T]) weights(w []T, pw *Packed[T], k, n, pixels int) {
	es := size[T]()
	switch {
	case pw != nil:
		j.b = packedOperand(pw.Data, k)
	case directB(Product{M: pixels, N: n, LDB: n}):
		j.b = operand{base: first(w), strideK: n * es, strideP: Width * es}
	default:
		j.packed = grow(j.packed, PackedLen(k, n))
		j.pack(j.packed, w, k, n, n, false)
		j.b = packedOperand(j.packed, k)
	}
}
