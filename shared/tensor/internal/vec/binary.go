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
	if native[T](len(a)) {
		for i := 0; i < len(a); i += maxCall {
			zipKernel(op, p32(dst[i:]), p32(a[i:]), p32(b[i:]), min(maxCall, len(a)-i))
		}
		return
	}
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

func zipKernel(op Binary, d, a, b *float32, n int) {
	switch op {
	case Add:
		kAdd(d, a, b, n)
	case Sub:
		kSub(d, a, b, n)
	case Mul:
		kMul(d, a, b, n)
	case Div:
		kDiv(d, a, b, n)
	case Maximum:
		kMaximum(d, a, b, n)
	case Minimum:
		kMinimum(d, a, b, n)
	case Greater:
		kGreater(d, a, b, n)
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
	dst = dst[:len(a)]
	if native[T](len(a)) {
		for i := 0; i < len(a); i += maxCall {
			zipScalarKernel(op, p32(dst[i:]), p32(a[i:]), float32(s), scalarLeft, min(maxCall, len(a)-i))
		}
		return
	}
	var buf [64]T
	for i := range buf {
		buf[i] = s
	}
	for i := 0; i < len(a); i += len(buf) {
		n := min(len(buf), len(a)-i)
		if scalarLeft {
			Zip(op, dst[i:i+n], buf[:n], a[i:i+n])
		} else {
			Zip(op, dst[i:i+n], a[i:i+n], buf[:n])
		}
	}
}

func zipScalarKernel(op Binary, d, a *float32, s float32, left bool, n int) {
	switch op {
	case Add:
		kAddRight(d, a, s, n)
	case Mul:
		kMulRight(d, a, s, n)
	case Maximum:
		kMaximumRight(d, a, s, n)
	case Minimum:
		kMinimumRight(d, a, s, n)
	case Sub:
		if left {
			kSubLeft(d, a, s, n)
		} else {
			kSubRight(d, a, s, n)
		}
	case Div:
		if left {
			kDivLeft(d, a, s, n)
		} else {
			kDivRight(d, a, s, n)
		}
	case Greater:
		if left {
			kGreaterLeft(d, a, s, n)
		} else {
			kGreaterRight(d, a, s, n)
		}
	default:
		panic("vec: unknown binary function")
	}
}

// ZipRow sets dst[r*C+c] = op(a[r*C+c], row[c]), or with the arguments exchanged if rowLeft. C is
// len(row) and must divide len(a).
func ZipRow[T Float](op Binary, dst, a, row []T, rowLeft bool) {
	var buf [rowBuf]T
	if len(row) < tileCut && len(a) > len(row) {
		row = repeat(buf[:min(rowBuf, len(a))], row)
	}
	for i := 0; i < len(a); i += len(row) {
		n := min(len(row), len(a)-i)
		if rowLeft {
			Zip(op, dst[i:i+n], row[:n], a[i:i+n])
		} else {
			Zip(op, dst[i:i+n], a[i:i+n], row[:n])
		}
	}
}

// Where sets dst[i] = a[i] where cond[i] is not zero (NaN is not zero), b[i] elsewhere. Bits are moved.
func Where[T Float](dst, cond, a, b []T) {
	dst, a, b = dst[:len(cond)], a[:len(cond)], b[:len(cond)]
	if native[T](len(cond)) {
		for i := 0; i < len(cond); i += maxCall {
			kWhere(p32(dst[i:]), p32(cond[i:]), p32(a[i:]), p32(b[i:]), min(maxCall, len(cond)-i))
		}
		return
	}
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
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kClamp(p32(dst[i:]), p32(x[i:]), float32(lo), float32(hi), min(maxCall, len(x)-i))
		}
		return
	}
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
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kAxpy(p32(dst[i:]), p32(x[i:]), float32(a), min(maxCall, len(x)-i))
		}
		return
	}
	for i, v := range x {
		dst[i] = canon(fma(a, v, dst[i]))
	}
}

// Lerp sets dst = fma(t, x-dst, dst): an exponential moving average with decay 1-t.
func Lerp[T Float](dst, x []T, t T) {
	dst = dst[:len(x)]
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kLerp(p32(dst[i:]), p32(x[i:]), float32(t), min(maxCall, len(x)-i))
		}
		return
	}
	for i, v := range x {
		dst[i] = canon(fma(t, v-dst[i], dst[i]))
	}
}

// ScaleAdd sets dst = fma(a, x, b*y).
func ScaleAdd[T Float](dst []T, a T, x []T, b T, y []T) {
	dst, y = dst[:len(x)], y[:len(x)]
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kScaleAdd(p32(dst[i:]), p32(x[i:]), p32(y[i:]), float32(a), float32(b), min(maxCall, len(x)-i))
		}
		return
	}
	for i, v := range x {
		dst[i] = canon(fma(a, v, mul(b, y[i])))
	}
}

// MulAdd sets dst = fma(a, b, c).
func MulAdd[T Float](dst, a, b, c []T) {
	dst, b, c = dst[:len(a)], b[:len(a)], c[:len(a)]
	if native[T](len(a)) {
		for i := 0; i < len(a); i += maxCall {
			kMulAdd(p32(dst[i:]), p32(a[i:]), p32(b[i:]), p32(c[i:]), min(maxCall, len(a)-i))
		}
		return
	}
	for i, v := range a {
		dst[i] = canon(fma(v, b[i], c[i]))
	}
}

// MulAddSiLU sets dst = silu(fma(a, b, c)): the bits of MulAdd followed by SiLU.
func MulAddSiLU[T Float](dst, a, b, c []T) {
	dst, b, c = dst[:len(a)], b[:len(a)], c[:len(a)]
	if native[T](len(a)) {
		for i := 0; i < len(a); i += maxCall {
			kMulAddSiLU(p32(dst[i:]), p32(a[i:]), p32(b[i:]), p32(c[i:]), min(maxCall, len(a)-i))
		}
		return
	}
	MulAdd(dst, a, b, c)
	Map(SiLU, dst, dst)
}

// AffineRows sets dst[r*C+c] = fma(x[r*C+c], scale[c], shift[c]). C is len(scale) = len(shift) and must
// divide len(x).
func AffineRows[T Float](dst, x, scale, shift []T) {
	affineRows(dst, x, scale, shift, false)
}

// AffineSiLURows is AffineRows followed by SiLU, in one pass and with the same bits.
func AffineSiLURows[T Float](dst, x, scale, shift []T) {
	affineRows(dst, x, scale, shift, true)
}

func affineRows[T Float](dst, x, scale, shift []T, silu bool) {
	var bufA, bufB [rowBuf]T
	if len(scale) < tileCut && len(x) > len(scale) {
		n := min(rowBuf, len(x))
		scale, shift = repeat(bufA[:n], scale), repeat(bufB[:n], shift)
	}
	for i := 0; i < len(x); i += len(scale) {
		n := min(len(scale), len(x)-i)
		if silu {
			MulAddSiLU(dst[i:i+n], x[i:i+n], scale[:n], shift[:n])
		} else {
			MulAdd(dst[i:i+n], x[i:i+n], scale[:n], shift[:n])
		}
	}
}
