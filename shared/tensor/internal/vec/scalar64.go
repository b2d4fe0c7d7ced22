package vec

import "math"

// The float64 functions use only IEEE operations, math.FMA, Sqrt and Abs, so that they give the same bits
// on every processor; the functions of package math do not. Their polynomials come from tools/asm/vec/fit.py.

const (
	log2e64   = 0x1.71547652b82fep+0
	magic64   = 0x1.8p52
	ln2Hi64   = 0x1.62e42fefa39efp-1
	ln2Lo64   = 0x1.abc9e3b39803fp-56
	ln2Short  = 0x1.62e42fefa3800p-1 // 42 bits: times an exponent it is exact
	ln2Rest   = 0x1.ef35793c76730p-45
	expOver   = 709.79
	expUnder  = -745.2
	negUnder  = -746
	sqrtHalf  = 0x1.6a09e667f3bcdp-1
	rsqrt2Pi  = 0x1.9884533d43651p-2
	geluK0    = 0x1.9884533d43651p+0
	geluK1    = 0x1.2444f2a4d8b4bp-4
	tanhSplit = 0.55
	erfSplit  = 0.84375
)

// horner64 evaluates c[0] + c[1] x + ... by fused steps from the highest degree.
func horner64(c []float64, x float64) float64 {
	p := c[len(c)-1]
	for i := len(c) - 2; i >= 0; i-- {
		p = math.FMA(p, x, c[i])
	}
	return p
}

var expD = [...]float64{
	0x1.0000000000000p-1, 0x1.555555555555ap-3, 0x1.555555555552ap-5, 0x1.111111110f1b7p-7,
	0x1.6c16c16c2a8a3p-10, 0x1.a01a01b1bc8d1p-13, 0x1.a01a014cec3c2p-16, 0x1.71ddf3fe971b7p-19,
	0x1.27e5757cd633dp-22, 0x1.af65cc06cba95p-26, 0x1.1ec17e63a76a0p-29,
}

var logD = [...]float64{
	0x1.5555555555593p-1, 0x1.999999997f970p-2, 0x1.2492494236b32p-2, 0x1.c71c51cab341ep-3,
	0x1.74664ce1bae69p-3, 0x1.39a037caca0cdp-3, 0x1.2f15958997ab5p-3,
}

var tanhD = [...]float64{
	-0x1.555555555554fp-2, 0x1.1111111110790p-3, -0x1.ba1ba1b97cadbp-5, 0x1.664f48593dc6ap-6,
	-0x1.226e2f0dbae29p-7, 0x1.d6d29a7ca2e71p-9, -0x1.7d8fc5021afa4p-10, 0x1.3483320fc10d0p-11,
	-0x1.e96aaccfce344p-13, 0x1.5d65521f6a72bp-14, -0x1.46eae839f6a39p-16,
}

var sinD = [...]float64{
	-0x1.5555555555548p-3, 0x1.111111110f730p-7, -0x1.a01a019be923fp-13, 0x1.71de35552e715p-19,
	-0x1.ae5e4b85f5453p-26, 0x1.5d8b55cb64452p-33,
}

var cosD = [...]float64{
	0x1.555555555554bp-5, -0x1.6c16c16c15015p-10, 0x1.a01a019c8f174p-16, -0x1.27e4f7f17a84cp-22,
	0x1.1ee9dbb6b8f9fp-29, -0x1.8fa6739193bbfp-37,
}

var erfD = [...]float64{
	0x1.06eba8214db69p-3, -0x1.812746b037a30p-2, 0x1.ce2f21a046a7bp-4, -0x1.b82ce313d7aa8p-6,
	0x1.565bcd47f45c0p-8, -0x1.c02dbf89b5456p-11, 0x1.f9a497db3b092p-14, -0x1.f4efdf5b69866p-17,
	0x1.bb68ce0470c9dp-20, -0x1.6b88beeedf913p-23, 0x1.32f775f70df8bp-26, -0x1.f2d53efe2c032p-30,
}

