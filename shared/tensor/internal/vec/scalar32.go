package vec

import "math"

// expReduced is exp(x) for x in [-104, 89]: x = n ln 2 + r with n = round(x/ln 2), a polynomial of degree 6
// in r, and the power of two multiplied on in one rounding. NaN gives some NaN.
func expReduced(x float32) float32 {
	t := FMA32(x, kLog2E, kRoundMagic)
	n := t - kRoundMagic
	r := FMA32(n, -kLn2Hi, x)
	r = FMA32(n, -kLn2Lo, r)
	p := FMA32(kExpC4, r, kExpC3)
	p = FMA32(p, r, kExpC2)
	p = FMA32(p, r, kExpC1)
	p = FMA32(p, r, kExpC0)
	p = FMA32(p, r, 1)
	p = FMA32(p, r, 1)
	return scale2(p, int32(math.Float32bits(t)-math.Float32bits(kRoundMagic)))
}

// scale2 is p * 2^n for p in [0.5, 2] and n in [-150, 128], rounded once: the first of the two products is
// exact.
func scale2(p float32, n int32) float32 {
	h := n >> 1
	a := math.Float32frombits(uint32(h+127) << 23)
	b := math.Float32frombits(uint32(n-h+127) << 23)
	return float32(float32(p*a) * b)
}

// expNeg is exp(x) for x <= 0, x being raised to -104 first. NaN gives some NaN.
func expNeg(x float32) float32 {
	if x < kExpMin {
		x = kExpMin
	}
	return expReduced(x)
}

// Exp32 is e^x with an error below 1 ulp (also among subnormal results). It is +Inf above 88.7229 and 0
// below -103.98.
func Exp32(x float32) float32 {
	if x < kExpMin {
		x = kExpMin
	}
	if x > kExpMax {
		x = kExpMax
	}
	return canon(expReduced(x))
}

// logPoly is log(1+f) + k ln 2 for f in [sqrt(1/2)-1, sqrt(2)-1] and a small integer k.
func logPoly(f, k float32) float32 {
	z := float32(f * f)
	p := FMA32(kLogC7, f, kLogC6)
	p = FMA32(p, f, kLogC5)
	p = FMA32(p, f, kLogC4)
	p = FMA32(p, f, kLogC3)
	p = FMA32(p, f, kLogC2)
	p = FMA32(p, f, kLogC1)
	p = FMA32(p, f, kLogC0)
	s := FMA32(k, kLn2Lo, float32(p*float32(f*z)))
	s = FMA32(-0.5, z, s)
	return FMA32(k, kLn2Hi, f+s)
}

// sqrtHalfBits are the bits of sqrt(1/2), where the mantissa range of Log32 starts.
const sqrtHalfBits = 0x3F3504F3

// Log32 is the natural logarithm with an error below 1 ulp: -Inf at +-0, NaN below zero, +Inf at +Inf.
func Log32(x float32) float32 {
	y, shift := x, int32(0)
	if x < kMinNormal {
		y, shift = float32(x*kTwo23), -23
	}
	i := math.Float32bits(y) - sqrtHalfBits
	f := math.Float32frombits(i&0x7FFFFF+sqrtHalfBits) - 1
	r := logPoly(f, float32(int32(i)>>23+shift))
	switch {
	case x == 0:
		return float32(math.Inf(-1))
	case !(x > 0):
		return nan[float32]()
	case x > math.MaxFloat32:
		return x
	}
	return r
}

// orSign gives y >= 0 the sign of x.
func orSign(y, x float32) float32 {
	return math.Float32frombits(math.Float32bits(y) | math.Float32bits(x)&(1<<31))
}

// Tanh32 has an error below 2 ulp: below 0.625 an odd polynomial, above 1 - 2/(exp(2|x|)+1). The sign of
// zero is kept.
func Tanh32(x float32) float32 {
	a := Abs32(x)
	if a < kTanhSmall {
		z := float32(a * a)
		p := FMA32(kTanhC4, z, kTanhC3)
		p = FMA32(p, z, kTanhC2)
		p = FMA32(p, z, kTanhC1)
		p = FMA32(p, z, kTanhC0)
		return orSign(FMA32(p, float32(a*z), a), x)
	}
	if a > kTanhMax {
		a = kTanhMax
	}
	e := expReduced(a + a)
	return canon(orSign(1-2/(e+1), x))
}

// Sigmoid32 is 1/(1+exp(-x)) with an error below 2.5 ulp, computed as 1/(1+e) or e/(1+e) with e = exp(-|x|), so
// that small results are as good as large ones.
func Sigmoid32(x float32) float32 {
	e := expNeg(-Abs32(x))
	s := kOne
	if x < 0 {
		s = e
	}
	return canon(s / (1 + e))
}

// SiLU32 is x*sigmoid(x) with an error below 3 ulp for normal results: (c*s)/(1+e) with e = exp(-|x|), s = 1 or e for
// x >= 0 or x < 0, c = x raised to -104 first. It is -0 at -Inf.
func SiLU32(x float32) float32 {
	e := expNeg(-Abs32(x))
	s := kOne
	if x < 0 {
		s = e
	}
	if x < kExpMin {
		x = kExpMin
	}
	return canon(float32(x*s) / (1 + e))
}

// Softplus32 is log(1+exp(x)) with an error below 2 ulp for normal results: max(x, 0) + log(1+e), e = exp(-|x|).
func Softplus32(x float32) float32 {
	e := expNeg(-Abs32(x))
	f, k := e, float32(0)
	if e > kSqrt2Minus1 {
		f, k = float32((e-1)*0.5), 1
	}
	l := logPoly(f, k)
	m := x
	if !(x > 0) {
		m = 0
	}
	return canon(m + l)
}

