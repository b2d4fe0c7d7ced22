package main

import "testing"

// TestVDPBF16PS holds the encoder against GNU as 2.40, which assembled these (AT&T order: b, a, acc).
func TestVDPBF16PS(t *testing.T) {
	for _, r := range []struct {
		acc, a, b int
		want      [6]byte
	}{
		{31, 0, 17, [6]byte{0x62, 0x22, 0x7e, 0x48, 0x52, 0xf9}},
		{3, 28, 1, [6]byte{0x62, 0xf2, 0x1e, 0x40, 0x52, 0xd9}},
		{9, 16, 8, [6]byte{0x62, 0x52, 0x7e, 0x40, 0x52, 0xc8}},
		{31, 31, 31, [6]byte{0x62, 0x02, 0x06, 0x40, 0x52, 0xff}},
		{0, 0, 0, [6]byte{0x62, 0xf2, 0x7e, 0x48, 0x52, 0xc0}},
	} {
		if got := dpbf16(r.acc, r.a, r.b); got != r.want {
			t.Errorf("vdpbf16ps %%zmm%d, %%zmm%d, %%zmm%d: % x, want % x", r.b, r.a, r.acc, got, r.want)
		}
	}
}

// TestVDPBF16PSFields decodes what the encoder writes for every register in every place.
func TestVDPBF16PSFields(t *testing.T) {
	bit := func(b byte, n int) int { return int(b >> n & 1) }
	for n := range 32 * 3 {
		r := [3]int{5, 18, 9}
		r[n/32] = n % 32
		c := dpbf16(r[0], r[1], r[2])
		acc := (1-bit(c[1], 4))<<4 | (1-bit(c[1], 7))<<3 | int(c[5]>>3&7)
		a := (1-bit(c[3], 3))<<4 | int(^c[2]>>3&15)
		b := (1-bit(c[1], 6))<<4 | (1-bit(c[1], 5))<<3 | int(c[5]&7)
		if [3]int{acc, a, b} != r || c[0] != 0x62 || c[1]&15 != 2 || c[2]&0x87 != 6 || c[3]&0xF7 != 0x40 ||
			c[4] != 0x52 || c[5]>>6 != 3 {
			t.Errorf("%v: % x reads as acc %d, a %d, b %d", r, c, acc, a, b)
		}
	}
}
