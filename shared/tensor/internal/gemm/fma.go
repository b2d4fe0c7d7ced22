package gemm

import (
	"math"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// fmaRow is acc += a*b, rounded once, in each column of a panel.
func fmaRow[T Float](acc *[Width]T, a T, b *[Width]T) {
	if size[T]() == 4 {
		fmaRow32((*[Width]float32)(unsafe.Pointer(acc)), float32(a), (*[Width]float32)(unsafe.Pointer(b)))
	} else {
		fmaRow64((*[Width]float64)(unsafe.Pointer(acc)), float64(a), (*[Width]float64)(unsafe.Pointer(b)))
	}
}

// fmaRow32 narrows the float64 sum at once where that is right, and leaves to vec.FMA32 the sums that lie
// halfway between two float32 (the 29 bits to be dropped are 1000...) and those below the normal range.
func fmaRow32(acc *[Width]float32, a float32, b *[Width]float32) {
	const minNormal = (1023 - 126) << 53 // bits of 2^-126, the sign shifted out
	for j, x := range b {
		s := float64(float64(a)*float64(x)) + float64(acc[j])
		if u := math.Float64bits(s); u<<35 == 1<<63 || u<<1 < minNormal {
			acc[j] = vec.FMA32(a, x, acc[j])
		} else {
			acc[j] = float32(s)
		}
	}
}

func fmaRow64(acc *[Width]float64, a float64, b *[Width]float64) {
	for j, x := range b {
		acc[j] = math.FMA(a, x, acc[j])
	}
}
