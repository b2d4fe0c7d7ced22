package service

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Functions of package math differ in their last bits from one kind of processor to another; these do not. Products
// that are added stand in conversions, so that no compiler fuses them.

// arccos is the angle of a cosine in [-1, 1]: halved until it is small, where the arcsine's series converges at once.
func arccos(c float64) float64 {
	const halvings, terms = 8, 8
	c = min(1, max(-1, c))
	s := math.Sqrt(float64((1 - c) * (1 + c)))
	if c < 0 { // the halves of obtuse angles are exact from here
		return math.Pi - arccos(-c)
	}
	for range halvings {
		c = math.Sqrt((1 + c) / 2)
		s /= 2 * c
	}
	square, power, sum := float64(s*s), s, s
	for k := 1.0; k < terms; k++ {
		power *= float64(square*float64(2*k-1)) / (2 * k)
		sum += power / (float64(2*k) + 1)
	}
	return float64(sum * (1 << halvings))
}

// normalTail is the probability that a standard normal number is above x, at least 0: by the power series of the part
// around 0 (Marsaglia, "Evaluating the normal distribution", 2004) up to 2.5, by Laplace's continued fraction beyond.
func normalTail(x float64) float64 {
	const norm = 0.3989422804014327 // 1/sqrt(2 pi)
	square := float64(x * x)
	density := float64(norm * tensor.ExpF64(float64(-0.5*square)))
	if x <= 2.5 {
		sum, term := x, x
		for k := 3.0; k < 80; k += 2 {
			term = float64(term*square) / k
			sum += term
		}
		return 0.5 - float64(density*sum)
	}
	f := x
	for k := 120.0; k > 0; k-- {
		f = x + k/f
	}
	return density / f
}

// normalQuantile is the number that a standard normal one is below with probability p in (0, 1): the rational functions
// PPND16 of Wichura's "Algorithm AS 241" (1988), right to about 1e-16.
func normalQuantile(p float64) float64 {
	q := p - 0.5
	if math.Abs(q) <= 0.425 {
		r := 0.180625 - float64(q*q)
		return float64(q*horner(r, 2509.0809287301226727, 33430.575583588128105, 67265.770927008700853,
			45921.953931549871457, 13731.693765509461125, 1971.5909503065514427, 133.14166789178437745,
			3.387132872796366608)) / horner(r, 5226.495278852545925, 28729.085735721942674, 39307.89580009271061,
			21213.794301586595867, 5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1)
	}
	r := p
	if q > 0 {
		r = 1 - p
	}
	r = math.Sqrt(-tensor.LogF64(r))
	var x float64
	if r <= 5 {
		r -= 1.6
		x = horner(r, 7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177,
			1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959,
			1.42343711074968357734) / horner(r, 1.05075007164441684324e-9, 5.475938084995344946e-4,
			0.0151986665636164571966, 0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494,
			2.05319162663775882187, 1)
	} else {
		r -= 5
		x = horner(r, 2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
			0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699,
			6.6579046435011037772) / horner(r, 2.04426310338993978564e-15, 1.4215117583164458887e-7,
			1.8463183175100546818e-5, 7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531,
			0.59983220655588793769, 1)
	}
	if q < 0 {
		return -x
	}
	return x
}

// horner is the polynomial with these coefficients, the highest first.
func horner(x float64, coefficients ...float64) (y float64) {
	for _, c := range coefficients {
		y = float64(y*x) + c
	}
	return y
}
