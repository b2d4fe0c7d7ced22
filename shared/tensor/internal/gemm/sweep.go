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

// sweep runs the kernels over all rows of rowA and rowC and panels [p0, p1) of b for the range of k given
// by segs. n is the number of columns of C: those of the
// last panel beyond n are computed in the padded tile and dropped. If add is false the first block of
// segs is stored to C, else added.
func (s *scratch[T]) sweep(f kernels, a, c unsafe.Pointer, strideA int, b operand, p0, p1, n int,
	segs []segment, add bool) {
	es := size[T]()
	t := &s.arg
	*t = tile{a: a, segs: first(segs), strideA: strideA, strideB: b.strideK, panelB: b.strideP}
	rows := len(s.rowA)
	for p := p0; p < p1; {
		t.np = groupSize(p1-p, f.panels)
		cols := t.np * Width
		width := min(cols, n-p*Width)
		t.b = unsafe.Add(b.base, p*b.strideP)
		origin := unsafe.Add(c, p*Width*es)
		for r := 0; r < rows; {
			t.mr = groupSize(rows-r, f.rows)
			t.nseg = len(segs)
			t.rowA = unsafe.Pointer(&s.rowA[r])
			t.add = 0
			if add {
				t.add = 1
			}
			kernel := f.table[t.mr-1][t.np-1]
			if width == cols {
				t.c, t.rowC = origin, unsafe.Pointer(&s.rowC[r])
				kernel(unsafe.Pointer(t))
			} else {
				s.partial(kernel, origin, s.rowC[r:r+t.mr], width, add)
			}
			r += t.mr
		}
		p += t.np
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
