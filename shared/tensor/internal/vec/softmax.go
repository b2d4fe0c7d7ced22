package vec

// sumExp is the sum of exp(x-m): 16 lanes, tree. It writes exp(x-m) to dst.
func sumExp[T Float](dst, x []T, m T) T {
	var a [lanes]T
	dst = dst[:len(x)]
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kSubExpSumLanes(p32(a[:]), p32(dst[i:]), p32(x[i:]), float32(m), min(maxCall, len(x)-i))
		}
		return tree(&a)
	}
	for i, v := range x {
		dst[i] = exp1(v - m)
		a[i%lanes] += dst[i]
	}
	return tree(&a)
}

// SoftmaxRow sets dst = exp(x-m)/sum: m = Max(x), e = exp(x-m), s = Sum(e) (16 lanes, tree),
// dst = e*(1/s). A row of -Inf alone gives zeros. +Inf or NaN in x gives NaN everywhere.
func SoftmaxRow[T Float](dst, x []T) {
	dst = dst[:len(x)]
	if native[T](len(x)) && len(x) <= maxCall && kSoftmax(p32(dst), p32(x), len(x)) != 0 {
		return
	}
	m := Max(x)
	if m == -inf[T]() {
		clear(dst)
		return
	}
	s := sumExp(dst, x, m)
	Scale(dst, dst, 1/s)
}

// LogSoftmaxRow sets dst = (x-m) - log(s) with m and s as in SoftmaxRow. A row of -Inf alone gives -Inf.
func LogSoftmaxRow[T Float](dst, x []T) {
	dst = dst[:len(x)]
	m := Max(x)
	if m == -inf[T]() {
		for i := range dst {
			dst[i] = m
		}
		return
	}
	l := log1(SumExp(x, m))
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kSubSub(p32(dst[i:]), p32(x[i:]), float32(m), float32(l), min(maxCall, len(x)-i))
		}
		return
	}
	for i, v := range x {
		dst[i] = canon((v - m) - l)
	}
}

// SumExp is the sum of exp(x-m): 16 lanes, tree.
func SumExp[T Float](x []T, m T) T {
	var a [lanes]T
	if native[T](len(x)) {
		var buf [rowBuf]T
		for i := 0; i < len(x); i += rowBuf {
			kSubExpSumLanes(p32(a[:]), p32(buf[:]), p32(x[i:]), float32(m), min(rowBuf, len(x)-i))
		}
		return tree(&a)
	}
	for i, v := range x {
		a[i%lanes] += exp1(v - m)
	}
	return tree(&a)
}

// SoftmaxGradRow sets dst = y*(dy - d), d = Dot(y, dy), for y = softmax(x).
func SoftmaxGradRow[T Float](dst, y, dy []T) {
	dst, dy = dst[:len(y)], dy[:len(y)]
	if native[T](len(y)) && len(y) <= maxCall {
		kSoftmaxGrad(p32(dst), p32(y), p32(dy), len(y))
		return
	}
	d := Dot(y, dy)
	if native[T](len(y)) {
		for i := 0; i < len(y); i += maxCall {
			kMulDiff(p32(dst[i:]), p32(y[i:]), p32(dy[i:]), float32(d), min(maxCall, len(y)-i))
		}
		return
	}
	for i, v := range y {
		dst[i] = canon(v * (dy[i] - d))
	}
}

// LogSoftmaxGradRow sets dst = fma(-exp(y), s, dy), s = Sum(dy), for y = logsoftmax(x).
func LogSoftmaxGradRow[T Float](dst, y, dy []T) {
	dst, dy = dst[:len(y)], dy[:len(y)]
	s := Sum(dy)
	if native[T](len(y)) {
		for i := 0; i < len(y); i += maxCall {
			kLogSoftmaxGrad(p32(dst[i:]), p32(y[i:]), p32(dy[i:]), float32(s), min(maxCall, len(y)-i))
		}
		return
	}
	for i, v := range y {
		dst[i] = canon(fma(-exp1(v), s, dy[i]))
	}
}
