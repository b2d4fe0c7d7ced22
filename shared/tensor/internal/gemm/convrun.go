package gemm

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

// convTask computes bands of output rows.
type convTask[T Float] struct {
	j    *job[T]
	g    geometry
	l    layout
	y, x []T
	x2   []T // the channels from split on
}

// tapSegments lists the reduction over the taps and channels: a run for every kernel row, cut where a
// block ends.
func (j *job[T]) tapSegments(g *geometry, l layout) {
	es := size[T]()
	j.segs = j.segs[:0]
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
		j.segs = append(j.segs, s)
		k = end
	}
	j.makeSteps(j.b.strideK)
}

// convolve computes one geometry; j.b is set. x2 holds the channels from g.split on, if that is not 0.
func (j *job[T]) convolve(y, x, x2 []T, g geometry, ep Epilogue[T]) {
	pixels := g.n * g.oh * g.ow
	if pixels == 0 || g.co == 0 {
		return
	}
	if narrowOut(g.co) && g.sw == 1 && g.ch >= 8 && g.split == 0 {
		j.exchange(y, x, g, ep)
		return
	}
	t := &j.conv2d
	*t = convTask[T]{j: j, g: g, l: g.layout(), y: y, x: x, x2: x2}
	j.kern, j.ep = kernelsFor[T](), ep
	j.tapSegments(&g, t.l)
	const band = 1 << 15 // elements of input and of output that a part should touch
	perRow := max(g.ow*g.co, g.sh*t.l.line)
	flops := 2 * float64(pixels) * float64(g.kh*g.kw*g.ch) * float64(g.co)
	j.grid.choose(1, g.n*g.oh, g.ow, max(band/perRow, (48+g.ow-1)/g.ow), panelsOf(g.co), 32, flops)
	dispatch(j.grid.count(), t, flops)
}

// Do computes one part: rows are output rows counted through the batch.
func (t *convTask[T]) Do(i int) {
	j, g, l := t.j, &t.g, t.l
	es := size[T]()
	q := j.grid.at(i)
	s := newScratch[T]()
	defer s.release()
	rows := q.r1 - q.r0
	s.rowA, s.rowC = s.rowA[:0], s.rowC[:0]
	if !l.inPlace {
		pictures := (q.r1-1)/g.oh - q.r0/g.oh + 1
		s.a = grow(s.a, (rows*g.sh+pictures*g.kh)*l.line)
	}
	used := 0
	for r := q.r0; r < q.r1; {
		n, i0 := r/g.oh, r%g.oh
		i1 := min(g.oh, i0+q.r1-r)
		x, x2, pixels := t.x, t.x2, g.h*g.w
		if g.split > 0 {
			x, x2 = x[n*pixels*g.split:(n+1)*pixels*g.split], x2[n*pixels*(g.ch-g.split):(n+1)*pixels*(g.ch-g.split)]
		} else {
			x = x[n*pixels*g.ch : (n+1)*pixels*g.ch]
		}
		base, line, pixel := used, g.sh*l.line, g.sw*g.ch
		if l.inPlace {
			base = ((n*g.h+i0*g.sh-g.top)*g.w - g.left) * g.ch
		} else {
			used += copyLines(g, l, s.a[used:], x, x2, i0, i1)
		}
		c := g.c0 + n*g.cN + i0*g.cH
		for range i1 - i0 {
			for o := range g.ow {
				s.rowA = append(s.rowA, (base+o*pixel)*es)
				s.rowC = append(s.rowC, (c+o*g.cW)*es)
			}
			base += line
			c += g.cH
		}
		r += i1 - i0
	}
	a := first(t.x)
	if !l.inPlace {
		a = first(s.a)
	}
	for n, st := range j.steps {
		s.sweep(j.kern, a, first(t.y), es, j.b, q.p0, q.p1, g.co, st.segs, n > 0)
	}
	col := q.p0 * Width
	cols := min(q.p1*Width, g.co) - col
	if len(j.steps) == 0 {
		t.clear(s.rowC, col, cols)
	}
	if j.ep != nil {
		// An epilogue comes only with outputs that lie one after the other.
		row := q.r0 * g.ow
		m := rows * g.ow
		j.ep.Finish(t.y[row*g.co+col:(row+m-1)*g.co+col+cols], g.co, row, col, m, cols)
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