// Erf32 is the error function with an error below 1 ulp: below 0.92578125 an odd polynomial, above
// 1 - exp(-g) with a polynomial g. The sign of zero is kept.
func Erf32(x float32) float32 {
	a := Abs32(x)
	if a < kErfSmall {
		z := float32(a * a)
		p := FMA32(kErfC6, z, kErfC5)
		p = FMA32(p, z, kErfC4)
		p = FMA32(p, z, kErfC3)
		p = FMA32(p, z, kErfC2)
		p = FMA32(p, z, kErfC1)
		p = FMA32(p, z, kErfC0)
		return orSign(FMA32(p, a, a), x)
	}
	if a > kErfMax {
		a = kErfMax
	}
	g := FMA32(kErfcC7, a, kErfcC6)
	g = FMA32(g, a, kErfcC5)
	g = FMA32(g, a, kErfcC4)
	g = FMA32(g, a, kErfcC3)
	g = FMA32(g, a, kErfcC2)
	g = FMA32(g, a, kErfcC1)
	g = FMA32(g, a, kErfcC0)
	g = FMA32(g, a, a)
	return canon(orSign(1-expReduced(-g), x))
}

// GELU32 is x/2*(1+erf(x/sqrt 2)): h = 0.5*x raised to -16, fma(h, erf(x*sqrt(1/2)), h). The error is below
// 3 ulp for x >= -0.5, and below 1e-7 times |x| everywhere; it is +0 below about -5.6.
func GELU32(x float32) float32 {
	w := Erf32(x * kSqrtHalf)
	h := float32(0.5 * x)
	if h < kGeluMin {
		h = kGeluMin
	}
	return canon(FMA32(h, w, h))
}

// GELUTanh32 is GELU in its tanh form, as x*sigmoid(2u): v = x*fma(k1, x*x, k0) with k0 = 2 sqrt(2/pi) and
// k1 = 0.044715 k0, e = exp(-|v|), (c*s)/(1+e) with s = 1 or e for v >= 0 or v < 0, c = x raised to -104.
func GELUTanh32(x float32) float32 {
	v := x * FMA32(kGeluTanhK1, float32(x*x), kGeluTanhK0)
	e := expNeg(-Abs32(v))
	s := kOne
	if v < 0 {
		s = e
	}
	if x < kExpMin {
		x = kExpMin
	}
	return canon(float32(x*s) / (1 + e))
}

// SiLUGrad32 is dy times the derivative of SiLU; see SiLUGrad.
func SiLUGrad32(x, dy float32) float32 {
	if x < kExpMin {
		x = kExpMin
	}
	if x > kSiluGradMax {
		x = kSiluGradMax
	}
	e := expReduced(-Abs32(x))
	d := 1 / (1 + e)
	ed := float32(e * d)
	s, t := d, ed
	if x < 0 {
		s, t = ed, d
	}
	return canon(dy * float32(s*FMA32(x, t, 1)))
}

// GELUGrad32 is dy times the derivative of the erf form of GELU; see GELUGrad.
func GELUGrad32(x, dy float32) float32 {
	if x < -kGeluGradMax {
		x = -kGeluGradMax
	}
	if x > kGeluGradMax {
		x = kGeluGradMax
	}
	c := FMA32(0.5, Erf32(x*kSqrtHalf), 0.5)
	p := float32(expNeg(float32(float32(-0.5*x)*x)) * kRsqrt2Pi)
	return canon(dy * FMA32(x, p, c))
}

// trigMax bounds the arguments that sin and cos reduce in float32.
const trigMax = 65536

// sinCosReduced is sin(x) for phase 0 or cos(x) for phase 1, 0 <= x <= trigMax: x = n pi/2 + r by three fused
// steps, the first of which is exact.
func sinCosReduced(x float32, phase uint32) float32 {
	t := FMA32(x, kTwoOverPi, kRoundMagic)
	n := t - kRoundMagic
	r := FMA32(n, -kPio2A, x)
	r = FMA32(n, -kPio2B, r)
	r = FMA32(n, -kPio2C, r)
	z := float32(r * r)
	s := FMA32(kSinC2, z, kSinC1)
	s = FMA32(s, z, kSinC0)
	s = FMA32(s, float32(r*z), r)
	c := FMA32(kCosC2, z, kCosC1)
	c = FMA32(c, z, kCosC0)
	c = FMA32(c, float32(z*z), FMA32(-0.5, z, 1))
	q := math.Float32bits(t) + phase
	if q&1 != 0 {
		s = c
	}
	return math.Float32frombits(math.Float32bits(s) ^ q&2<<30)
}

// Sin32 has an error below 2 ulp for all finite x. Above 65536 it is Sin64 rounded. NaN at +-Inf; the sign
// of zero is kept.
func Sin32(x float32) float32 {
	a := Abs32(x)
	if !(a <= trigMax) {
		return canon(float32(Sin64(float64(x))))
	}
	y := sinCosReduced(a, 0)
	return math.Float32frombits(math.Float32bits(y) ^ math.Float32bits(x)&(1<<31))
}

// Cos32 has an error below 2 ulp for all finite x. Above 65536 it is Cos64 rounded. NaN at +-Inf.
func Cos32(x float32) float32 {
	a := Abs32(x)
	if !(a <= trigMax) {
		return canon(float32(Cos64(float64(x))))
	}
	return sinCosReduced(a, 1)
}
