//go:build !amd64

package lowp

import "github.com/manifold-gen/manifold/shared/tensor/internal/cpu"

func native(cpu.ISA, Format) (kernels, bool) { return kernels{}, false }

func peakLoop(Format) (loop func(rounds int), ops int) { return nil, 0 }

func quantizeNative([]byte, []float32, float32) bool { return false }

func roundNative([]byte, []float32) bool { return false }
