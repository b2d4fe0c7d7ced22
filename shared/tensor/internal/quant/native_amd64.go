package quant

import (
	"unsafe"

	hw "golang.org/x/sys/cpu"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

//go:generate go -C ../../../../tools/asm run ./quant -dir ../../shared/tensor/internal/quant

// native is the instruction set of the kernels to use: AVX-512 needs VNNI.
func native() cpu.ISA {
	isa := cpu.Active()
	if isa == cpu.AVX512 && !hw.X86.HasAVX512VNNI {
		return cpu.AVX2
	}
	return isa
}

// runFew multiplies r rows by panels; it says whether there is such a kernel.
func runFew(isa cpu.ISA, k Kind, r int, a *args) bool {
	switch isa {
	case cpu.AVX512:
		few512[k][r-1](unsafe.Pointer(a))
	case cpu.AVX2:
		few256[k][r-1](unsafe.Pointer(a))
	default:
		return false
	}
	return true
}

// quantizeNative quantises the steps of x; it says whether there is a kernel.
func quantizeNative(recs []record, x []float32) bool {
	if isa := cpu.Active(); isa != cpu.AVX512 && isa != cpu.AVX2 {
		return false
	}
	a := args{
		w: unsafe.Pointer(unsafe.SliceData(x)), c: unsafe.Pointer(unsafe.SliceData(recs)), steps: len(recs),
	}
	quantize256(unsafe.Pointer(&a))
	return true
}

// hasRotate says whether rotateNative may be called.
func hasRotate() bool { return cpu.Active() >= cpu.AVX2 }

// rotateNative rotates heads in place.
func rotateNative(pairs bool, a *args) {
	if pairs {
		rotatePairs256(unsafe.Pointer(a))
		return
	}
	rotateHalf256(unsafe.Pointer(a))
}
