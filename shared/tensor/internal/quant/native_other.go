//go:build !amd64 && !arm64

package quant

import "github.com/manifold-gen/manifold/shared/tensor/internal/cpu"

// native is the instruction set of the kernels to use: there are none here.
func native() cpu.ISA { return cpu.Portable }

func runFew(cpu.ISA, Kind, int, *args) bool { return false }

func quantizeNative([]record, []float32) bool { return false }

func hasRotate() bool { return false }

func rotateNative(bool, *args) {}
