package lowp

import (
	"math"
	"unsafe"
)

// Format is how the elements of both operands are held.
type Format uint8

// The formats.
const (
	Int8 Format = iota
	BF16
)

const (
	// Width is the number of columns of a panel.
	Width = 16
	// lineBytes is the size of a line of a panel: 4 bytes of every column.
	lineBytes = 4 * Width
	// MaxK bounds the reduction of int8: 127*127*MaxK < 2^31.
	MaxK = 1 << 17
)

// String is the name of the format.
func (f Format) String() string {
	if f == BF16 {
		return "bf16"
	}
	return "int8"
}

// size is the number of bytes of an element.
func (f Format) size() int { return 1 + int(f) }

// lines is the number of lines that k elements take.
func (f Format) lines(k int) int { return (k*f.size() + 3) / 4 }

// tiny is the largest magnitude below which a row or column counts as zeros; above it, 127/max is finite.
const tiny = 0x1p-100

// scales returns what to multiply by to get integers, and what gives the numbers back, for numbers whose largest
// magnitude is m. Both are 0 for zeros; for a NaN or an infinity the second is NaN.
func scales(m float32) (inv, scale float32) {
	switch {
	case m < tiny:
		return 0, 0
	case !(m <= math.MaxFloat32):
		return 0, float32(math.NaN())
	}
	return 127 / m, m / 127
}

// integer is x*inv rounded to the nearest integer, ties to even.
func integer(x, inv float32) int8 { return int8(math.RoundToEven(float64(x * inv))) }

// ToBF16 rounds to bf16: nearest, ties to even; NaN is 0x7FC0.
func ToBF16(x float32) uint16 {
	u := math.Float32bits(x)
	if x != x {
		return 0x7FC0
	}
	return uint16((u + 0x7FFF + u>>16&1) >> 16)
}

// FromBF16 is exact.
func FromBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// aligned is n bytes that begin on a cache line.
func aligned(n int) []byte {
	b := make([]byte, n+lineBytes)
	off := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (lineBytes - 1)
	return b[off : off+n : off+n]
}

// grow returns n elements in s's memory if it is large enough; their values are open.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