// erfcD is exp(x*x)*erfc(x) in t = (x-2)/(x+2).
var erfcD = [...]float64{
	0x1.058671b52c776p-2, -0x1.b57034efd3f72p-2, 0x1.eeea7dc8a78bfp-3, -0x1.437f0b68c0bb7p-4,
	0x1.e947159787ffdp-9, 0x1.ca95ed532d1afp-8, -0x1.bc25a46b7cc6ep-11, -0x1.016b5ce3d0adcp-10,
	0x1.6d5ee3900769cp-15, 0x1.6da9788813bbap-13, 0x1.cdce1868ba704p-16, -0x1.ceba470be34a0p-16,
	-0x1.d4b7ad3e63dd4p-17, 0x1.774450e10acb8p-20, 0x1.fc36720cf2b42p-19, 0x1.391fb843be2e6p-20,
	-0x1.14507caba9201p-21, -0x1.cc4fe35b51cf6p-22,
}

// expDD is exp(x+lo) for |lo| far below |x|, without special cases: x in [-746, 710].
func expDD(x, lo float64) float64 {
	t := math.FMA(x, log2e64, magic64)
	n := t - magic64
	rh := math.FMA(n, -ln2Hi64, x) // exact
	rl := math.FMA(n, -ln2Lo64, lo)
	r := rh + rl
	rt := (rh - r) + rl
	p := horner64(expD[:], r)
	y := 1 + (r + math.FMA(float64(r*r), p, math.FMA(r, rt, rt)))
	i := int64(math.Float64bits(t) - math.Float64bits(magic64))
	h := i >> 1
	a := math.Float64frombits(uint64(h+1023) << 52)
	b := math.Float64frombits(uint64(i-h+1023) << 52)
	return float64(float64(y*a) * b)
}

// Exp64 is e^x with an error below 1 ulp: +Inf above 709.782..., 0 below -745.13...
func Exp64(x float64) float64 {
	switch {
	case x != x:
		return nan[float64]()
	case x > expOver:
		return math.Inf(1)
	case x < expUnder:
		return 0
	}
	return expDD(x, 0)
}

// expNeg64 is exp(x) for x <= 0, not NaN.
func expNeg64(x float64) float64 {
	if x < negUnder {
		return 0
	}
	return expDD(x, 0)
}

// splitLog writes x > 0, finite, as 2^k * m with m in [sqrt(1/2), sqrt(2)).
func splitLog(x float64) (k, m float64) {
	shift := 0.0
	if x < 0x1p-1022 {
		x, shift = float64(x*0x1p54), -54
	}
	const base = 0x3FE6A09E667F3BCD // bits of sqrt(1/2)
	i := math.Float64bits(x) - base
	return float64(int64(i)>>52) + shift, math.Float64frombits(i&(1<<52-1) + base)
}

// Log64 is the natural logarithm with an error below 1 ulp: -Inf at +-0, NaN below zero, +Inf at +Inf.
func Log64(x float64) float64 {
	switch {
	case x != x || x < 0:
		return nan[float64]()
	case x == 0:
		return math.Inf(-1)
	case x > math.MaxFloat64:
		return x
	}
	k, m := splitLog(x)
	f := m - 1
	s := f / (2 + f)
	z := float64(s * s)
	r := float64(z * horner64(logD[:], z))
	h := float64(float64(0.5*f) * f)
	return math.FMA(k, ln2Short, -((h - math.FMA(s, h+r, float64(k*ln2Rest))) - f))
}

// Log1p64 is log(1+x) with an error below 2 ulp: -Inf at -1, NaN below it. The sign of zero is kept.
func Log1p64(x float64) float64 {
	switch {
	case x != x || x < -1:
		return nan[float64]()
	case math.Abs(x) < 0x1p-54:
		return x
	case x == -1:
		return math.Inf(-1)
	case x > 0x1p60:
		return Log64(x)
	}
	u := 1 + x
	c := x - (u - 1) // the error of u, where |x| <= 1
	if x > 1 {
		c = 1 - (u - x)
	}
	return Log64(u) + c/u
}

