package vec

import (
	"math"
	"unsafe"
)

// Float is the element type of the generic functions.
type Float interface{ float32 | float64 }

const (
	nanBits32 = 0x7FC00000
	nanBits64 = 0x7FF8000000000000
)

// isF32 says whether T is float32. The compiler folds it in each instantiation.
func isF32[T Float]() bool {
	var z T
	return unsafe.Sizeof(z) == 4
}

// f32s views s as []float32. T must be float32.
func f32s[T Float](s []T) []float32 { return *(*[]float32)(unsafe.Pointer(&s)) }

// f64s views s as []float64. T must be float64.
func f64s[T Float](s []T) []float64 { return *(*[]float64)(unsafe.Pointer(&s)) }

// nan is the canonical NaN of T.
func nan[T Float]() T {
	if isF32[T]() {
		return T(math.Float32frombits(nanBits32))
	}
	return T(math.Float64frombits(nanBits64))
}

// canon returns x, or the canonical NaN where x is any NaN.
func canon[T Float](x T) T {
	if x != x {
		return nan[T]()
	}
	return x
}

// fma is a*b + c rounded once.
func fma[T Float](a, b, c T) T {
	if isF32[T]() {
		return T(FMA32(float32(a), float32(b), float32(c)))
	}
	return T(math.FMA(float64(a), float64(b), float64(c)))
}

// mul is a*b, rounded before anything is added to it: without the conversion a compiler may fuse.
func mul[T Float](a, b T) T { return T(a * b) } //nolint:unconvert // the conversion rounds

// sqrt is the IEEE square root of T.
func sqrt[T Float](x T) T { return T(math.Sqrt(float64(x))) }

// abs clears the sign bit.
func abs[T Float](x T) T { return T(math.Abs(float64(x))) }

// inf is positive infinity.
func inf[T Float]() T { return T(math.Inf(1)) }
