package quant

import (
	"fmt"
	"math"
)

// block is one block of a file, taken apart: digits without offset removed, scale digits, and d and dmin.
type block struct {
	q       [256]uint8 // Q8_0 raised by 128
	s       [16]uint8  // of the K formats; int8 in Q6_K
	m       [8]uint8
	d, dmin []byte
}

// parse takes a block apart.
func (k Kind) parse(raw []byte, b *block) {
	switch k {
	case Q80:
		b.d = raw[:2]
		for i, v := range raw[2:34] {
			b.q[i] = v ^ 0x80
		}
	case Q40:
		b.d = raw[:2]
		for i, v := range raw[2:18] {
			b.q[i], b.q[i+16] = v&15, v>>4
		}
	case Q4K:
		b.d, b.dmin = raw[:2], raw[2:4]
		p := raw[4:16]
		for j := range 4 {
			b.s[j], b.m[j] = p[j]&63, p[j+4]&63
			b.s[j+4] = p[j+8]&15 | p[j]>>6<<4
			b.m[j+4] = p[j+8]>>4 | p[j+4]>>6<<4
		}
		for i, v := range raw[16:144] {
			at := i/32*64 + i%32
			b.q[at], b.q[at+32] = v&15, v>>4
		}
	case Q6K:
		b.d = raw[208:210]
		copy(b.s[:], raw[192:208])
		for i := range 64 {
			at := i/32*128 + i%32
			low0, low1, high := raw[i/32*64+i%32], raw[i/32*64+32+i%32], raw[128+i]
			b.q[at] = low0&15 | high&3<<4
			b.q[at+32] = low1&15 | high>>2&3<<4
			b.q[at+64] = low0>>4 | high>>4&3<<4
			b.q[at+96] = low1>>4 | high>>6<<4
		}
	}
}

// finite says whether the scales of the block are finite.
func (b *block) finite() bool { return finiteHalf(b.d) && (b.dmin == nil || finiteHalf(b.dmin)) }

// checkRows returns an error unless raw is n rows of k weights.
func (k Kind) checkRows(raw []byte, n, cols int) error {
	f := &formats[k]
	if n < 1 || cols < 1 || cols%f.block != 0 {
		return fmt.Errorf("%s: [%d, %d] weights: rows are whole blocks of %d", k, n, cols, f.block)
	}
	if blocks := cols / f.block; len(raw)/f.blockBytes/blocks != n || len(raw) != n*blocks*f.blockBytes {
		return fmt.Errorf("%s: %d bytes for [%d, %d] weights, want %d", k, len(raw), n, cols, n*blocks*f.blockBytes)
	}
	return nil
}

// Dequantize writes the weights of whole blocks. Q4_K is fma(-1, dmin*m, (d*s)*q) with exact products d*s, dmin*m;
// all others are one rounded product. Blocks with scales that are not finite, which Pack refuses, give the infinities
// and NaN of that arithmetic; a NaN is the canonical one.
func (k Kind) Dequantize(dst []float32, raw []byte) {
	f := &formats[k]
	var b block
	for len(raw) >= f.blockBytes {
		k.parse(raw, &b)
		d := half(b.d)
		for i := range f.block {
			switch k {
			case Q80:
				dst[i] = d * float32(int32(b.q[i])-128)
			case Q40:
				dst[i] = d * float32(int32(b.q[i])-8)
			case Q4K:
				low := float32(half(b.dmin) * float32(b.m[i/32]))
				dst[i] = float32(float32(d*float32(b.s[i/32]))*float32(b.q[i])) - low
			case Q6K:
				dst[i] = float32(d*float32(int8(b.s[i/16]))) * float32(int32(b.q[i])-32)
			}
		}
		if !b.finite() {
			canonical(dst[:f.block])
		}
		dst, raw = dst[f.block:], raw[f.blockBytes:]
	}
}

// canonical makes every NaN the same, whatever the processor.
func canonical(s []float32) {
	for i, v := range s {
		if v != v {
			s[i] = math.Float32frombits(0x7FC00000)
		}
	}
}
