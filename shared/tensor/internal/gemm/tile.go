package gemm

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// segment is a run of consecutive k. The A element of row r at the i-th k of the run lies
// offA + i*strideA bytes after the row's start, the line of B offB + i*strideB bytes after B's.
type segment struct {
	offA, offB int   // bytes
	n          int32 // at least 1
	end        int32 // 1 where a block of the reduction ends
}

// tile is the argument of a kernel, which computes, for rows r < mr and panels p < np,
//
//	acc = 0
//	for every segment s:
//		for i = 0 .. s.n-1:
//			acc[r][p*16+j] = fma(A(r, s, i), B(s, i, p, j), acc[r][p*16+j])   for j < 16
//		if s.end: C[r][p*16+j] = acc, or C[r][p*16+j] + acc if add; then acc = 0 and add = true
//
// The assembly knows the layout of tile and segment; kernels change nseg and add.
type tile struct {
	a, b, c unsafe.Pointer // the origins of A (any row), B (first panel, first k) and C
	segs    unsafe.Pointer // nseg segments
	rowA    unsafe.Pointer // byte offsets of the rows from a, one int each
	rowC    unsafe.Pointer // byte offsets of the rows from c, one int each
	nseg    int
	strideA int            // bytes from one k to the next
	strideB int            // bytes from one k to the next within a panel
	panelB  int            // bytes from one panel to the next
	add     int            // 0: the first block is stored; otherwise it is added to C
	mr, np  int            // size of the tile; the portable kernel reads it
	mask    int            // the columns of the last panel that exist, a bit each; only kernels.masked reads it
	pack    unsafe.Pointer // where leading kernels write
	ahead   int            // bytes from a row of A to that of the tile below, to be fetched; 0 if there is none
	save    int            // room for the kernel
	// Where they are not nil, the bias of the columns is added to the sum of the last block, then a matrix that lies as
	// C does. Only kernels.masked does so.
	bias, residual unsafe.Pointer
	// fetch is the address of lines, in panels fetchPanel bytes apart, that come later, or 0. Kernels of 8 rows fetch
	// half as many as they take and move on; others ignore it.
	fetch      uintptr
	fetchPanel int
	_          int // keeps tile a multiple of 16 bytes
}

// Largest tile of any instruction set.
const maxRows, maxPanels = 8, 3

// kernels is the family of one instruction set: table[mr-1][np-1].
type kernels struct {
	rows, panels int // largest tile
	table        *[maxRows][maxPanels]func(unsafe.Pointer)
	// masked kernels neither read nor write columns beyond those of the mask, so that they need no padded tile and
	// no padded B.
	masked bool
	// lead is like table, for more than rows/2 rows, where it is not nil: the kernels ignore segment.offB (the lines
	// of B follow on one another through all segments) and also write the lines they read to pack, panels*Width
	// elements apart.
	lead *[maxRows][maxPanels]func(unsafe.Pointer)
	// wide kernels take fewer rows and more panels, Width elements apart whatever panelB says; for every number of
	// rows from the widest.
	wide []wideKernel
	// list are the listed kernels by rows and panels, scan writes lists of so many rows, and inspect looks at operands;
	// nil where there are none.
	list    *[listRows][]func(unsafe.Pointer)
	scan    *[listRows]func(unsafe.Pointer)
	inspect func(unsafe.Pointer)
}

// wideKernel is a kernel of a size beyond the table.
type wideKernel struct {
	rows, panels int
	run          func(unsafe.Pointer)
}

// kernelsFor is the family in use for T.
func kernelsFor[T Float]() kernels {
	if k, ok := native(cpu.Active(), size[T]()); ok {
		return k
	}
	if size[T]() == 4 {
		return kernels{rows: 4, panels: 1, table: &portable32}
	}
	return kernels{rows: 4, panels: 1, table: &portable64}
}

// The families in portable Go.
var (
	portable32 = portableTable[float32]()
	portable64 = portableTable[float64]()
)

func portableTable[T Float]() (t [maxRows][maxPanels]func(unsafe.Pointer)) {
	for r := range t {
		for p := range t[r] {
			t[r][p] = tilePortable[T]
		}
	}
	return t
}

// tilePortable is the kernel in plain Go, for tiles of at most 4 rows and one panel.
func tilePortable[T Float](arg unsafe.Pointer) {
	t := (*tile)(arg)
	rowA := unsafe.Slice((*int)(t.rowA), t.mr)
	rowC := unsafe.Slice((*int)(t.rowC), t.mr)
	var acc [4][Width]T
	for _, s := range unsafe.Slice((*segment)(t.segs), t.nseg) {
		for i := range int(s.n) {
			b := (*[Width]T)(unsafe.Add(t.b, s.offB+i*t.strideB))
			for r, off := range rowA {
				x := *(*T)(unsafe.Add(t.a, off+s.offA+i*t.strideA))
				fmaRow(&acc[r], x, b)
			}
		}
		if s.end == 0 {
			continue
		}
		for r, off := range rowC {
			c := unsafe.Slice((*T)(unsafe.Add(t.c, off)), Width)
			for j := range c {
				if t.add != 0 {
					c[j] += acc[r][j]
				} else {
					c[j] = acc[r][j]
				}
			}
		}
		acc, t.add = [4][Width]T{}, 1
	}
}
