package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/cpu"

// NumericsVersion counts the changes of any operation's order. Resume tokens and caches carry it and
// refuse another version; numerics.sum records the digests that belong to it.
const NumericsVersion = 2

// SetKernels chooses the kernel set by name: "auto" (the best one this CPU runs), "avx512", "avx2",
// "neon" or "portable". The choice never changes a bit of any result. It returns an error if the CPU
// lacks the set, and must not be called while operations run.
func SetKernels(name string) error { return cpu.Set(name) }

// Kernels is the name of the kernel set in use.
func Kernels() string { return cpu.Active().String() }

// AvailableKernels lists the kernel sets this CPU runs, best first.
func AvailableKernels() []string {
	var names []string
	for _, isa := range cpu.Available() {
		names = append(names, isa.String())
	}
	return names
}
