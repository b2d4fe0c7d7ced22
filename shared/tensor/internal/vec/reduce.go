package vec

const lanes = 16

// tree combines 16 lanes by addition: 8, 4, 2, 1.
func tree[T Float](a *[lanes]T) T {
	for h := lanes / 2; h > 0; h /= 2 {
		for l := range h {
			a[l] += a[l+h]
		}
	}
	return canon(a[0])
}

// Sum adds the elements: 16 lanes, tree. An empty slice gives 0.
func Sum[T Float](x []T) T {
	var a [lanes]T
	for i, v := range x {
		a[i%lanes] += v
	}
	return tree(&a)
}

// SumSquares adds the squares: acc = fma(x, x, acc) in 16 lanes, tree.
func SumSquares[T Float](x []T) T {
	var a [lanes]T
	for i, v := range x {
		a[i%lanes] = fma(v, v, a[i%lanes])
	}
	return tree(&a)
}

// SumSquareDevs adds (x-mean)^2: d = x-mean, acc = fma(d, d, acc) in 16 lanes, tree.
func SumSquareDevs[T Float](x []T, mean T) T {
	var a [lanes]T
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
	for i, v := range x {
		a[i%lanes] = fma(v, y[i], a[i%lanes])
	}
	return tree(&a)
}

// Max is the largest element, by the rules of Maximum; an empty slice gives -Inf.
func Max[T Float](x []T) T {
	m := -inf[T]()
	for _, v := range x {
		m = max(m, v)
	}
	return canon(m)
}

// Min is the smallest element, by the rules of Minimum; an empty slice gives +Inf.
func Min[T Float](x []T) T {
	m := inf[T]()
	for _, v := range x {
		m = min(m, v)
	}
	return canon(m)
}

// SumRows adds rows to dst: dst[c] += x[r*ld+c] for r = 0, 1, ..., rows-1 in this order, c < len(dst).
func SumRows[T Float](dst, x []T, rows, ld int) {
	for r := range rows {
		Zip(Add, dst, dst, x[r*ld:r*ld+len(dst)])
	}
}
