package quant

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// native is the instruction set of the kernels to use: products and quantisation have none here.
func native() cpu.ISA { return cpu.Portable }

func runFew(cpu.ISA, Kind, int, *args) bool { return false }

func quantizeNative([]record, []float32) bool { return false }

// hasRotate says whether rotateNative may be called.
func hasRotate() bool { return cpu.Active() == cpu.NEON }

// rotateNative rotates heads in place.
func rotateNative(pairs bool, a *args) {
	if pairs {
		rotatePairsNEON(unsafe.Pointer(a))
		return
	}
	rotateHalfNEON(unsafe.Pointer(a))
}
