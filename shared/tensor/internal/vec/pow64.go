package vec

import "math"

// powD continues log((1+s)/(1-s))/s = 2 + z*(2/3 + z*powD(z)), z = s*s.
var powD = [...]float64{
	0x1.9999999999995p-2, 0x1.2492492493192p-2, 0x1.c71c71c557423p-3, 0x1.745d1845e7d83p-3,
	0x1.3b135d8742b52p-3, 0x1.11217bb2414c5p-3, 0x1.de143ba9e0039p-4, 0x1.ec1361d4d838ep-4,
}

// twoSum is a+b and its exact error.
func twoSum(a, b float64) (s, e float64) {
	s = a + b
	t := s - a
	return s, (a - (s - t)) + (b - t)
}

// twoProd is a*b and its exact error.
func twoProd(a, b float64) (p, e float64) {
	p = float64(a * b)
	return p, math.FMA(a, b, -p)
}

// logDD is log(x) for finite x > 0 as an unevaluated sum with about 68 good bits.
func logDD(x float64) (hi, lo float64) {
	k, m := splitLog(x)
	f := m - 1
	// s = f/(2+f) in two pieces; 2+f has an error of its own.
	d := 2 + f
	dl := f - (d - 2)
	s := f / d
	sl := (math.FMA(-s, d, f) - float64(s*dl)) / d
	z, zl := twoProd(s, s)
	zl = math.FMA(float64(2*s), sl, zl)
	// c = 2/3 + z*P(z) in two pieces.
	q := float64(z * horner64(powD[:], z))
	const c0, c1 = 0x1.5555555555555p-1, 0x1.5555555555555p-55
	c, cl := twoSum(c0, q)
	cl += c1
	// t = z*c, then u = s*t, and log(m) = 2s + u.
	t, tl := twoProd(z, c)
	tl += math.FMA(z, cl, float64(zl*c))
	u, ul := twoProd(s, t)
	ul += math.FMA(s, tl, float64(sl*t))
	h, l := twoSum(float64(2*s), u)
	l += float64(2*sl) + ul
	// + k ln 2
	kh, kl := twoProd(k, ln2Hi64)
	kl = math.FMA(k, ln2Lo64, kl)
	hi, lo = twoSum(kh, h)
	lo += l + kl
	return twoSum(hi, lo)
}

// Pow64 is x to the power y with an error below 1 ulp. Special cases are those of IEEE 754 pow: x^0 and 1^y
// are 1 even for NaN, a negative finite x with a non-integral finite y gives NaN.
func Pow64(x, y float64) float64 {
	switch {
	case y == 0 || x == 1:
		return 1
	case x != x || y != y:
		return nan[float64]()
	}
	odd := isOdd(y)
	ax := math.Abs(x)
	var r float64
	switch {
	case math.Abs(y) > math.MaxFloat64:
		switch {
		case ax == 1:
			return 1
		case (ax > 1) == (y > 0):
			return math.Inf(1)
		}
		return 0
	case ax == 0 || ax > math.MaxFloat64:
		if (ax == 0) == (y > 0) {
			r = 0
		} else {
			r = math.Inf(1)
		}
	case x < 0 && math.Floor(y) != y:
		return nan[float64]()
	default:
		r = powPositive(ax, y)
	}
	if x < 0 && odd || x == 0 && odd && math.Signbit(x) {
		r = -r
	}
	return r
}

func powPositive(x, y float64) float64 {
	if x == 1 {
		return 1
	}
	if math.Abs(y) > 0x1p64 { // far beyond overflow for every x != 1
		if (x > 1) == (y > 0) {
			return math.Inf(1)
		}
		return 0
	}
	h, l := logDD(x)
	p, pl := twoProd(h, y)
	pl = math.FMA(l, y, pl)
	switch {
	case p > 710:
		return math.Inf(1)
	case p < negUnder:
		return 0
	}
	p, pl = twoSum(p, pl)
	return expDD(p, pl)
}

// isOdd says whether y is an odd integer.
func isOdd(y float64) bool {
	a := math.Abs(y)
	return a < 0x1p53 && math.Floor(a) == a && int64(a)&1 == 1
}
