package quant

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a large page.
const hugePage = 2 << 20

// wantHuge asks for large pages: a stream of weights over pages of 4 KiB waits for translations, and the processor's
// prefetching stops at their ends. A refusal only costs speed.
func wantHuge(b []byte) {
	off := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (hugePage - 1)
	if n := (len(b) - off) &^ (hugePage - 1); n > 0 {
		_ = unix.Madvise(b[off:off+n], unix.MADV_HUGEPAGE)
	}
}
