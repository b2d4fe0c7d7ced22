package vec

import "math"

// FMA32 is a*b + c rounded once to float32, exactly as a hardware fused multiply-add does it (NaN
// payloads excepted).
//
// The product of two float32 is exact in float64, so s = product + c has one rounding; narrowing s adds a
// second one. That second rounding goes wrong only if s lies on a boundary between two float32, which
// the low 29 bits show for normal results. Then, and for subnormal results, where the boundary lies
// higher, the sum is first rounded to odd, which keeps the narrowing honest.
func FMA32(a, b, c float32) float32 {
	p := float64(float64(a) * float64(b)) // the conversion keeps the compiler from fusing
	s := p + float64(c)
	u := math.Float64bits(s)
	const (
		lowMask   = 1<<29 - 1
		half      = 1 << 28
		minNormal = (1023 - 126) << 52 // bits of the smallest normal float32
	)
	if u&lowMask != half && u&^(1<<63) >= minNormal {
		return float32(s)
	}
	return narrowOdd(p, float64(c), s)
}

// narrowOdd rounds p + c, whose nearest float64 is s, to odd and then to float32.
func narrowOdd(p, c, s float64) float32 {
	// Two-sum: e is the exact error of s. For infinities and NaN it is NaN and s stands.
	t := s - p
	e := (p - (s - t)) + (c - t)
	if e == 0 || e != e {
		return float32(s)
	}
	u := math.Float64bits(s)
	if u&1 == 0 {
		if (e > 0) == (s > 0) {
			u++
		} else {
			u--
		}
	}
	return float32(math.Float64frombits(u))
}
