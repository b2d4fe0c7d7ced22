package vec

// Binary names an element-wise function of two arguments.
type Binary uint8

// The functions that Zip knows.
const (
	Add     Binary = iota // a + b
	Sub                   // a - b
	Mul                   // a * b
	Div                   // a / b
	Maximum               // NaN if either is NaN; +0 is above -0
	Minimum               // NaN if either is NaN; -0 is below +0
	Greater               // 1 if a > b, otherwise (also for NaN) 0
	numBinary
)

// Zip sets dst[i] = op(a[i], b[i]).
func Zip[T Float](op Binary, dst, a, b []T) {
	dst, b = dst[:len(a)], b[:len(a)]
	switch op {
	case Add:
		for i, v := range a {
			dst[i] = canon(v + b[i])
		}
	case Sub:
		for i, v := range a {
			dst[i] = canon(v - b[i])
		}
	case Mul:
		for i, v := range a {
			dst[i] = canon(v * b[i])
		}
	case Div:
		for i, v := range a {
			dst[i] = canon(v / b[i])
		}
	case Maximum:
		for i, v := range a {
			dst[i] = canon(max(v, b[i]))
		}
	case Minimum:
		for i, v := range a {
			dst[i] = canon(min(v, b[i]))
		}
	case Greater:
		for i, v := range a {
			dst[i] = greater(v, b[i])
		}
	default:
		panic("vec: unknown binary function")
	}
}

func greater[T Float](a, b T) T {
	if a > b {
		return 1
	}
	return 0
}

// ZipScalar sets dst[i] = op(a[i], s), or op(s, a[i]) if scalarLeft.
func ZipScalar[T Float](op Binary, dst, a []T, s T, scalarLeft bool) {
	var buf [256]T
	n := min(len(a), len(buf))
	for i := range buf[:n] {
		buf[i] = s
	}
	for len(a) > 0 {
		k := min(len(a), len(buf))
		if scalarLeft {
			Zip(op, dst[:k], buf[:k], a[:k])
		} else {
			Zip(op, dst[:k], a[:k], buf[:k])
		}
		dst, a = dst[k:], a[k:]
	}
}

// ZipRow sets dst[r*C+c] = op(a[r*C+c], row[c]), or with the arguments exchanged if rowLeft. C is
// len(row) and must divide len(a).
func ZipRow[T Float](op Binary, dst, a, row []T, rowLeft bool) {
	c := len(row)
	for i := 0; i < len(a); i += c {
		if rowLeft {
			Zip(op, dst[i:i+c], row, a[i:i+c])
		} else {
			Zip(op, dst[i:i+c], a[i:i+c], row)
		}
	}
}

// Where sets dst[i] = a[i] where cond[i] is not zero (NaN is not zero), b[i] elsewhere. Bits are moved.
func Where[T Float](dst, cond, a, b []T) {
	dst, a, b = dst[:len(cond)], a[:len(cond)], b[:len(cond)]
	for i, c := range cond {
		if c != 0 {
			dst[i] = a[i]
		} else {
			dst[i] = b[i]
		}
	}
}

// Scale sets dst = x*c.
func Scale[T Float](dst, x []T, c T) { ZipScalar(Mul, dst, x, c, false) }

// AddScalar sets dst = x + c.
func AddScalar[T Float](dst, x []T, c T) { ZipScalar(Add, dst, x, c, false) }

// Clamp sets dst to lo where x < lo, then to hi where that is > hi, otherwise to x: -0 stays -0 between
// zero bounds, and NaN stays NaN. The bounds must not be NaN.
func Clamp[T Float](dst, x []T, lo, hi T) {
	dst = dst[:len(x)]
	for i, v := range x {
		if v < lo {
			v = lo
		}
		if v > hi {
			v = hi
		}
		dst[i] = canon(v)
	}
}

// AXPY sets dst = fma(a, x, dst).
func AXPY[T Float](dst []T, a T, x []T) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = canon(fma(a, v, dst[i]))
	}
}

// Lerp sets dst = fma(t, x-dst, dst): an exponential moving average with decay 1-t.
func Lerp[T Float](dst, x []T, t T) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = canon(fma(t, v-dst[i], dst[i]))
	}
}

// ScaleAdd sets dst = fma(a, x, b*y).
func ScaleAdd[T Float](dst []T, a T, x []T, b T, y []T) {
	dst, y = dst[:len(x)], y[:len(x)]
	for i, v := range x {
		dst[i] = canon(fma(a, v, T(b*y[i])))
	}
}

// MulAdd sets dst = fma(a, b, c).
func MulAdd[T Float](dst, a, b, c []T) {
	dst, b, c = dst[:len(a)], b[:len(a)], c[:len(a)]
	for i, v := range a {
		dst[i] = canon(fma(v, b[i], c[i]))
	}
}

// AffineRows sets dst[r*C+c] = fma(x[r*C+c], scale[c], shift[c]). C is len(scale) = len(shift) and must
// divide len(x).
func AffineRows[T Float](dst, x, scale, shift []T) {
	c := len(scale)
	for i := 0; i < len(x); i += c {
		MulAdd(dst[i:i+c], x[i:i+c], scale, shift)
	}
}

// AffineSiLURows is AffineRows followed by SiLU, in one pass and with the same bits.
func AffineSiLURows[T Float](dst, x, scale, shift []T) {
	AffineRows(dst, x, scale, shift)
	Map(SiLU, dst, dst)
}
