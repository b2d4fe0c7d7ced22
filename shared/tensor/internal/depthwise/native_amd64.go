package depthwise

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

//go:generate go run -C ../../../../tools/asm/depthwise . ../../../shared/tensor/internal/depthwise

// kernels are those of a width by kind.
var kernels = [2][2]func(*byte){{filter512, gather512}, {filter256, gather256}}

// native runs a kernel in assembly, if there is one.
func native(kind int, a *args) bool {
	width := 0
	switch cpu.Active() {
	case cpu.AVX512:
	case cpu.AVX2:
		width = 1
	default:
		return false
	}
	kernels[width][kind]((*byte)(unsafe.Pointer(a)))
	return true
}
