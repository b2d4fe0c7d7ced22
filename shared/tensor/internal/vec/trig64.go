package vec

import (
	"math"
	"math/bits"
)

// pi/2 in four pieces of 53 bits, and 2/pi.
const (
	pio2D0    = 0x1.921fb54442d18p+0
	pio2D1    = 0x1.1a62633145c07p-54
	pio2D2    = -0x1.f1976b7ed8fbcp-110
	twoOverPi = 0x1.45f306dc9c883p-1
)

// twoOverPiBits are the first 1280 bits of 2/pi after the binary point, behind one word of zeros.
var twoOverPiBits = [...]uint64{
	0,
	0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
	0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
	0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
	0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
	0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d,
}

// reduceTrig writes x >= 0, finite, as n*pi/2 + (r + tail) with |r| <= pi/4 (a little more by rounding), and
// returns n modulo 4.
func reduceTrig(x float64) (n uint64, r, tail float64) {
	if x >= 1<<20 {
		return reduceLarge(x)
	}
	t := math.FMA(x, twoOverPi, magic64)
	k := t - magic64
	a := math.FMA(k, -pio2D0, x) // exact
	w := float64(k * pio2D1)
	wl := math.FMA(k, pio2D1, -w)
	b := a - w
	v := b - a
	e := (a - (b - v)) - (w + v) // the exact error of a - w
	tail = math.FMA(k, -pio2D2, e-wl)
	r = b + tail
	return math.Float64bits(t) & 3, r, tail - (r - b)
}

// reduceLarge is the reduction of Payne and Hanek: x times the bits of 2/pi that matter, in integers.
func reduceLarge(x float64) (n uint64, r, tail float64) {
	u := math.Float64bits(x)
	exp := int(u>>52) - 1075 // x = m * 2^exp
	m := u&(1<<52-1) | 1<<52
	// A window of 192 bits of 2/pi; bits before it would add multiples of 4.
	pos := exp - 2 + 64
	word, shift := pos/64, uint(pos%64)
	window := func(i int) uint64 {
		return twoOverPiBits[word+i]<<shift | twoOverPiBits[word+i+1]>>(64-shift)
	}
	w0, w1, w2 := window(0), window(1), window(2)
	// The product modulo 2^192; its two top bits are n, the rest is the fraction.
	h2, p2 := bits.Mul64(m, w2)
	h1, l1 := bits.Mul64(m, w1)
	p1, carry := bits.Add64(l1, h2, 0)
	p0 := m*w0 + h1 + carry
	n = p0 >> 62
	p0 &= 1<<62 - 1
	neg := p0>>61 != 0
	if neg { // the nearest multiple is the next one: negate modulo 2^190
		n = (n + 1) & 3
		var borrow uint64
		p2, borrow = bits.Sub64(0, p2, 0)
		p1, borrow = bits.Sub64(0, p1, borrow)
		p0, _ = bits.Sub64(0, p0, borrow)
		p0 &= 1<<62 - 1
	}
	// The fraction as two float64, from its leading 106 bits: p0:p1:p2 is scaled by 2^-190.
	scale := 0x1p-62
	for i := 0; i < 2 && p0 == 0; i++ {
		p0, p1, p2 = p1, p2, 0
		scale *= 0x1p-64
	}
	z := uint(bits.LeadingZeros64(p0))
	p0, p1 = p0<<z|p1>>(64-z), p1<<z|p2>>(64-z)
	scale *= math.Float64frombits(uint64(1023-z) << 52)
	hi := float64(p0>>11) * (scale * 0x1p11)
	lo := float64((p0<<53|p1>>11)>>11) * (scale * 0x1p-42)
	r = float64(hi * pio2D0)
	tail = math.FMA(hi, pio2D0, -r) + float64(float64(hi*pio2D1)+float64(lo*pio2D0))
	if neg {
		r, tail = -r, -tail
	}
	return n, r, tail
}

// sinKernel is sin(r + tail) for |r| <= pi/4.
func sinKernel(r, tail float64) float64 {
	z := float64(r * r)
	v := math.FMA(float64(-0.5*z), tail, tail)
	return r + math.FMA(float64(r*z), horner64(sinD[:], z), v)
}

// cosKernel is cos(r + tail) for |r| <= pi/4.
func cosKernel(r, tail float64) float64 {
	z := float64(r * r)
	h := float64(0.5 * z)
	w := 1 - h
	c := math.FMA(float64(z*z), horner64(cosD[:], z), float64(-r*tail))
	return w + (((1 - w) - h) + c)
}

func sinCos64(x float64, phase uint64) float64 {
	if !(x <= math.MaxFloat64) {
		return nan[float64]()
	}
	n, r, tail := reduceTrig(x)
	n += phase
	kernel := sinKernel
	if n&1 != 0 {
		kernel = cosKernel
	}
	if n&2 != 0 {
		return -kernel(r, tail)
	}
	return kernel(r, tail)
}

// Sin64 is the sine of x radians with an error below 1 ulp for every finite x; NaN at +-Inf. The sign of
// zero is kept.
func Sin64(x float64) float64 {
	if math.Abs(x) < 0x1p-27 {
		return x
	}
	y := sinCos64(math.Abs(x), 0)
	if x < 0 {
		y = -y
	}
	return canon(y)
}

// Cos64 is the cosine of x radians with an error below 1 ulp for every finite x; NaN at +-Inf.
func Cos64(x float64) float64 { return sinCos64(math.Abs(x), 1) }
