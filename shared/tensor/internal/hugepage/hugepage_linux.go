package hugepage

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// size is that of a large page.
const size = 2 << 20

// Want asks for large pages under all of b, which is best before b is first written. What shares its first and last
// page gets them, too. A refusal only costs speed.
func Want(b []byte) { advise(b, unix.MADV_HUGEPAGE) }

// Collapse moves a written b, for which Want was called, to large pages at once where it lies on small ones.
func Collapse(b []byte) { advise(b, unix.MADV_COLLAPSE) }

// advise passes an advice on for the large pages that b touches. A refusal, as by a system that does not know the
// advice, is no error.
func advise(b []byte, advice uintptr) {
	if len(b) < size/8 {
		return
	}
	first := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	end := (first + uintptr(len(b)) + size - 1) &^ (size - 1)
	first &^= size - 1
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, first, end-first, advice)
}
