package gemm

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// productTask computes parts of a (batch of) matrix product.
type productTask[T Float] struct {
	j       *job[T]
	p       Product
	c, a, b []T
	source  source
	copyA   bool
	// The packed operand of the product that follows, or nil, and its cut.
	next     *Packed[T]
	nextGrid grid
}

// source is how the tiles of a product find B.
type source int

const (
	panelsOfB source = iota // in panels, packed before
	linesOfB                // row-major, where it lies
	groupsOfB               // row-major or transposed; a part copies the panels of a tile as it comes to them
)

// directB says whether a row-major B is read in place: its rows are whole panels, and it is read too
// seldom for packing to pay.
func directB(p Product) bool {
	return !p.TransB && p.N%Width == 0 && (p.M <= 48 || p.LDB <= 128)
}

// sourceOf chooses the source. It changes no bit.
func sourceOf(p Product, packed bool, f kernels) source {
	seldom := directB(p)
	if f.masked {
		// Rows a power of two apart fall into few cache sets, from which the second tile would not find them.
		seldom = !p.TransB && (p.M <= f.rows || p.M <= 3*f.rows && p.LDB%1024 != 0)
	}
	switch {
	case packed:
		return panelsOfB
	case seldom:
		return linesOfB
	default:
		return groupsOfB
	}
}

func (j *job[T]) matmul(c, a, b []T, pb *Packed[T], p Product, ep Epilogue[T]) {
	t := j.prepare(c, a, b, pb, p, ep)
	p = t.p
	dispatch(j.grid.count(), t, 2*float64(p.M)*float64(p.N)*float64(p.K)*float64(p.Batch))
}

// prepare sets the task of a product, and its cut.
func (j *job[T]) prepare(c, a, b []T, pb *Packed[T], p Product, ep Epilogue[T]) *productTask[T] {
	es := size[T]()
	if p.Batch > 1 && p.StrideB == 0 && p.StrideA == p.M*p.LDA && p.StrideC == p.M*p.LDC && !p.TransA {
		p.M, p.Batch = p.M*p.Batch, 1 // shared B: one tall product
	}
	j.kern, j.ep = kernelsFor[T](), ep
	t := &j.product
	*t = productTask[T]{j: j, p: p, c: c, a: a, b: b, source: sourceOf(p, pb != nil, j.kern)}
	panels := panelsOf(p.N)
	strideA := es
	if p.TransA {
		strideA = p.LDA * es
		if panels > 2*j.kern.panels && strideA > 256 && (strideA%1024 == 0 || !j.kern.masked) {
			t.copyA, strideA = true, Width*es
		}
	}
	j.sums.set(ep, p, j.kern)
	j.runs(p.K, BlockK, 0, strideA)
	switch t.source {
	case panelsOfB:
		j.b = packedOperand(pb.Data, p.K)
	case linesOfB:
		j.b = operand{strideK: p.LDB * es, strideP: Width * es}
	case groupsOfB:
		j.b = operand{strideK: j.kern.panels * Width * es, strideP: Width * es}
	}
	j.makeSteps(j.b.strideK)
	if t.source == groupsOfB {
		for _, st := range j.steps { // the copy of a step begins with it
			for i := range st.segs {
				st.segs[i].offB -= st.k0 * j.b.strideK
			}
		}
	}
	j.grid.product(p.Batch, p.M, panels, p.K, j.kern, t.source == groupsOfB, t.copyA)
	t.follow(ep)
	return t
}

// dispatch runs n parts, on one thread if they are too little work for more.
func dispatch(n int, t pool.Task, flops float64) {
	if flops >= smallWork {
		pool.Run(n, t)
		return
	}
	for i := range n {
		t.Do(i)
	}
}

// partFlops is the arithmetic of a part that takes just under a millisecond on the fastest core: a thread must not
// wait longer for another one, nor the scheduler for either.
const partFlops = 96e6

// fullFlops is the arithmetic from which on a part costs little beside its work: it begins with rows and panels that
// another core may have had before, and ends with a look for the next part.
const fullFlops = 16e6

// onceLen is how much of B a part of few rows reads: it reads all of it once, so that no cache must hold it, in a
// quarter of a millisecond from memory.
const onceLen = 1 << 20

// partsFor is the least number of parts into which to cut so much arithmetic: one for every thread, and more, so that
// a thread that is slowed down leaves some to the others, as long as they are full.
func partsFor(flops float64) int {
	threads := pool.Threads()
	if threads == 1 || flops < smallWork {
		return 1
	}
	return threads * min(max(int(flops/fullFlops)/threads, 1), 4)
}

