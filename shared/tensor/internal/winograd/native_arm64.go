package winograd

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// kernels are the transforms by form and kind.
var kernels = [2][5]func(*byte){
	{input2_NEON, output2_NEON, weights2_NEON},
	{input4_NEON, output4_NEON, weights4_NEON, spread4_NEON, collect3_NEON},
}

// native runs a transform in assembly, if there is one.
func native(f Form, kind int, a *Args) bool {
	if cpu.Active() != cpu.NEON {
		return false
	}
	kernels[f-F2][kind]((*byte)(unsafe.Pointer(a)))
	return true
}
