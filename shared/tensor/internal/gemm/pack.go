package gemm

import (
	"fmt"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/hugepage"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// Packed is a K x N matrix in panels of Width columns, [ceil(N/Width)][K][Width], the last panel padded
// with zeros. The layout is the same for every instruction set. It is immutable while products use it.
type Packed[T Float] struct {
	K, N int
	Data []T
}

// PackedLen is the number of elements of a packed K x N matrix.
func PackedLen(k, n int) int { return (n + Width - 1) / Width * Width * k }

// NewPacked returns a packed matrix of zeros.
func NewPacked[T Float](k, n int) *Packed[T] {
	p := &Packed[T]{K: k, N: n, Data: make([]T, PackedLen(k, n))}
	hugepage.Want(p.bytes())
	return p
}

// WrapPacked makes a packed matrix of data that is in panel order already; it is not copied.
func WrapPacked[T Float](data []T, k, n int) *Packed[T] {
	if len(data) != PackedLen(k, n) {
		panic(fmt.Sprintf("gemm: %d packed elements for %dx%d, want %d", len(data), k, n, PackedLen(k, n)))
	}
	return &Packed[T]{K: k, N: n, Data: data}
}

// PackB packs b, which is K x N with row stride ld (0: tight), or N x K when trans.
func PackB[T Float](b []T, k, n, ld int, trans bool) *Packed[T] {
	p := NewPacked[T](k, n)
	p.Pack(b, ld, trans)
	hugepage.Collapse(p.bytes())
	return p
}

// bytes is the memory of p.
func (p *Packed[T]) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(p.Data))), len(p.Data)*size[T]())
}

// Pack replaces the contents by b, as PackB does, without allocating.
func (p *Packed[T]) Pack(b []T, ld int, trans bool) {
	rows, cols := p.K, p.N
	if trans {
		rows, cols = p.N, p.K
	}
	ld = orTight(ld, cols)
	if rows > 0 && cols > 0 && (ld < cols || len(b) < (rows-1)*ld+cols) {
		panic(fmt.Sprintf("gemm: %d elements with stride %d to pack %dx%d", len(b), ld, rows, cols))
	}
	if p.K == 0 || p.N == 0 {
		return
	}
	j := newJob[T]()
	j.pack(p.Data, b, p.K, p.N, ld, trans)
	j.release()
}

// packTask packs one panel for every part.
type packTask[T Float] struct {
	dst, src []T
	k, n, ld int
	trans    bool
}

func (j *job[T]) pack(dst, b []T, k, n, ld int, trans bool) {
	t := &j.packing
	*t = packTask[T]{dst: dst, src: b, k: k, n: n, ld: ld, trans: trans}
	panels := (n + Width - 1) / Width
	if k*n < 1<<14 {
		for i := range panels {
			t.Do(i)
		}
	} else {
		pool.Run(panels, t)
	}
	*t = packTask[T]{}
}

// Do packs panel i.
func (t *packTask[T]) Do(i int) {
	c0 := i * Width
	dst := t.dst[c0*t.k : (c0+Width)*t.k]
	if t.trans {
		packRows(dst, t.src[c0*t.ld:], t.k, min(Width, t.n-c0), t.ld)
	} else {
		packColumns(dst, t.src[c0:], t.k, min(Width, t.n-c0), t.ld)
	}
}

// packColumns fills one panel from cols columns of a row-major matrix.
func packColumns[T Float](dst, src []T, k, cols, ld int) { copyColumns(dst, src, k, cols, ld, Width) }

// copyColumns is packColumns for a panel whose lines lie to elements apart.
func copyColumns[T Float](dst, src []T, k, cols, ld, to int) {
	if cols == Width {
		for i := range k {
			*(*[Width]T)(dst[i*to:]) = *(*[Width]T)(src[i*ld:])
		}
		return
	}
	for i := range k {
		d := dst[i*to : i*to+Width]
		clear(d[copy(d, src[i*ld:i*ld+cols]):])
	}
}

// packLines fills all panels of a k x cols row-major matrix, row by row, so that every row of the source
// is touched once.
func packLines[T Float](dst, src []T, k, cols, ld int) {
	whole := cols / Width * Width
	for i := range k {
		row := src[i*ld : i*ld+cols]
		at := i * Width
		for c := 0; c < whole; c += Width {
			*(*[Width]T)(dst[at:]) = *(*[Width]T)(row[c:])
			at += k * Width
		}
		if whole < cols {
			d := dst[at : at+Width]
			clear(d[copy(d, row[whole:]):])
		}
	}
}

// packRows fills one panel from cols rows of a row-major matrix, that is, from columns of its
// transpose.
func packRows[T Float](dst, src []T, k, cols, ld int) { copyRows(dst, src, k, cols, ld, Width) }

// copyRows is packRows for a panel whose lines lie to elements apart.
func copyRows[T Float](dst, src []T, k, cols, ld, to int) {
	if size[T]() == 4 && k >= 8 && cols >= 8 && canTranspose() {
		done := k / 8 * 8
		for c := 0; c+8 <= cols; c += 8 {
			_, _ = src[(c+7)*ld+done-1], dst[(done-1)*to+Width-1]
			transpose(unsafe.Pointer(&dst[c]), unsafe.Pointer(&src[c*ld]), to*4, ld*4, done/8)
		}
		moveRows(dst, src, 0, done, cols/8*8, cols, ld, to)
		moveRows(dst, src, done, k, 0, cols, ld, to)
		return
	}
	moveRows(dst, src, 0, k, 0, cols, ld, to)
}

// moveRows is copyRows for k in [k0, k1) and for the rows from c0 on.
func moveRows[T Float](dst, src []T, k0, k1, c0, cols, ld, to int) {
	const step = 8 // elements of a row taken at a time, so that both sides stay in cache
	for i0 := k0; i0 < k1; i0 += step {
		n := min(step, k1-i0)
		for c := c0; c < Width; c++ {
			d := dst[i0*to+c:]
			if c >= cols {
				for i := range n {
					d[i*to] = 0
				}
				continue
			}
			for i, v := range src[c*ld+i0 : c*ld+i0+n] {
				d[i*to] = v
			}
		}
	}
}