// product sets the cut for a product. Where parts copy B they are tall, and where they copy A they are not, so that
// little is copied twice; otherwise they are so that what a part touches stays in cache.
func (g *grid) product(items, rows, panels, k int, f kernels, tall, copyA bool) {
	*g = grid{rows: rows, bandRows: min(rows, 96), panels: panels, chunkPanels: min(panels, 24), items: items}
	switch {
	case !tall && rows <= 2*f.rows:
		g.chunkPanels = min(panels, max(24, onceLen/Width/max(k, 1)))
	case !tall && k <= 512:
		g.bandRows = min(rows, 128)
	case tall && copyA:
		g.bandRows = min(rows, 192)
	case tall:
		g.bandRows = min(rows, 512)
	}
	perCell := 2 * Width * float64(max(k, 1)) // operations of a row by a panel
	for float64(g.bandRows*g.chunkPanels)*perCell > partFlops {
		switch {
		case g.chunkPanels > 2*f.panels && (!tall || g.bandRows <= 48 || g.chunkPanels > 12):
			g.chunkPanels -= f.panels
		case g.bandRows > 48:
			g.bandRows = (g.bandRows*3/4 + f.rows - 1) / f.rows * f.rows
		case g.chunkPanels > f.panels:
			g.chunkPanels = max(g.chunkPanels-f.panels, f.panels)
		default:
			perCell = 0
		}
	}
	want := partsFor(2 * Width * float64(items*rows*panels) * float64(k))
	for g.count() < want {
		switch {
		case g.chunkPanels > 1 && (tall || g.chunkPanels*Width >= g.bandRows) && g.chunkPanels >= f.panels:
			g.chunkPanels = (g.chunkPanels + 1) / 2
		case g.bandRows > 2*f.rows:
			g.bandRows = (g.bandRows + 1) / 2
		case g.chunkPanels > 1:
			g.chunkPanels = (g.chunkPanels + 1) / 2
		default:
			want = 0
		}
	}
	// Few parts are as many for every thread.
	for range 4 {
		if want <= 1 || g.count() >= 32*pool.Threads() || g.count()%pool.Threads() == 0 {
			break
		}
		switch {
		case g.bandRows > 2*f.rows:
			g.bandRows = (rows + g.bands) / (g.bands + 1)
		case g.chunkPanels > f.panels:
			g.chunkPanels = (panels + g.chunks) / (g.chunks + 1)
		}
	}
	// Parts of even size, in whole tiles where they are many.
	g.bandRows = (rows + g.bands - 1) / g.bands
	if g.bands > 1 {
		g.bandRows = (g.bandRows + f.rows - 1) / f.rows * f.rows
	}
	g.chunkPanels = (panels + g.chunks - 1) / g.chunks
	if g.chunkPanels > 3*f.panels {
		g.chunkPanels = min((g.chunkPanels+f.panels-1)/f.panels*f.panels, panels)
	}
	g.count()
}

// Do computes one part.
func (t *productTask[T]) Do(i int) {
	j, p, q := t.j, &t.p, t.j.grid.at(i)
	t.compute(q, i)
	if j.ep != nil {
		c := t.c[q.item*p.StrideC+q.r0*p.LDC:]
		rows, col, cols := q.r1-q.r0, q.p0*Width, min(q.p1*Width, p.N)-q.p0*Width
		j.sums.finish(j.ep, c[col:(rows-1)*p.LDC+col+cols], p.LDC, q.item*p.M+q.r0, col, rows, cols)
	}
}

// compute is the product of part i of the grid, or of any other rectangle if i is negative.
func (t *productTask[T]) compute(q part, i int) {
	j, p := t.j, &t.p
	es := size[T]()
	s := newScratch[T]()
	defer s.release()
	c := t.c[q.item*p.StrideC+q.r0*p.LDC:]
	rows := q.r1 - q.r0
	s.rowC = rowsFrom(s.rowC, rows, 0, p.LDC*es)
	col, cols := q.p0*Width, min(q.p1*Width, p.N)-q.p0*Width
	for n, st := range j.steps {
		a, strideA := t.prepareA(s, t.a[q.item*p.StrideA:], q.r0, rows, st)
		b := j.b
		s.bias, s.residual = nil, nil
		if n == len(j.steps)-1 {
			s.bias, s.residual = j.sums.of(q.item*p.StrideC + q.r0*p.LDC)
		}
		switch {
		case t.source == groupsOfB:
			s.arg = tile{a: a, segs: first(st.segs), strideA: strideA, panelB: b.strideP}
			t.groups(s, first(c), t.b[q.item*p.StrideB:], q, st, n > 0)
			continue
		case t.source == linesOfB:
			b.base = first(t.b[q.item*p.StrideB:])
		}
		if t.source == linesOfB && len(j.kern.wide) > 0 && rows <= maxWide {
			s.sweepWide(j.kern, a, first(c), strideA, b, q.p0, q.p1, p.N, st.segs, n > 0)
			continue
		}
		if t.source == panelsOfB && i >= 0 {
			s.fetches, s.after = true, t.after(i, n)
		}
		s.sweep(j.kern, a, first(c), strideA, b, q.p0, q.p1, p.N, st.segs, n > 0)
	}
	if p.K == 0 {
		for r := range rows {
			clear(c[r*p.LDC+col : r*p.LDC+col+cols])
		}
	}
	s.bias, s.residual = nil, nil
}

