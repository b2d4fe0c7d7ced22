package statistic

import (
	"math/bits"
	"strconv"
)

// Fraction is Num/Den with Den > 0, as counted; Reduced is the same in lowest terms.
type Fraction struct{ Num, Den int64 }

// Reduced divides by the greatest common divisor.
func (f Fraction) Reduced() Fraction {
	a, b := f.Num, f.Den
	for b != 0 {
		a, b = b, a%b
	}
	if a < 0 {
		a = -a
	}
	if a == 0 {
		return f
	}
	return Fraction{f.Num / a, f.Den / a}
}

// Float is the nearest number.
func (f Fraction) Float() float64 { return float64(f.Num) / float64(f.Den) }

// Equal says whether two fractions are the same number, exactly.
func (f Fraction) Equal(g Fraction) bool { return equalProducts(f.Num, g.Den, g.Num, f.Den) }

// Times is the product in lowest terms; ok is false where it does not fit.
func (f Fraction) Times(g Fraction) (product Fraction, ok bool) {
	f, g = f.Reduced(), g.Reduced()
	a, b := Fraction{f.Num, g.Den}.Reduced(), Fraction{g.Num, f.Den}.Reduced()
	hiN, n := bits.Mul64(uint64(a.Num), uint64(b.Num))
	hiD, d := bits.Mul64(uint64(a.Den), uint64(b.Den))
	const most = 1<<63 - 1
	return Fraction{int64(n), int64(d)}, hiN == 0 && hiD == 0 && n <= most && d <= most && f.Num >= 0 && g.Num >= 0
}

// String is "num/den".
func (f Fraction) String() string {
	return strconv.FormatInt(f.Num, 10) + "/" + strconv.FormatInt(f.Den, 10)
}

// equalProducts says whether a*b = c*d, for numbers that are not negative.
func equalProducts(a, b, c, d int64) bool {
	h, l := bits.Mul64(uint64(a), uint64(b))
	i, m := bits.Mul64(uint64(c), uint64(d))
	return h == i && l == m
}
