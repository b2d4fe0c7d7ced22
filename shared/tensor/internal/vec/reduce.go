package vec

import "math"

const lanes = 16

// tree combines 16 lanes by addition: 8, 4, 2, 1.
func tree[T Float](a *[lanes]T) T {
	b0, b1, b2, b3 := a[0]+a[8], a[1]+a[9], a[2]+a[10], a[3]+a[11]
	b4, b5, b6, b7 := a[4]+a[12], a[5]+a[13], a[6]+a[14], a[7]+a[15]
	b0, b1, b2, b3 = b0+b4, b1+b5, b2+b6, b3+b7
	return canon((b0 + b2) + (b1 + b3))
}

// Sum adds the elements: 16 lanes, tree. An empty slice gives 0.
func Sum[T Float](x []T) T {
	var a [lanes]T
	if native[T](len(x)) {
		if len(x) <= maxCall {
			return canon(T(kSumLanes(nil, p32(x), len(x))))
		}
		for i := 0; i < len(x); i += maxCall {
			kSumLanes(p32(a[:]), p32(x[i:]), min(maxCall, len(x)-i))
		}
		return tree(&a)
	}
	for i, v := range x {
		a[i%lanes] += v
	}
	return tree(&a)
}

// SumSquares adds the squares: acc = fma(x, x, acc) in 16 lanes, tree.
func SumSquares[T Float](x []T) T {
	var a [lanes]T
	if native[T](len(x)) {
		if len(x) <= maxCall {
			return canon(T(kSumSquaresLanes(nil, p32(x), len(x))))
		}
		for i := 0; i < len(x); i += maxCall {
			kSumSquaresLanes(p32(a[:]), p32(x[i:]), min(maxCall, len(x)-i))
		}
		return tree(&a)
	}
	for i, v := range x {
		a[i%lanes] = fma(v, v, a[i%lanes])
	}
	return tree(&a)
}

// SumSquareDevs adds (x-mean)^2: d = x-mean, acc = fma(d, d, acc) in 16 lanes, tree.
func SumSquareDevs[T Float](x []T, mean T) T {
	var a [lanes]T
	if native[T](len(x)) {
		if len(x) <= maxCall {
			return canon(T(kSumSquareDevsLanes(nil, p32(x), float32(mean), len(x))))
		}
		for i := 0; i < len(x); i += maxCall {
			kSumSquareDevsLanes(p32(a[:]), p32(x[i:]), float32(mean), min(maxCall, len(x)-i))
		}
		return tree(&a)
	}
	for i, v := range x {
		d := v - mean
		a[i%lanes] = fma(d, d, a[i%lanes])
	}
	return tree(&a)
}

// Dot is the inner product: acc = fma(x, y, acc) in 16 lanes, tree.
func Dot[T Float](x, y []T) T {
	var a [lanes]T
	y = y[:len(x)]
	if native[T](len(x)) {
		if len(x) <= maxCall {
			return canon(T(kDotLanes(nil, p32(x), p32(y), len(x))))
		}
		for i := 0; i < len(x); i += maxCall {
			kDotLanes(p32(a[:]), p32(x[i:]), p32(y[i:]), min(maxCall, len(x)-i))
		}
		return tree(&a)
	}
	for i, v := range x {
		a[i%lanes] = fma(v, y[i], a[i%lanes])
	}
	return tree(&a)
}

// Max is the largest element, by the rules of Maximum; an empty slice gives -Inf.
func Max[T Float](x []T) T {
	m := -inf[T]()
	if native[T](len(x)) {
		return T(extreme32(f32s(x), float32(m), true))
	}
	for _, v := range x {
		m = max(m, v)
	}
	return canon(m)
}

// Min is the smallest element, by the rules of Minimum; an empty slice gives +Inf.
func Min[T Float](x []T) T {
	m := inf[T]()
	if native[T](len(x)) {
		return T(extreme32(f32s(x), float32(m), false))
	}
	for _, v := range x {
		m = min(m, v)
	}
	return canon(m)
}

// extreme32 is Max or Min by kernel. The second half of the lanes holds the bits of the largest magnitude.
func extreme32(x []float32, start float32, largest bool) float32 {
	var a [2 * lanes]float32
	for l := range lanes {
		a[l] = start
	}
	for i := 0; i < len(x); i += maxCall {
		n := min(maxCall, len(x)-i)
		if largest {
			kMaxLanes(p32(a[:]), p32(x[i:]), n)
		} else {
			kMinLanes(p32(a[:]), p32(x[i:]), n)
		}
	}
	// As integers with the magnitude of negatives inverted, floats are in order, -0 below +0.
	m, w := orderKey(a[0]), uint32(0)
	for l := range lanes {
		w = max(w, math.Float32bits(a[lanes+l]))
		if largest {
			m = max(m, orderKey(a[l]))
		} else {
			m = min(m, orderKey(a[l]))
		}
	}
	if w > math.Float32bits(float32(math.Inf(1))) {
		return nan[float32]()
	}
	return math.Float32frombits(uint32(m ^ m>>31&math.MaxInt32))
}

func orderKey(x float32) int32 {
	i := int32(math.Float32bits(x))
	return i ^ i>>31&math.MaxInt32
}

// AbsMax is the largest magnitude, NaN if any element is NaN, 0 for an empty slice.
func AbsMax[T Float](x []T) T {
	var m T
	if native[T](len(x)) {
		var a [lanes]float32
		for i := 0; i < len(x); i += maxCall {
			kAbsMaxLanes(p32(a[:]), p32(x[i:]), min(maxCall, len(x)-i))
		}
		var w uint32
		for _, v := range a {
			w = max(w, math.Float32bits(v))
		}
		return canon(T(math.Float32frombits(w)))
	}
	for _, v := range x {
		m = max(m, abs(v))
	}
	return canon(m)
}

// SumRows adds rows to dst: dst[c] += x[r*ld+c] for r = 0, 1, ..., rows-1 in this order, c < len(dst).
func SumRows[T Float](dst, x []T, rows, ld int) {
	if rows <= 0 || len(dst) == 0 {
		return
	}
	_ = x[(rows-1)*ld+len(dst)-1]
	if native[T](len(dst)) {
		kSumRows(p32(dst), p32(x), rows, len(dst), ld)
		return
	}
	for r := range rows {
		for c := range dst {
			dst[c] += x[r*ld+c]
		}
	}
	for c := range dst {
		dst[c] = canon(dst[c])
	}
}
