package gemm

import (
	"math"
	"unsafe"
)

// listed is the argument of a listed kernel, which computes, for rows r and panels p,
//
//	acc = 0
//	for i = 0 .. n-1: acc[r][p*16+j] = fma(values[r][i], B(p, at[i], j), acc[r][p*16+j])   for j < 16
//	c[r][p*16+j] = acc, or c[r][p*16+j] + acc if add; plus bias[p*16+j], if that is not nil
//
// and sets negative if a result is -0. The assembly knows the layout.
type listed struct {
	b        unsafe.Pointer // the first panel
	panel    int            // bytes from one panel to the next
	at       unsafe.Pointer // n times int32: bytes from b to a line
	values   unsafe.Pointer // of the first row; those of the next begin listBlock later
	n        int
	add      int // 0: the block is stored
	mask     int // the columns of the last panel that exist, a bit each
	negative int
	bias     unsafe.Pointer // only kernels of sets with masks read it
	c        [listRows]unsafe.Pointer
}

// scan is the argument of a kernel that lists the columns in which one of several rows is not 0: at and values as those
// of listed, count of them. Up to Width elements beyond those are written, too.
type scan struct {
	a      unsafe.Pointer // the first row
	row    int            // bytes to the next one
	n      int
	at     unsafe.Pointer
	values unsafe.Pointer
	from   unsafe.Pointer // Width times int32: what at holds for the first columns
	step   int            // what it holds more for the next
	count  int
}

// inspection is the argument of a kernel that copies lines of B and looks at them. The assembly knows its layout.
type inspection struct {
	b       unsafe.Pointer
	row     int // bytes from one line to the next
	lines   int
	panels  int            // at least 1
	mask    int            // the columns of the last panel
	top     unsafe.Pointer // Width times uint32: the largest of the bits without the sign, moved up by one
	copy    unsafe.Pointer
	copyRow int
}

// list lists the elements of a band of rows that are not zero.
func (t *sparseTask) list(band int) {
	r0 := band * scanRows
	rows := min(scanRows, t.p.M-r0)
	s := newScratch[float32]()
	defer s.release()
	var a []float32
	ld := t.p.LDA
	if !t.p.TransA {
		a = t.a[r0*ld:]
	} else {
		ld = (t.p.K + Width - 1) / Width * Width
		s.a = grow(s.a, scanRows*ld)
		for k := 0; k < t.p.K; k += Width {
			copyRows(s.a[k:], t.a[k*t.p.LDA+r0:], rows, min(Width, t.p.K-k), t.p.LDA, ld)
		}
		a = s.a
	}
	total := 0
	for r := 0; r < rows; r += t.height {
		for block := range t.blocks {
			total += t.scan(s, a[r*ld:], ld, min(t.height, rows-r), (r0+r)/t.height, block)
		}
	}
	t.total.Add(int64(total))
}

// place is where the list of a group of rows in a block begins; its values begin height times as far.
func (t *sparseTask) place(group, block int) int { return (group*t.blocks + block) * listBlock }

// scan lists a block of rows that lie ld apart.
func (t *sparseTask) scan(s *scratch[float32], a []float32, ld, rows, group, block int) int {
	i, k0 := t.place(group, block), block*BlockK
	k, n := min(BlockK, t.p.K-k0), 0
	at, values := t.at[i:i+listBlock], t.values[i*t.height:(i+listBlock)*t.height]
	a = a[k0 : (rows-1)*ld+k0+k]
	if t.kern.scan != nil {
		s.scan = scan{
			a: first(a), row: 4 * ld, n: k, at: first(at), values: first(values), from: unsafe.Pointer(&t.first),
			step: Width * t.line,
		}
		t.kern.scan[rows-1](unsafe.Pointer(&s.scan))
		n = s.scan.count
	} else {
		for j := range k {
			at[n] = int32(j * t.line)
			some := 0
			for r := range rows {
				v := a[r*ld+j]
				values[r*listBlock+n] = v
				if v != 0 {
					some = 1
				}
			}
			n += some
		}
	}
	t.counts[group*t.blocks+block] = int32(n)
	return n
}

// row runs the kernels over the panels of a part, whose lines begin at b, for a group of rows; bias is
// nil but for the last block.
func (t *sparseTask) row(s *scratch[float32], q part, b unsafe.Pointer, bias []float32, group int) {
	p, l := &t.p, &s.list
	r0 := group * t.height
	rows := min(t.height, p.M-r0)
	most := t.most(rows)
	for at := q.p0; at < q.p1; {
		n := min(most, q.p1-at)
		col := at * Width
		width := min(n*Width, p.N-col)
		l.b = unsafe.Add(b, (at-q.p0)*t.panel)
		l.mask = 1<<(width-(n-1)*Width) - 1
		if bias != nil {
			l.bias = unsafe.Pointer(&bias[col])
		}
		for r := range rows {
			l.c[r] = unsafe.Pointer(&t.c[(r0+r)*p.LDC+col])
		}
		switch {
		case t.kern.list == nil:
			listPortable(l, rows)
		case t.kern.masked || width == n*Width:
			t.kern.list[rows-1][n-1](unsafe.Pointer(l))
		default:
			s.listPadded(t.kern.list[rows-1][n-1], rows, n*Width, width)
		}
		at += n
	}
}

// listPadded runs a listed kernel on a padded tile and moves the columns that exist.
func (s *scratch[T]) listPadded(kernel func(unsafe.Pointer), rows, padded, width int) {
	l := &s.list
	tmp := (*[maxRows * maxPanels * Width]float32)(unsafe.Pointer(&s.tmp))
	c := l.c
	for r := range rows {
		x := tmp[r*padded : (r+1)*padded]
		copy(x, unsafe.Slice((*float32)(c[r]), width))
		l.c[r] = unsafe.Pointer(&x[0])
	}
	kernel(unsafe.Pointer(l))
	for r := range rows {
		copy(unsafe.Slice((*float32)(c[r]), width), tmp[r*padded:])
	}
}

// listPortable is the kernel of one panel in plain Go.
func listPortable(l *listed, rows int) {
	at := unsafe.Slice((*int32)(l.at), l.n)
	for r := range rows {
		var acc [Width]float32
		values := unsafe.Slice((*float32)(unsafe.Add(l.values, 4*r*listBlock)), l.n)
		for i, off := range at {
			fmaRow32(&acc, values[i], (*[Width]float32)(unsafe.Add(l.b, int(off))))
		}
		for j := 0; l.mask>>j&1 != 0; j++ {
			c := (*float32)(unsafe.Add(l.c[r], 4*j))
			if l.add != 0 {
				acc[j] += *c
			}
			if *c = acc[j]; math.Float32bits(acc[j]) == 1<<31 {
				l.negative = 1
			}
		}
	}
}
