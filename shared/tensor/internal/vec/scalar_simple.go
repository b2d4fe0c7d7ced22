package vec

import "math"

// Neg32 flips the sign bit.
func Neg32(x float32) float32 { return math.Float32frombits(math.Float32bits(x) ^ 1<<31) }

// Abs32 clears the sign bit.
func Abs32(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// Square32 is x*x.
func Square32(x float32) float32 { return canon(x * x) }

// Recip32 is 1/x.
func Recip32(x float32) float32 { return canon(1 / x) }

// Sqrt32 is the IEEE square root: NaN below zero, -0 of -0.
func Sqrt32(x float32) float32 { return canon(sqrt(x)) }

// Rsqrt32 is 1/sqrt(x), each rounded: at most 1.5 ulp. It is +Inf at +0 and -Inf at -0.
func Rsqrt32(x float32) float32 { return canon(1 / sqrt(x)) }

// ReLU32 is x where x > 0, +0 where x <= 0 (also at -0), NaN of NaN.
func ReLU32(x float32) float32 {
	if x <= 0 {
		return 0
	}
	return canon(x)
}

// Neg64 flips the sign bit.
func Neg64(x float64) float64 { return math.Float64frombits(math.Float64bits(x) ^ 1<<63) }

// Abs64 clears the sign bit.
func Abs64(x float64) float64 { return math.Abs(x) }

// Square64 is x*x.
func Square64(x float64) float64 { return canon(x * x) }

// Recip64 is 1/x.
func Recip64(x float64) float64 { return canon(1 / x) }

// Sqrt64 is the IEEE square root: NaN below zero, -0 of -0.
func Sqrt64(x float64) float64 { return canon(math.Sqrt(x)) }

// Rsqrt64 is 1/sqrt(x), each rounded. It is +Inf at +0 and -Inf at -0.
func Rsqrt64(x float64) float64 { return canon(1 / math.Sqrt(x)) }

// ReLU64 is x where x > 0, +0 where x <= 0 (also at -0), NaN of NaN.
func ReLU64(x float64) float64 {
	if x <= 0 {
		return 0
	}
	return canon(x)
}

func exp1[T Float](x T) T {
	if isF32[T]() {
		return T(Exp32(float32(x)))
	}
	return T(Exp64(float64(x)))
}

func log1[T Float](x T) T {
	if isF32[T]() {
		return T(Log32(float32(x)))
	}
	return T(Log64(float64(x)))
}

func siluGrad[T Float](x, dy T) T {
	if isF32[T]() {
		return T(SiLUGrad32(float32(x), float32(dy)))
	}
	return T(SiLUGrad64(float64(x), float64(dy)))
}

func geluGrad[T Float](x, dy T) T {
	if isF32[T]() {
		return T(GELUGrad32(float32(x), float32(dy)))
	}
	return T(GELUGrad64(float64(x), float64(dy)))
}

func softplus1[T Float](x T) T {
	if isF32[T]() {
		return T(Softplus32(float32(x)))
	}
	return T(Softplus64(float64(x)))
}

func sigmoid1[T Float](x T) T {
	if isF32[T]() {
		return T(Sigmoid32(float32(x)))
	}
	return T(Sigmoid64(float64(x)))
}
