package lowp

import (
	"encoding/binary"
	"sync"
	"unsafe"

	features "golang.org/x/sys/cpu"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

//go:generate go -C ../../../../tools/asm run ./lowp ../../shared/tensor/internal/lowp

// native is the assembly family of an instruction set. A CPU with AVX-512 but without the instruction of a format has
// that of AVX2.
func native(isa cpu.ISA, f Format) (kernels, bool) {
	int8Wide := isa == cpu.AVX512 && features.X86.HasAVX512VNNI
	bf16Wide := isa == cpu.AVX512 && features.X86.HasAVX512BF16 && roundsAsWritten()
	switch {
	case isa != cpu.AVX512 && isa != cpu.AVX2:
		return kernels{}, false
	case f == Int8 && int8Wide:
		return kernels{rows: maxRows, panels: maxPanels, accumulators: 24, table: &int8AVX512}, true
	case f == Int8:
		return kernels{rows: 2, panels: 1, accumulators: 2, table: &int8AVX2}, true
	case bf16Wide:
		return kernels{rows: maxRows, panels: maxPanels, accumulators: 24, table: &bf16AVX512}, true
	default:
		return kernels{rows: 4, panels: 1, accumulators: 4, table: &bf16AVX2}, true
	}
}

// roundsAsWritten says whether VDPBF16PS of this CPU gives the bits of the package comment where designs could differ:
// products and sums among denormals, and the order within a pair.
var roundsAsWritten = sync.OnceValue(func() bool {
	const pairs = 48
	var a [pairs][4]byte
	var b [pairs][Width][4]byte
	state := uint32(1)
	draw := func() uint16 { // exponents around that of the square root of the smallest normal number, any sign
		state = state*1664525 + 1013904223
		return uint16(state>>16&0x87FF) + uint16(56+state>>8%12)<<7
	}
	for i := range a {
		binary.LittleEndian.PutUint32(a[i][:], uint32(draw())|uint32(draw())<<16)
		for c := range b[i] {
			binary.LittleEndian.PutUint32(b[i][c][:], uint32(draw())|uint32(draw())<<16)
		}
	}
	var got, want [Width]float32
	t := tile{a: unsafe.Pointer(&a), b: unsafe.Pointer(&b), lines: pairs, mr: 1, np: 1, bf16: true}
	t.c = unsafe.Pointer(&got)
	bf16AVX512_1x16(unsafe.Pointer(&t))
	t.c = unsafe.Pointer(&want)
	portable(unsafe.Pointer(&t))
	return got == want
})

// peakLoop is the loop that measures a format and how many operations one of its instructions does; nil without an
// instruction for it.
func peakLoop(f Format) (loop func(rounds int), ops int) {
	switch {
	case cpu.Active() != cpu.AVX512:
		return nil, 0
	case f == Int8 && features.X86.HasAVX512VNNI:
		return peakInt8, 128
	case f == BF16 && features.X86.HasAVX512BF16:
		return peakBF16, 64
	}
	return nil, 0
}

// quantizeNative is the quantisation of a multiple of 16 elements; false if there is no kernel.
func quantizeNative(dst []byte, x []float32, inv float32) bool {
	if len(x) == 0 || len(dst) < len(x) {
		return false
	}
	switch cpu.Active() {
	case cpu.AVX512:
		quantizeAVX512(&dst[0], &x[0], inv, len(x))
	case cpu.AVX2:
		quantizeAVX2(&dst[0], &x[0], inv, len(x))
	default:
		return false
	}
	return true
}

// roundNative rounds a multiple of 16 elements to bf16; false if there is no kernel.
func roundNative(dst []byte, x []float32) bool {
	if len(x) == 0 || len(dst) < 2*len(x) {
		return false
	}
	d := (*uint16)(unsafe.Pointer(&dst[0]))
	switch cpu.Active() {
	case cpu.AVX512:
		roundAVX512(d, &x[0], len(x))
	case cpu.AVX2:
		roundAVX2(d, &x[0], len(x))
	default:
		return false
	}
	return true
}
