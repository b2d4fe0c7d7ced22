package quant

import (
	"sync"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/hugepage"
)

// slabBytes is the size of the memory that small matrices share, so that they, too, lie on large pages.
const slabBytes = 4 << 20

// weights hands out the memory of matrices. A slab lives as long as one of its matrices.
var weights slabs

type slabs struct {
	sync.Mutex
	rest []byte
}

// take returns n zeroed bytes from a line's beginning on.
func (s *slabs) take(n int) []byte {
	if n > slabBytes/4 {
		b := aligned(n)
		hugepage.Want(b)
		return b
	}
	s.Lock()
	defer s.Unlock()
	size := (n + line - 1) &^ (line - 1)
	if len(s.rest) < size {
		s.rest = aligned(slabBytes)
		hugepage.Want(s.rest)
	}
	b := s.rest[:n:n]
	s.rest = s.rest[size:]
	return b
}

// aligned is n zeroed bytes from a line's beginning on.
func aligned(n int) []byte {
	b := make([]byte, n+line)
	off := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (line - 1)
	return b[off : off+n : off+n]
}
