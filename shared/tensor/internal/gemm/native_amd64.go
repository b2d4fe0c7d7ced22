package gemm

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

//go:generate go -C ../../../../tools/asm run ./gemm -target amd64 -dir ../../shared/tensor/internal/gemm
//go:generate go -C ../../../../tools/asm run ./gemm -target arm64 -dir ../../shared/tensor/internal/gemm

// native is the assembly family of an instruction set for elements of es bytes.
func native(isa cpu.ISA, es int) (kernels, bool) {
	switch {
	case isa == cpu.AVX512 && es == 4:
		return kernels{
			rows: 8, panels: 3, table: &tilesAVX512,
			masked: true, lead: &leadsAVX512, wide: widesAVX512[:], list: &listsAVX512, scan: &scansAVX512,
			inspect: inspectAVX512,
		}, true
	case isa == cpu.AVX512:
		return kernels{rows: 8, panels: 1, table: &tilesAVX512D}, true
	case isa == cpu.AVX2 && es == 4:
		return kernels{rows: 6, panels: 1, table: &tilesAVX2, list: &listsAVX2}, true
	case isa == cpu.AVX2:
		return kernels{rows: 2, panels: 1, table: &tilesAVX2D}, true
	}
	return kernels{}, false
}

// peakLoop is the loop that measures an instruction set, and how many float32 its registers hold.
func peakLoop(isa cpu.ISA) (f func(rounds int), lanes int) {
	switch isa {
	case cpu.AVX512:
		return peakAVX512, 16
	case cpu.AVX2:
		return peakAVX2, 8
	}
	return nil, 0
}

// canTranspose says whether transpose may be called. Movement has no bits to agree on, so it follows the
// instruction set in use only to leave portable runs free of assembly.
func canTranspose() bool { return cpu.Active() >= cpu.AVX2 }

// transpose transposes 8 rows, ld bytes apart, of n times 8 columns; results lie ldd bytes apart.
func transpose(dst, src unsafe.Pointer, ldd, ld, n int) { transpose8(dst, src, ldd, ld, n) }
