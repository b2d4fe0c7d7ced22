package special

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// halfLog2Pi is log(2 pi)/2.
const halfLog2Pi = 0.91893853320467274178032973640561763986139747363778

// stirlingFrom is where the series of Stirling, cut after seven terms, is exact to the last bits.
const stirlingFrom = 12

// LogGamma is the natural logarithm of the gamma function of x > 0: +Inf at 0 and +Inf, NaN below 0. Arguments under
// 12 are raised by Gamma(x) = Gamma(x+n) / (x (x+1) ... (x+n-1)); from there on it is Stirling's series,
//
//	log Gamma(x) = (x - 1/2) log x - x + log(2 pi)/2 + 1/(12 x) - 1/(360 x^3) + ...
//
// (Abramowitz and Stegun 6.1.41). The error is below 4e-15 times the greater of 1 and the result.
func LogGamma(x float64) float64 {
	switch {
	case x != x || x < 0:
		return math.NaN()
	case x == 0 || x > math.MaxFloat64:
		return math.Inf(1)
	case x == 1 || x == 2:
		return 0
	}
	product := 1.0
	for x < stirlingFrom {
		product *= x
		x++
	}
	r := 1 / x
	z := float64(r * r)
	s := math.FMA(z, 1.0/156, -691.0/360360)
	s = math.FMA(z, s, 1.0/1188)
	s = math.FMA(z, s, -1.0/1680)
	s = math.FMA(z, s, 1.0/1260)
	s = math.FMA(z, s, -1.0/360)
	s = math.FMA(z, s, 1.0/12)
	y := math.FMA(x-0.5, tensor.LogF64(x), -x) + math.FMA(s, r, halfLog2Pi)
	if product != 1 {
		y -= tensor.LogF64(product)
	}
	return y
}

// LogBeta is log(Gamma(a) Gamma(b) / Gamma(a+b)) of positive a and b.
func LogBeta(a, b float64) float64 { return LogGamma(a) + LogGamma(b) - LogGamma(a+b) }

// The series and the continued fraction of the incomplete gamma function stop at this relative change, and at the
// latest after this many steps and some more with a large argument.
const (
	gammaTiny  = 0x1p-54
	gammaSteps = 300
)

// GammaP is the regularised lower incomplete gamma function,
//
//	P(a, x) = 1/Gamma(a) integral from 0 to x of t^(a-1) e^-t dt,
//
// of a > 0 and x >= 0. The relative error is below 3e-15 times 100+a.
func GammaP(a, x float64) float64 {
	switch {
	case !gammaDomain(a, x):
		return math.NaN()
	case x == 0:
		return 0
	case x > math.MaxFloat64:
		return 1
	case x < a+1:
		return lowerSeries(a, x)
	}
	return 1 - upperFraction(a, x)
}

// GammaQ is 1 - P(a, x), also where it is small.
func GammaQ(a, x float64) float64 {
	switch {
	case !gammaDomain(a, x):
		return math.NaN()
	case x == 0:
		return 1
	case x > math.MaxFloat64:
		return 0
	case x < a+1:
		return 1 - lowerSeries(a, x)
	}
	return upperFraction(a, x)
}

func gammaDomain(a, x float64) bool { return a > 0 && a <= math.MaxFloat64 && x >= 0 }

// gammaFactor is x^a e^-x / Gamma(a).
func gammaFactor(a, x float64) float64 {
	return tensor.ExpF64(math.FMA(a, tensor.LogF64(x), -x) - LogGamma(a))
}

// lowerSeries is P(a, x) = x^a e^-x / Gamma(a) sum_n x^n / (a (a+1) ... (a+n)), for x < a+1.
func lowerSeries(a, x float64) float64 {
	term := 1 / a
	sum := term
	for n := range gammaLimit(a) {
		term = float64(term * (x / (a + float64(n+1))))
		sum += term
		if term < float64(sum*gammaTiny) {
			break
		}
	}
	return min(1, sum*gammaFactor(a, x))
}

// upperFraction is Q(a, x) by the continued fraction of Legendre, 1/(x+1-a- 1(1-a)/(x+3-a- 2(2-a)/(x+5-a- ...))),
// evaluated from the front by Lentz's method, for x >= a+1.
func upperFraction(a, x float64) float64 {
	const least = 0x1p-1000
	b := x + 1 - a
	c := 1 / least
	d := 1 / b
	h := d
	for n := range gammaLimit(a) {
		i := float64(n + 1)
		an := -float64(i * (i - a))
		b += 2
		d = math.FMA(an, d, b)
		if math.Abs(d) < least {
			d = least
		}
		c = b + an/c
		if math.Abs(c) < least {
			c = least
		}
		d = 1 / d
		change := float64(d * c)
		h *= change
		if math.Abs(change-1) < 4*gammaTiny {
			break
		}
	}
	return min(1, h*gammaFactor(a, x))
}

// gammaLimit grows as the square root of a, as the steps that are needed near x = a do.
func gammaLimit(a float64) int { return gammaSteps + int(min(1e7, 12*math.Sqrt(a))) }

// ChiSquareTail is the probability that a chi-square variable of df degrees of freedom exceeds x: the p-value of a
// test. It is 1 for x <= 0 and NaN unless df is positive.
func ChiSquareTail(x, df float64) float64 {
	if x <= 0 && df > 0 {
		return 1
	}
	return GammaQ(df/2, x/2)
}
