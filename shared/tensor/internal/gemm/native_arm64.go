package gemm

import "github.com/manifold-gen/manifold/shared/tensor/internal/cpu"

//go:generate go -C ../../../../tools/asm run ./gemm -target arm64 -dir ../../shared/tensor/internal/gemm

// native is the assembly family of an instruction set for elements of es bytes. For float64 the compiler's
// own fused multiply-add serves.
func native(isa cpu.ISA, es int) (kernels, bool) {
	if isa == cpu.NEON && es == 4 {
		return kernels{rows: 6, panels: 1, table: &tilesNEON}, true
	}
	return kernels{}, false
}

// peakLoop is the loop that measures an instruction set, and how many float32 its registers hold.
func peakLoop(isa cpu.ISA) (f func(rounds int), lanes int) {
	if isa == cpu.NEON {
		return peakNEON, 4
	}
	return nil, 0
}
