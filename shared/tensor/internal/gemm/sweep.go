package gemm

import "unsafe"

// operand is B, either in panels or as a row-major matrix whose width is a multiple of Width.
type operand struct {
	base    unsafe.Pointer
	strideK int // bytes from one k to the next
	strideP int // bytes from one panel to the next
}

// packedOperand describes the panels of a packed matrix of k rows.
func packedOperand[T Float](data []T, k int) operand {
	es := size[T]()
	return operand{base: first(data), strideK: Width * es, strideP: Width * k * es}
}

// coming are lines of packed panels that will be read: the address of the first, 0 if there is none, and the bytes
// from one panel to the next.
type coming struct {
	at      uintptr
	strideP int
}

// sweep runs the kernels over all rows of rowA and rowC and panels [p0, p1) of b for the range of k given
// by segs. n is the number of columns of C: those of the
// last panel beyond n are computed in the padded tile and dropped. If add is false the first block of
// segs is stored to C, else added.
func (s *scratch[T]) sweep(f kernels, a, c unsafe.Pointer, strideA int, b operand, p0, p1, n int,
	segs []segment, add bool) {
	es := size[T]()
	t := &s.arg
	*t = tile{a: a, segs: first(segs), strideA: strideA, strideB: b.strideK, panelB: b.strideP}
	for p := p0; p < p1; {
		t.np = groupSize(p1-p, f.panels)
		t.b = unsafe.Add(b.base, p*b.strideP)
		s.sumsAt(p * Width * es)
		s.next = s.after
		if p+t.np < p1 && s.fetches {
			s.next = coming{uintptr(t.b) + uintptr(t.np*b.strideP+segs[0].offB), b.strideP}
		}
		s.rows(f, unsafe.Add(c, p*Width*es), 0, n-p*Width, len(segs), add)
		p += t.np
	}
}

// rows runs the kernels over the rows from r on for the panels set in s.arg. c is the address of C in the first of
// them; left is the number of columns of C from there on.
func (s *scratch[T]) rows(f kernels, c unsafe.Pointer, r, left, segs int, add bool) {
	t := &s.arg
	width := min(t.np*Width, left)
	t.mask = 1<<(width-(t.np-1)*Width) - 1
	t.fetch, t.fetchPanel = s.next.at, s.next.strideP
	for r < len(s.rowA) {
		t.mr = groupSize(len(s.rowA)-r, f.rows)
		s.tileAt(c, r, segs, add)
		kernel := f.table[t.mr-1][t.np-1]
		if f.masked || width == t.np*Width {
			kernel(unsafe.Pointer(t))
		} else {
			s.partial(kernel, c, s.rowC[r:r+t.mr], width, add)
		}
		if r > 0 {
			t.fetch = 0 // two tiles have fetched all
		}
		r += t.mr
	}
}

// tileAt sets what differs between the tiles of a panel group: t.mr rows from row r on.
func (s *scratch[T]) tileAt(c unsafe.Pointer, r, segs int, add bool) {
	t := &s.arg
	t.c, t.rowA, t.rowC = c, unsafe.Pointer(&s.rowA[r]), unsafe.Pointer(&s.rowC[r])
	t.nseg, t.add, t.ahead = segs, 0, 0
	if add {
		t.add = 1
	}
	if r+t.mr < len(s.rowA) {
		t.ahead = s.rowA[r+t.mr] - s.rowA[r]
	}
}

// maxWide is the largest number of rows of a wide kernel.
const maxWide = 4

// sweepWide is sweep for at most maxWide rows and a B whose panels lie side by side.
func (s *scratch[T]) sweepWide(f kernels, a, c unsafe.Pointer, strideA int, b operand, p0, p1, n int,
	segs []segment, add bool) {
	es := size[T]()
	t := &s.arg
	*t = tile{a: a, segs: first(segs), strideA: strideA, strideB: b.strideK, panelB: b.strideP, mr: len(s.rowA)}
	for p := p0; p < p1; p += t.np {
		t.np = groupSize(p1-p, f.panels)
		kernel := f.table[t.mr-1][t.np-1]
		for _, w := range f.wide {
			if w.rows == t.mr && w.panels <= p1-p {
				t.np, kernel = w.panels, w.run
				break
			}
		}
		t.b = unsafe.Add(b.base, p*b.strideP)
		s.sumsAt(p * Width * es)
		t.mask = 1<<min(n-(p+t.np-1)*Width, Width) - 1
		s.tileAt(unsafe.Add(c, p*Width*es), 0, len(segs), add)
		kernel(unsafe.Pointer(t))
	}
}

// partial runs a kernel on the padded tile and moves the columns that exist.
func (s *scratch[T]) partial(kernel func(unsafe.Pointer), c unsafe.Pointer, rowC []int, width int, add bool) {
	t := &s.arg
	cols := t.np * Width
	if add {
		for r, off := range rowC {
			copy(s.tmp[r*cols:r*cols+width], unsafe.Slice((*T)(unsafe.Add(c, off)), width))
		}
	}
	var offsets *[maxRows]int
	if size[T]() == 4 {
		offsets = &tmpRows[t.np-1]
	} else {
		offsets = &tmpRows64[t.np-1]
	}
	t.c, t.rowC = unsafe.Pointer(&s.tmp), unsafe.Pointer(offsets)
	kernel(unsafe.Pointer(t))
	for r, off := range rowC {
		copy(unsafe.Slice((*T)(unsafe.Add(c, off)), width), s.tmp[r*cols:r*cols+width])
	}
}

// Row offsets in the padded tile, by the number of panels.
var tmpRows, tmpRows64 = tileRows(4), tileRows(8)

func tileRows(es int) (t [maxPanels][maxRows]int) {
	for p := range t {
		for r := range t[p] {
			t[p][r] = r * (p + 1) * Width * es
		}
	}
	return t
}

// groupSize is how many of left rows or panels the next tile takes when the largest tile has limit: the
// last two tiles share their part evenly.
func groupSize(left, limit int) int {
	switch {
	case left <= limit:
		return left
	case left < 2*limit:
		return (left + 1) / 2
	default:
		return limit
	}
}
