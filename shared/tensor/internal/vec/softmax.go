package vec

// SoftmaxRow sets dst = exp(x-m)/sum: m = Max(x), e = exp(x-m), s = Sum(e) (16 lanes, tree),
// dst = e*(1/s). A row of -Inf alone gives zeros. +Inf or NaN in x gives NaN everywhere.
func SoftmaxRow[T Float](dst, x []T) {
	m := Max(x)
	if m == -inf[T]() {
		clear(dst[:len(x)])
		return
	}
	AddScalar(dst, x, -m)
	Map(Exp, dst, dst)
	Scale(dst, dst, 1/Sum(dst[:len(x)]))
}

// LogSoftmaxRow sets dst = (x-m) - log(s) with m and s as in SoftmaxRow. A row of -Inf alone gives -Inf.
// dst must not be x: it is scratch for exp(x-m).
func LogSoftmaxRow[T Float](dst, x []T) {
	dst = dst[:len(x)]
	m := Max(x)
	if m == -inf[T]() {
		for i := range dst {
			dst[i] = m
		}
		return
	}
	AddScalar(dst, x, -m)
	Map(Exp, dst, dst)
	l := log1[T](Sum(dst))
	AddScalar(dst, x, -m)
	AddScalar(dst, dst, -l)
}

// SoftmaxGradRow sets dst = y*(dy - d), d = Dot(y, dy), for y = softmax(x).
func SoftmaxGradRow[T Float](dst, y, dy []T) {
	d := Dot(y, dy)
	dst, dy = dst[:len(y)], dy[:len(y)]
	for i, v := range y {
		dst[i] = canon(v * (dy[i] - d))
	}
}

// LogSoftmaxGradRow sets dst = fma(-exp(y), s, dy), s = Sum(dy), for y = logsoftmax(x).
func LogSoftmaxGradRow[T Float](dst, y, dy []T) {
	s := Sum(dy)
	dst, dy = dst[:len(y)], dy[:len(y)]
	for i, v := range y {
		dst[i] = canon(fma(-exp1(v), s, dy[i]))
	}
}
