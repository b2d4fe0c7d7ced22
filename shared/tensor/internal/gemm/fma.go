package gemm

import "math"

// fma32 is the float32 fused multiply-add, rounded once. The float64 product of two float32 is exact.
// Narrowing the float64 sum rounds a second time, which matters only where the sum, itself rounded, lies
// halfway between two float32: those cases, and results below the normal range, go to oddFMA32.
func fma32(a, b, c float32) float32 {
	s := float64(float64(a)*float64(b)) + float64(c)
	bits := math.Float64bits(s)
	if bits&(1<<29-1) == 1<<28 || bits<<1 < 897<<53 {
		return oddFMA32(a, b, c)
	}
	return float32(s)
}

// oddFMA32 is fma32 for every operand: the float64 sum is rounded to odd before it is narrowed.
//
//go:noinline
func oddFMA32(a, b, c float32) float32 {
	p := float64(a) * float64(b)
	z := float64(c)
	s := p + z
	if s-s != 0 {
		return float32(s) // Inf or NaN
	}
	t := s - p
	if e := (p - (s - t)) + (z - t); e != 0 {
		bits := math.Float64bits(s)
		if bits&1 == 0 {
			if (e > 0) == (s > 0) {
				bits++
			} else {
				bits--
			}
			s = math.Float64frombits(bits)
		}
	}
	return float32(s)
}

// fma is the fused multiply-add of either element type.
func fma[T Float](a, b, c T) T {
	if size[T]() == 4 {
		return T(fma32(float32(a), float32(b), float32(c)))
	}
	return T(math.FMA(float64(a), float64(b), float64(c)))
}

// fmaRow is acc += a*b in each of the columns of a panel.
func fmaRow[T Float](acc *[Width]T, a T, b *[Width]T) {
	for j, x := range b {
		acc[j] = fma(a, x, acc[j])
	}
}
