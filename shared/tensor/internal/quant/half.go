package quant

import (
	"encoding/binary"
	"math"
)

// half reads a half-precision number as float32.
func half(b []byte) float32 {
	h := uint32(binary.LittleEndian.Uint16(b))
	sign, exp, frac := h>>15<<31, h>>10&31, h&0x3FF
	switch exp {
	case 0: // zero or subnormal: frac * 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case 31:
		return math.Float32frombits(sign | 0x7F800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// putHalf writes x in half precision, rounded to the nearest, ties to even.
func putHalf(b []byte, x float32) {
	u := math.Float32bits(x)
	sign, mag := u>>16&0x8000, u&0x7FFFFFFF
	var h uint32
	switch {
	case mag > 0x7F800000:
		h = 0x7E00
	case mag >= 0x477FF000: // rounds to infinity
		h = 0x7C00
	case mag >= 0x38800000: // normal
		h = (mag - 0x38000000 + 0xFFF + mag>>13&1) >> 13
	default: // adding 1/2 leaves a multiple of 2^-24 in the low bits
		h = math.Float32bits(math.Float32frombits(mag)+0.5) - 0x3F000000
	}
	binary.LittleEndian.PutUint16(b, uint16(sign|h))
}

// finiteHalf says whether a half-precision number is finite.
func finiteHalf(b []byte) bool { return b[1]&0x7C != 0x7C }
