package gemm

import "math"

// fma32 is the float32 fused multiply-add, rounded once: the float64 product of two float32 is exact,
// and the float64 sum is rounded to odd before it is narrowed, which keeps the second rounding right.
func fma32(a, b, c float32) float32 {
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
