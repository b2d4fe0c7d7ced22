package quant

import "math"

// Quantize writes blocks of the weights w, whose number is a multiple of the block. Q8_0 and Q4_0 follow the format's
// own rule: Q8_0 d = max|w|/127 and digits w*(1/d) rounded half away from zero; Q4_0 d = w*/-8 with w* the first weight
// of the largest magnitude, and digits floor(w*(1/d) + 8.5), at most 15. Digits are made with the float32 d, before it
// is stored in half precision.
//
// The K formats, which leave the choice open, take the simplest: Q6_K s*d covers the largest magnitude of its 16
// weights with 31; Q4_K s*d covers the range of its 32 weights, zero included, with 15. Both are made with the stored
// d.
func (k Kind) Quantize(dst []byte, w []float32) {
	f := &formats[k]
	for len(w) >= f.block {
		raw := dst[:f.blockBytes]
		clear(raw)
		switch k {
		case Q80:
			quantizeQ80(raw, w[:32])
		case Q40:
			quantizeQ40(raw, w[:32])
		case Q4K:
			quantizeQ4K(raw, w[:256])
		case Q6K:
			quantizeQ6K(raw, w[:256])
		}
		dst, w = dst[f.blockBytes:], w[f.block:]
	}
}

func inverse(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}

// away rounds half away from zero.
func away(x float32) int { return int(math.Round(float64(x))) }

func quantizeQ80(raw []byte, w []float32) {
	_, m := largest(w)
	d := m / 127
	id := inverse(d)
	putHalf(raw, d)
	for i, v := range w {
		raw[2+i] = uint8(int8(away(v * id)))
	}
}

func quantizeQ40(raw []byte, w []float32) {
	v, _ := largest(w)
	d := v / -8
	id := inverse(d)
	putHalf(raw, d)
	digit := func(v float32) uint8 { return uint8(min(15, int(float32(v*id)+8.5))) }
	for i := range 16 {
		raw[2+i] = digit(w[i]) | digit(w[i+16])<<4
	}
}

// largest is the first element of the largest magnitude, and that magnitude.
func largest(w []float32) (v, m float32) {
	for _, x := range w {
		if a := float32(math.Abs(float64(x))); a > m {
			v, m = x, a
		}
	}
	return v, m
}

func quantizeQ4K(raw []byte, w []float32) {
	var scale, low [8]float32
	var dMax, lowMax float32
	for j := range 8 {
		lo, hi := float32(0), float32(0)
		for _, v := range w[32*j : 32*j+32] {
			lo, hi = min(lo, v), max(hi, v)
		}
		scale[j], low[j] = (hi-lo)/15, -lo
		dMax, lowMax = max(dMax, scale[j]), max(lowMax, low[j])
	}
	putHalf(raw, dMax/63)
	putHalf(raw[2:], lowMax/63)
	d, dmin := half(raw), half(raw[2:])
	id, im := inverse(d), inverse(dmin)
	p, qs := raw[4:16], raw[16:]
	for j := range 8 {
		s, m := uint8(min(63, away(scale[j]*id))), uint8(min(63, away(low[j]*im)))
		if j < 4 {
			p[j] |= s
			p[j+4] |= m
		} else {
			p[j+4] = s&15 | m<<4
			p[j-4] |= s >> 4 << 6
			p[j] |= m >> 4 << 6
		}
		is := inverse(d * float32(s))
		for i, v := range w[32*j : 32*j+32] {
			q := away(float32(v+float32(dmin*float32(m))) * is)
			qs[j/2*32+i] |= uint8(max(0, min(15, q))) << (j % 2 * 4)
		}
	}
}

func quantizeQ6K(raw []byte, w []float32) {
	_, m := largest(w)
	putHalf(raw[208:], m/(31*127))
	d := half(raw[208:])
	id := inverse(d)
	for j := range 16 {
		part := w[16*j : 16*j+16]
		_, m := largest(part)
		s := min(127, away(m/31*id))
		raw[192+j] = uint8(s)
		is := inverse(d * float32(s))
		for i, v := range part {
			q := uint8(max(-32, min(31, away(v*is))) + 32)
			at := 16*j + i
			n, l := at/128, at%32
			low := n*64 + l + at/32%2*32
			raw[low] |= q & 15 << (at / 64 % 2 * 4)
			raw[128+n*32+l] |= q >> 4 << (at / 32 % 4 * 2)
		}
	}
}
