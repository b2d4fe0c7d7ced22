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
	rowBase int
	each    bool // every item has a B of its own, prepared by the part
	copyA   bool
}

// directB says whether a row-major B is read in place: its rows are whole panels, and it is read too
// seldom for packing to pay.
func directB(p Product) bool {
	return !p.TransB && p.N%Width == 0 && (p.M <= 48 || p.LDB <= 128)
}

func (j *job[T]) matmul(c, a, b []T, pb *Packed[T], p Product, rowBase int, ep Epilogue[T]) {
	es := size[T]()
	if p.Batch > 1 && p.StrideB == 0 && p.StrideA == p.M*p.LDA && p.StrideC == p.M*p.LDC && !p.TransA {
		p.M, p.Batch = p.M*p.Batch, 1 // shared B: one tall product
	}
	t := &j.product
	*t = productTask[T]{j: j, p: p, c: c, a: a, b: b, rowBase: rowBase}
	j.kern, j.ep = kernelsFor[T](), ep
	strideA := es
	if p.TransA {
		strideA = p.LDA * es
	}
	panels := panelsOf(p.N)
	t.copyA = panels > j.kern.panels*2 && (p.LDA*es%1024 == 0 || (p.TransA && p.LDA*es > 256))
	if t.copyA && p.TransA {
		strideA = Width * es
	}
	j.runs(p.K, BlockK, 0, strideA)
	strideB := Width * es // of a packed B
	if pb == nil && directB(p) {
		strideB = p.LDB * es
	}
	j.makeSteps(strideB)
	longest := 1
	for _, s := range j.steps {
		longest = max(longest, s.k1-s.k0)
	}
	flops := 2 * float64(p.M) * float64(p.N) * float64(p.K)
	const cacheA, cacheC = 1 << 16, 1 << 17 // elements of a part
	chunk := min(panels, 32)
	rows := max(min(cacheA/longest, cacheC/(chunk*Width))/24*24, 24)
	t.each = p.Batch > 1 && p.StrideB != 0
	switch {
	case pb != nil:
		j.b = packedOperand(pb.Data, p.K)
	case t.each:
		rows, chunk = p.M, panels
	case directB(p):
		j.b = operand{base: first(b), strideK: strideB, strideP: Width * es}
	default:
		j.packed = grow(j.packed, PackedLen(p.K, p.N))
		j.pack(j.packed, b, p.K, p.N, p.LDB, p.TransB)
		j.b = packedOperand(j.packed, p.K)
	}
	total := flops * float64(p.Batch)
	if t.each {
		flops = 0 // cutting an item would pack its B several times
	}
	j.grid.choose(p.Batch, p.M, 1, rows, panels, chunk, flops*float64(p.Batch))
	dispatch(j.grid.count(), t, total)
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

// Do computes one part.
func (t *productTask[T]) Do(i int) {
	j, p := t.j, &t.p
	es := size[T]()
	q := j.grid.at(i)
	s := newScratch[T]()
	defer s.release()
	b := j.b
	if t.each {
		b = t.prepareB(s, t.b[q.item*p.StrideB:])
	}
	c := t.c[q.item*p.StrideC+q.r0*p.LDC:]
	rows := q.r1 - q.r0
	s.rowC = rowsFrom(s.rowC, rows, 0, p.LDC*es)
	col, cols := q.p0*Width, min(q.p1*Width, p.N)-q.p0*Width
	for n, st := range j.steps {
		a, strideA := t.prepareA(s, t.a[q.item*p.StrideA:], q.r0, rows, st)
		s.sweep(j.kern, a, first(c), strideA, b, q.p0, q.p1, p.N, st.segs, n > 0)
	}
	if p.K == 0 {
		for r := range rows {
			clear(c[r*p.LDC+col : r*p.LDC+col+cols])
		}
	}
	if j.ep != nil {
		j.ep.Finish(c[col:(rows-1)*p.LDC+col+cols], p.LDC, t.rowBase+q.item*p.M+q.r0, col, rows, cols)
	}
}

// prepareB is the B of one item of a batch.
func (t *productTask[T]) prepareB(s *scratch[T], b []T) operand {
	p, es := &t.p, size[T]()
	if directB(*p) {
		return operand{base: first(b), strideK: p.LDB * es, strideP: Width * es}
	}
	s.b = grow(s.b, PackedLen(p.K, p.N))
	pack := packTask[T]{dst: s.b, src: b, k: p.K, n: p.N, ld: p.LDB, trans: p.TransB}
	for i := range panelsOf(p.N) {
		pack.Do(i)
	}
	return packedOperand(s.b, p.K)
}

// prepareA sets the row offsets of A for rows from r0 and the k of a step, and returns the address they
// count from, such that the offsets of the step's segments hold, and the distance of successive k.
func (t *productTask[T]) prepareA(s *scratch[T], a []T, r0, rows int, st step) (base unsafe.Pointer, strideA int) {
	p, es := &t.p, size[T]()
	n := st.k1 - st.k0
	switch {
	case !t.copyA && !p.TransA:
		s.rowA = rowsFrom(s.rowA, rows, r0*p.LDA*es, p.LDA*es)
		return first(a), es
	case !t.copyA:
		s.rowA = rowsFrom(s.rowA, rows, r0*es, es)
		return first(a), p.LDA * es
	case !p.TransA:
		// Rows a power of two apart would fall into the same few cache sets.
		ld := n + Width
		s.a = grow(s.a, rows*ld)
		for r := range rows {
			copy(s.a[r*ld:r*ld+n], a[(r0+r)*p.LDA+st.k0:])
		}
		s.rowA = rowsFrom(s.rowA, rows, -st.k0*es, ld*es)
		return first(s.a), es
	default:
		s.a = grow(s.a, PackedLen(n, rows))
		packLines(s.a, a[st.k0*p.LDA+r0:], n, rows, p.LDA)
		s.rowA = grow(s.rowA, rows)
		for r := range rows {
			s.rowA[r] = (r/Width*n*Width + r%Width - st.k0*Width) * es
		}
		return first(s.a), Width * es
	}
}