// orSign64 gives y >= 0 the sign of x.
func orSign64(y, x float64) float64 {
	return math.Float64frombits(math.Float64bits(y) | math.Float64bits(x)&(1<<63))
}

// Tanh64 has an error below 2 ulp. The sign of zero is kept.
func Tanh64(x float64) float64 {
	a := math.Abs(x)
	switch {
	case x != x:
		return nan[float64]()
	case a < tanhSplit:
		z := float64(a * a)
		return orSign64(math.FMA(horner64(tanhD[:], z), float64(a*z), a), x)
	case a > 22:
		return orSign64(1, x)
	}
	return orSign64(1-2/(expDD(a+a, 0)+1), x)
}

// Erf64 is the error function with an error below 1 ulp. The sign of zero is kept.
func Erf64(x float64) float64 {
	a := math.Abs(x)
	switch {
	case x != x:
		return nan[float64]()
	case a < erfSplit:
		return orSign64(math.FMA(horner64(erfD[:], float64(a*a)), a, a), x)
	case a > 6:
		return orSign64(1, x)
	}
	h := float64(a * a)
	l := math.FMA(a, a, -h)
	e := expDD(-h, -l)
	return orSign64(1-float64(e*horner64(erfcD[:], (a-2)/(a+2))), x)
}

// sigmoidParts64 gives e = exp(-|x|) and the numerator of the sigmoid over 1+e.
func sigmoidParts64(x float64) (num, e float64) {
	e = expNeg64(-math.Abs(x))
	if x < 0 {
		return e, e
	}
	return 1, e
}

// Sigmoid64 is 1/(1+exp(-x)) with an error below 2.5 ulp, also where it is small.
func Sigmoid64(x float64) float64 {
	if x != x {
		return nan[float64]()
	}
	num, e := sigmoidParts64(x)
	return num / (1 + e)
}

// SiLU64 is x*sigmoid(x) with an error below 3 ulp for normal results. It is -0 at -Inf.
func SiLU64(x float64) float64 {
	if x != x {
		return nan[float64]()
	}
	num, e := sigmoidParts64(x)
	return float64(max(x, negUnder)*num) / (1 + e)
}

// SiLUGrad64 is dy times the derivative of SiLU.
func SiLUGrad64(x, dy float64) float64 {
	if x != x {
		return nan[float64]()
	}
	x = max(negUnder, min(x, -negUnder))
	e := expNeg64(-math.Abs(x))
	d := 1 / (1 + e)
	ed := float64(e * d)
	s, t := d, ed
	if x < 0 {
		s, t = ed, d
	}
	return canon(dy * float64(s*math.FMA(x, t, 1)))
}

// Softplus64 is log(1+exp(x)) with an error below 3 ulp for normal results.
func Softplus64(x float64) float64 {
	if x != x {
		return nan[float64]()
	}
	return max(x, 0) + Log1p64(expNeg64(-math.Abs(x)))
}

// GELU64 is x/2*(1+erf(x/sqrt 2)), with an absolute error below 2e-16 times |x|.
func GELU64(x float64) float64 {
	w := Erf64(x * sqrtHalf)
	h := max(float64(0.5*x), -16)
	return canon(math.FMA(h, w, h))
}

// GELUGrad64 is dy times the derivative of GELU.
func GELUGrad64(x, dy float64) float64 {
	if x != x {
		return nan[float64]()
	}
	x = max(-40, min(x, 40))
	c := math.FMA(0.5, Erf64(x*sqrtHalf), 0.5)
	p := float64(expNeg64(float64(float64(-0.5*x)*x)) * rsqrt2Pi)
	return canon(dy * math.FMA(x, p, c))
}

// GELUTanh64 is GELU in its tanh form: x*sigmoid(v), v = x*fma(k1, x*x, k0), with k0 = 2 sqrt(2/pi) and
// k1 = 0.044715 k0.
func GELUTanh64(x float64) float64 {
	if x != x {
		return nan[float64]()
	}
	num, e := sigmoidParts64(x * math.FMA(geluK1, float64(x*x), geluK0))
	return float64(max(x, negUnder)*num) / (1 + e)
}
