package rng

import (
	"sync"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

//go:generate go run -C ../../../tools/asm/rng . ../../../shared/tensor/rng

// draw is the argument of a kernel. The assembly knows its layout.
type draw struct {
	dst, prob unsafe.Pointer
	groups    int // of two registers of results
	block     uint32
	words     [3]uint32 // of the counter after its first
	keys      [rounds][2]uint32
}

// draws are arguments that nobody uses, which would otherwise be allocated for every row.
var draws sync.Pool

// drawNative draws the first elements of dst in assembly, if there is one: bits of the probabilities, or numbers in
// [0, 1) if prob is nil. It returns how many, a multiple of 8. ctr is the counter of the first.
func drawNative(dst, prob []float32, ctr [4]uint32, key [2]uint32) int {
	group, bernoulli, uniform := 32, bernoulli512, uniform512
	switch cpu.Active() {
	case cpu.AVX512:
	case cpu.AVX2:
		group, bernoulli, uniform = 16, bernoulli256, uniform256
	default:
		return 0
	}
	n := len(dst) / group
	if n == 0 {
		return 0
	}
	d, _ := draws.Get().(*draw)
	if d == nil {
		d = new(draw)
	}
	*d = draw{dst: unsafe.Pointer(&dst[0]), groups: n, block: ctr[0], words: [3]uint32(ctr[1:])}
	for r := range d.keys {
		d.keys[r] = key
		key[0] += bumpA
		key[1] += bumpB
	}
	if prob != nil {
		d.prob = unsafe.Pointer(&prob[0])
		bernoulli((*byte)(unsafe.Pointer(d)))
	} else {
		uniform((*byte)(unsafe.Pointer(d)))
	}
	d.dst, d.prob = nil, nil
	draws.Put(d)
	return n * group
}
