//go:build !amd64 && !arm64

package gemm

import "github.com/manifold-gen/manifold/shared/tensor/internal/cpu"

// native is the assembly family of an instruction set: there is none here.
func native(cpu.ISA, int) (kernels, bool) { return kernels{}, false }

// peakLoop is the loop that measures an instruction set: there is none here.
func peakLoop(cpu.ISA) (f func(rounds int), lanes int) { return nil, 0 }