// follow takes note of what ep says to follow.
func (t *productTask[T]) follow(ep Epilogue[T]) {
	e, ok := ep.(Follow[T])
	if !ok || t.source != panelsOfB {
		return
	}
	if next := e.Next(); next != nil && len(next.Data) > 0 {
		t.next = next
		t.nextGrid.product(1, t.p.M, panelsOf(next.N), next.K, t.j.kern, false, false)
	}
}

// after is what follows step n of part i of a packed B: its next step, the part that the same thread takes next if all
// take turns, or the beginning of the product to come.
func (t *productTask[T]) after(i, n int) coming {
	j := t.j
	if t.source != panelsOfB {
		return coming{}
	}
	if n+1 < len(j.steps) {
		return j.b.from(j.grid.at(i).p0, j.steps[n+1].segs[0].offB)
	}
	i += pool.Threads()
	if parts := j.grid.count(); i >= parts {
		if t.next == nil {
			return coming{}
		}
		b := packedOperand(t.next.Data, t.next.K)
		return b.from(t.nextGrid.at(min(i-parts, t.nextGrid.count()-1)).p0, 0)
	}
	return j.b.from(j.grid.at(i).p0, j.steps[0].segs[0].offB)
}

// from is the lines of b from a panel on, off bytes into it.
func (b *operand) from(panel, off int) coming {
	return coming{uintptr(b.base) + uintptr(panel*b.strideP+off), b.strideP}
}

// groups runs the kernels over the panels of a part, copying those of a tile first: the leading kernel does that by
// the way, otherwise it is a step of its own.
func (t *productTask[T]) groups(s *scratch[T], c unsafe.Pointer, b []T, q part, st step, add bool) {
	es, f, p, arg := size[T](), t.j.kern, &t.p, &s.arg
	n := st.k1 - st.k0
	ld := f.panels * Width
	s.b = grow(s.b, n*ld)
	for at := q.p0; at < q.p1; at += arg.np {
		arg.np = groupSize(q.p1-at, f.panels)
		col := at * Width
		s.sumsAt(col * es)
		left := p.N - col
		origin := unsafe.Add(c, col*es)
		r := 0
		if mr := groupSize(len(s.rowA), f.rows); f.lead != nil && !p.TransB && f.lead[mr-1][0] != nil {
			arg.mr = mr
			arg.mask = 1<<min(left-(arg.np-1)*Width, Width) - 1
			arg.strideB, arg.pack = p.LDB*es, first(s.b)
			arg.b = unsafe.Pointer(&b[st.k0*p.LDB+col])
			s.tileAt(origin, 0, len(st.segs), add)
			f.lead[mr-1][arg.np-1](unsafe.Pointer(arg))
			r = mr
		} else {
			for i := range arg.np {
				c0, cols := col+i*Width, min(Width, left-i*Width)
				if p.TransB {
					copyRows(s.b[i*Width:], b[c0*p.LDB+st.k0:], n, cols, p.LDB, ld)
				} else {
					copyColumns(s.b[i*Width:], b[st.k0*p.LDB+c0:], n, cols, p.LDB, ld)
				}
			}
		}
		arg.b, arg.strideB = first(s.b), ld*es
		s.rows(f, origin, r, left, len(st.segs), add)
	}
}

// prepareA sets the row offsets of A for rows from r0 and the k of a step, and returns the address they
// count from, such that the offsets of the step's segments hold, and the distance of successive k.
func (t *productTask[T]) prepareA(s *scratch[T], a []T, r0, rows int, st step) (base unsafe.Pointer, strideA int) {
	p, es := &t.p, size[T]()
	switch {
	case !p.TransA:
		s.rowA = rowsFrom(s.rowA, rows, r0*p.LDA*es, p.LDA*es)
		return first(a), es
	case !t.copyA:
		s.rowA = rowsFrom(s.rowA, rows, r0*es, es)
		return first(a), p.LDA * es
	default:
		n := st.k1 - st.k0
		s.a = grow(s.a, PackedLen(n, rows))
		packLines(s.a, a[st.k0*p.LDA+r0:], n, rows, p.LDA)
		s.rowA = grow(s.rowA, rows)
		for r := range rows {
			s.rowA[r] = (r/Width*n*Width + r%Width - st.k0*Width) * es
		}
		return first(s.a), Width * es
	}
}
