package vec

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// maxCall bounds the elements given to one kernel call, which the scheduler cannot interrupt: at 1 ns an
// element it is 65 us. It is a multiple of 16, so that reductions may be cut there.
const maxCall = 1 << 16

// tileCut is the number of columns from which row-wise functions call a kernel per row; below it, rows are
// repeated in a buffer of rowBuf elements.
const (
	tileCut = 64
	rowBuf  = 512
)

// native says whether n elements of type T are work for the assembly.
func native[T Float](n int) bool {
	return hasKernels && isF32[T]() && n > 0 && cpu.Active() != cpu.Portable
}

// p32 is the address of the first element of s, whose type must be float32.
func p32[T Float](s []T) *float32 { return (*float32)(unsafe.Pointer(unsafe.SliceData(s))) }

// repeat fills buf with copies of row and returns the filled part, a whole number of rows.
func repeat[T Float](buf, row []T) []T {
	n := copy(buf, row)
	for n+len(row) <= len(buf) {
		n += copy(buf[n:n+len(row)], row)
	}
	return buf[:n]
}
