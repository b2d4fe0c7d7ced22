package winograd

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

//go:generate go run -C ../../../../tools/asm/winograd . ../../../shared/tensor/internal/winograd

// kernels are the transforms of a width by form and kind.
var kernels = [2][2][5]func(*byte){
	{
		{input2_512, output2_512, weights2_512},
		{input4_512, output4_512, weights4_512, spread4_512, collect3_512},
	},
	{
		{input2_256, output2_256, weights2_256},
		{input4_256, output4_256, weights4_256, spread4_256, collect3_256},
	},
}

// native runs a transform in assembly, if there is one.
func native(f Form, kind int, a *Args) bool {
	width := 0
	switch cpu.Active() {
	case cpu.AVX512:
	case cpu.AVX2:
		width = 1
	default:
		return false
	}
	kernels[width][f-F2][kind]((*byte)(unsafe.Pointer(a)))
	return true
}
