package lowp

import (
	"math"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// portableTable is the family in portable Go: one panel, any number of rows.
var portableTable = func() (t [maxRows][maxPanels]func(unsafe.Pointer)) {
	for r := range t {
		t[r][0] = portable
	}
	return t
}()

// portable computes a tile: for rows r < mr and columns c < 16 (the panel's),
//
//	int8: acc = start[c]; for every line, for e = 0..3: acc += int32(a[r][4*line+e]) * int32(b[line][c][e])
//	      C[r][c] = float32(acc) * (rowScale[r] * scale[c])
//	bf16: acc = 0; for every line, for e = 1, 0: acc = multiplyAdd(a[r][2*line+e], b[line][c][e], acc)
//	      C[r][c] = acc
//
// and adds bias[c] if there is one. Kernels in assembly do this for np panels.
func portable(p unsafe.Pointer) {
	t := (*tile)(p)
	b := unsafe.Slice((*[Width][4]byte)(t.b), t.lines)
	for r := range t.mr {
		a := unsafe.Slice((*[4]byte)(unsafe.Add(t.a, r*t.strideA)), t.lines)
		c := (*[Width]float32)(unsafe.Add(t.c, r*t.stride))
		if t.bf16 {
			sumBF16(c, a, b)
		} else {
			acc := *(*[Width]int32)(t.start)
			sumInt8(&acc, a, b)
			scale, row := (*[Width]float32)(t.scale), *(*float32)(unsafe.Add(t.rowScale, 4*r))
			for i, s := range acc {
				c[i] = float32(s) * float32(row*scale[i])
			}
		}
		if t.bias != nil {
			bias := (*[Width]float32)(t.bias)
			for i := range c {
				c[i] = float32(c[i]) + bias[i]
			}
		}
	}
}

func sumInt8(acc *[Width]int32, a [][4]byte, b [][Width][4]byte) {
	for l, x := range a {
		for i := range acc {
			w := &b[l][i]
			acc[i] += int32(x[0])*int32(int8(w[0])) + int32(x[1])*int32(int8(w[1])) +
				int32(x[2])*int32(int8(w[2])) + int32(x[3])*int32(int8(w[3]))
		}
	}
}

func sumBF16(acc *[Width]float32, a [][4]byte, b [][Width][4]byte) {
	*acc = [Width]float32{}
	for l, x := range a {
		odd, even := flushed(x[2], x[3]), flushed(x[0], x[1])
		for i := range acc {
			w := &b[l][i]
			acc[i] = multiplyAdd(even, flushed(w[0], w[1]), multiplyAdd(odd, flushed(w[2], w[3]), acc[i]))
		}
	}
}

// multiplyAdd is x*y + acc, rounded once to 24 bits at any exponent and then flushed. Sums just below the smallest
// normal number, which rounding among denormals would take up to it, are computed 2^32 times larger.
func multiplyAdd(x, y, acc float32) float32 {
	s := flush(vec.FMA32(x, y, acc))
	const least, large = 0x1p-126, 1 << 32
	if s == least || s == -least {
		if vec.Abs32(x) > vec.Abs32(y) {
			x, y = y, x
		}
		if vec.Abs32(vec.FMA32(float32(x*large), y, float32(acc*large))) < least*large {
			return math.Float32frombits(math.Float32bits(s) & (1 << 31))
		}
	}
	return s
}

// flushed is the bf16 of two bytes, a zero of its sign if it is denormal.
func flushed(lo, hi byte) float32 { return flush(FromBF16(uint16(lo) | uint16(hi)<<8)) }

// flush is x, or a zero of its sign if x is denormal.
func flush(x float32) float32 {
	u := math.Float32bits(x)
	if u&0x7F800000 == 0 {
		u &= 1 << 31
	}
	return math.Float32frombits(u)
}
