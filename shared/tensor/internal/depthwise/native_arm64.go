package depthwise

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// kernels are those of NEON by kind.
var kernels = [2]func(*byte){filterNEON, gatherNEON}

// native runs a kernel in assembly, if there is one.
func native(kind int, a *args) bool {
	if cpu.Active() != cpu.NEON {
		return false
	}
	kernels[kind]((*byte)(unsafe.Pointer(a)))
	return true
}
