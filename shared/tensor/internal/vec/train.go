package vec

// gradOf runs a derivative from the function's result: by kernel, or else element by element.
func gradOf[T Float](dst, y, dy []T, kernel func(dst, y, dy *float32, n int), f func(y, dy T) T) {
	dst, dy = dst[:len(y)], dy[:len(y)]
	if native[T](len(y)) {
		for i := 0; i < len(y); i += maxCall {
			kernel(p32(dst[i:]), p32(y[i:]), p32(dy[i:]), min(maxCall, len(y)-i))
		}
		return
	}
	for i, v := range y {
		dst[i] = canon(f(v, dy[i]))
	}
}

// ReLUGrad sets dst = dy where y > 0 and +0 elsewhere, also where y is NaN.
func ReLUGrad[T Float](dst, y, dy []T) {
	gradOf(dst, y, dy, kReluGrad, func(y, dy T) T {
		if y > 0 {
			return dy
		}
		return 0
	})
}

// TanhGrad sets dst = dy*fma(-y, y, 1).
func TanhGrad[T Float](dst, y, dy []T) {
	gradOf(dst, y, dy, kTanhGrad, func(y, dy T) T { return dy * fma(-y, y, 1) })
}

// SigmoidGrad sets dst = dy*(y*(1-y)).
func SigmoidGrad[T Float](dst, y, dy []T) {
	gradOf(dst, y, dy, kSigmoidGrad, func(y, dy T) T { return dy * mul(y, 1-y) })
}

// BCELogits sets dst = softplus(x) - x*p.
func BCELogits[T Float](dst, x, p []T) {
	dst, p = dst[:len(x)], p[:len(x)]
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kBceLogits(p32(dst[i:]), p32(x[i:]), p32(p[i:]), min(maxCall, len(x)-i))
		}
		return
	}
	for i, v := range x {
		dst[i] = canon(softplus1(v) - mul(v, p[i]))
	}
}

// BCELogitsGrad sets dst = c*(sigmoid(x) - p).
func BCELogitsGrad[T Float](dst, x, p []T, c T) {
	dst, p = dst[:len(x)], p[:len(x)]
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kBceLogitsGrad(p32(dst[i:]), p32(x[i:]), p32(p[i:]), float32(c), min(maxCall, len(x)-i))
		}
		return
	}
	for i, v := range x {
		dst[i] = canon(c * (sigmoid1(v) - p[i]))
	}
}

// LogSumExp returns the largest element m of x and the logarithm l of the sum of exp(x-m): LogSoftmaxRow's, so that
// the logarithm of softmax at i is (x[i]-m) - l. A row of -Inf alone has m = -Inf and l = 0.
func LogSumExp[T Float](x []T) (m, l T) {
	m = Max(x)
	if m == -inf[T]() {
		return m, 0
	}
	return m, log1(SumExp(x, m))
}

// CrossEntropyGradRow sets dst = c*exp((x-m)-l), and takes c from element target: the gradient of -c times the
// logarithm of softmax at target. m and l are LogSumExp's.
func CrossEntropyGradRow[T Float](dst, x []T, m, l, c T, target int) {
	dst = dst[:len(x)]
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kCrossEntropyGrad(p32(dst[i:]), p32(x[i:]), float32(m), float32(l), float32(c), min(maxCall, len(x)-i))
		}
	} else {
		for i, v := range x {
			dst[i] = canon(c * exp1((v-m)-l))
		}
	}
	dst[target] = canon(dst[target] - c)
}

// CrossEntropyAt is l - (x-m), NaN if either is.
func CrossEntropyAt[T Float](x, m, l T) T { return canon(l - (x - m)) }
