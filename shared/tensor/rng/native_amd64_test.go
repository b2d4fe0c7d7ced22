package rng

import (
	"math"
	"testing"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// TestNativeIsPortable compares the kernels of every instruction set with plain Go, for lengths that end within a
// group and probabilities of every kind.
func TestNativeIsPortable(t *testing.T) {
	defer func() { _ = cpu.Set("auto") }()
	const n = 1000
	prob := make([]float32, n)
	for i := range prob {
		prob[i] = float32(i%97) / 96
	}
	copy(prob[100:], []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), -1, 0, 1, 0x1p-149, 2,
		float32(math.Copysign(0, -1)), math.MaxFloat32})
	run := func(isa string, n int, seed, sample uint64) (bits, numbers []float32) {
		if err := cpu.Set(isa); err != nil {
			t.Fatal(err)
		}
		bits, numbers = make([]float32, n), make([]float32, n)
		New(seed).bernoulli(bits, prob[:n], sample, 77, Hidden)
		New(seed).Uniform(numbers, sample, 78, Visible)
		return bits, numbers
	}
	for _, isa := range cpu.Available() {
		for i, n := range []int{1, 15, 16, 31, 33, 64, 500, 784, 1000} {
			seed, sample := uint64(i)*0x9E3779B97F4A7C15, uint64(i)<<40|uint64(n)
			bits, numbers := run(isa.String(), n, seed, sample)
			wantBits, want := run("portable", n, seed, sample)
			for j := range want {
				if bits[j] != wantBits[j] || numbers[j] != want[j] {
					t.Fatalf("%s, %d of %d: bit %v and number %v, want %v and %v", isa, j, n, bits[j], numbers[j], wantBits[j],
						want[j])
				}
			}
		}
	}
}

func TestDrawLayout(t *testing.T) {
	var d draw
	got := []uintptr{unsafe.Offsetof(d.dst), unsafe.Offsetof(d.prob), unsafe.Offsetof(d.groups), unsafe.Offsetof(d.block),
		unsafe.Offsetof(d.words), unsafe.Offsetof(d.keys)}
	for i, want := range []uintptr{0, 8, 16, 24, 28, 40} {
		if got[i] != want {
			t.Errorf("field %d is at %d, the assembly has %d", i, got[i], want)
		}
	}
}
