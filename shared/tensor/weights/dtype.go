package weights

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// DType is the element type of a stored tensor.
type DType uint8

// The element types that this package reads. The format knows others (F8_E4M3, U16, ...); a file that holds
// one of them is refused by its name.
const (
	F32 DType = iota + 1
	F64
	F16
	BF16
	I64
	I32
	U8
	Bool
)

var dtypes = [...]struct {
	name string
	size int
}{F32: {"F32", 4}, F64: {"F64", 8}, F16: {"F16", 2}, BF16: {"BF16", 2}, I64: {"I64", 8}, I32: {"I32", 4},
	U8: {"U8", 1}, Bool: {"BOOL", 1}}

// String is the name that the format gives the type.
func (d DType) String() string {
	if d == 0 || int(d) >= len(dtypes) {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Size is the number of bytes of one element.
func (d DType) Size() int { return dtypes[d].size }

// Float reports whether the type holds floating-point numbers.
func (d DType) Float() bool { return d >= F32 && d <= BF16 }

func dtypeOf(d tensor.DType) DType {
	if d == tensor.Float64 {
		return F64
	}
	return F32
}

func dtypeNamed(name []byte) (DType, bool) {
	for d := F32; d <= Bool; d++ {
		if dtypes[d].name == string(name) {
			return d, true
		}
	}
	return 0, false
}

// BF16ToFloat32 widens a bfloat16, exactly: infinities, NaN payloads, signed zeros and denormals stay.
func BF16ToFloat32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F16ToFloat32 widens an IEEE binary16, exactly. A NaN keeps its payload in the upper bits.
func F16ToFloat32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 31
	frac := uint32(h & 0x3ff)
	switch {
	case exp == 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case exp != 0:
		return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
	}
	// Zero and denormals: frac * 2^-24 is exact in float32.
	f := float32(frac) * (1.0 / (1 << 24))
	return math.Float32frombits(sign | math.Float32bits(f))
}

// Float32ToBF16 narrows to bfloat16, to nearest, ties to even. Overflow gives an infinity, a NaN stays a NaN
// with its sign and is made quiet.
func Float32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + (b>>16)&1) >> 16)
}

// Float32ToF16 narrows to IEEE binary16, to nearest, ties to even, denormals included. Values of 65520 and more
// become infinite, a NaN stays a NaN with its sign and is made quiet.
func Float32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 | uint16(b>>13)&0x3ff
	case b >= 0x477ff000: // 65520, half way between the largest finite value and 2^16
		return sign | 0x7c00
	case b >= 0x38800000: // normal: at least 2^-14
		b += 0xfff + (b>>13)&1
		return sign | uint16((b-(112<<23))>>13)
	}
	// A denormal result counts units of 2^-24: adding 0.5 leaves them in the lowest bits of the sum, rounded by
	// the addition itself.
	sum := math.Float32frombits(b) + 0.5
	return sign | uint16(math.Float32bits(sum)-0x3f000000)
}

// widen decodes len(dst) elements of type d, one of the float types of at most 32 bits, from src.
func widen(dst []float32, src []byte, d DType) {
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = F16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = BF16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	}
}
