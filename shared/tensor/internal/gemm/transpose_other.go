//go:build !amd64

package gemm

import "unsafe"

// canTranspose says whether transpose may be called: there is no such assembly here.
func canTranspose() bool { return false }

// transpose is never called here.
func transpose(dst, src unsafe.Pointer, ldd, ld, n int) {}
