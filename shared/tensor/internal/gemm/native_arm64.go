package gemm

import "github.com/manifold-gen/manifold/shared/tensor/internal/cpu"

// native is the assembly family of an instruction set for elements of es bytes.
func native(isa cpu.ISA, es int) (kernels, bool) {
	switch {
	case isa != cpu.NEON:
		return kernels{}, false
	case es == 4:
		return kernels{rows: 6, panels: 1, table: &tilesNEON}, true
	default:
		return kernels{rows: 3, panels: 1, table: &tilesNEOND}, true
	}
}

// peakLoop is the loop that measures an instruction set, and how many float32 its registers hold.
func peakLoop(isa cpu.ISA) (f func(rounds int), lanes int) {
	if isa == cpu.NEON {
		return peakNEON, 4
	}
	return nil, 0
}
