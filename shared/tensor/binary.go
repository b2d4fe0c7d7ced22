package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// Add is a+b with broadcasting: sizes are aligned at the last axis, and a missing axis or one of size
// 1 is repeated. dst has the broadcast shape and may be an operand of that shape. All binary
// operations share these rules.
func Add(dst, a, b *Tensor) { binary("Add", vec.Add, dst, a, b) }

// Sub is a-b.
func Sub(dst, a, b *Tensor) { binary("Sub", vec.Sub, dst, a, b) }

// Mul is a*b.
func Mul(dst, a, b *Tensor) { binary("Mul", vec.Mul, dst, a, b) }

// Div is a/b by IEEE division.
func Div(dst, a, b *Tensor) { binary("Div", vec.Div, dst, a, b) }

// Maximum is the larger element; NaN if either is NaN; +0 is larger than -0.
func Maximum(dst, a, b *Tensor) { binary("Maximum", vec.Maximum, dst, a, b) }

// Minimum is the smaller element; NaN if either is NaN; -0 is smaller than +0.
func Minimum(dst, a, b *Tensor) { binary("Minimum", vec.Minimum, dst, a, b) }

// Greater is 1 where a > b and 0 elsewhere, also where either is NaN.
func Greater(dst, a, b *Tensor) { binary("Greater", vec.Greater, dst, a, b) }

// binary runs op over broadcast operands.
func binary(name string, op vec.Binary, dst, a, b *Tensor) {
	sameType(name, dst, a, b)
	sa, sb := broadcastStrides(name, dst, a), broadcastStrides(name, dst, b)
	checkBroadcast(name, dst, a, b)
	if dst.Len() == 0 {
		return
	}
	j := newJob()
	j.t[0], j.t[1], j.t[2], j.i[0] = dst, a, b, int(op)
	j.w = walkOver(dst.Shape(), &sa, &sb)
	if j.w.rank == 1 {
		j.elements(dst.dtype, dst.Len(), cheap, binaryFlat[float32], binaryFlat[float64])
		return
	}
	j.rows(dst.dtype, j.w.outer(), j.w.inner(), cheap, binaryRows[float32], binaryRows[float64])
}

// binaryFlat is the loop where the walk has one axis: equal shapes, or one operand is a scalar.
func binaryFlat[T float](j *job, lo, hi int) {
	sa, sb := j.w.s[0][0], j.w.s[1][0]
	zip(vec.Binary(j.i[0]), data[T](j.t[0])[lo:hi], data[T](j.t[1]), data[T](j.t[2]), lo*sa, lo*sb, sa, sb)
}

// binaryRows is the loop over rows of the walk. Consecutive rows against one repeated row, a bias, go to
// the kernel together.
func binaryRows[T float](j *job, lo, hi int) {
	op, w := vec.Binary(j.i[0]), &j.w
	d, a, b, n := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), w.inner()
	last := w.rank - 1
	biasB := w.s[0][last] == 1 && w.s[0][last-1] == n && w.s[1][last] == 1 && w.s[1][last-1] == 0
	biasA := w.s[1][last] == 1 && w.s[1][last-1] == n && w.s[0][last] == 1 && w.s[0][last-1] == 0
	for r := lo; r < hi; {
		oa, ob := w.offset(0, r), w.offset(1, r)
		k := min(hi, (r/w.shape[last-1]+1)*w.shape[last-1]) - r
		switch {
		case biasB:
			vec.ZipRow(op, d[r*n:(r+k)*n], a[oa:oa+k*n], b[ob:ob+n], false)
			r += k
		case biasA:
			vec.ZipRow(op, d[r*n:(r+k)*n], b[ob:ob+k*n], a[oa:oa+n], true)
			r += k
		default:
			zip(op, d[r*n:(r+1)*n], a, b, oa, ob, w.s[0][last], w.s[1][last])
			r++
		}
	}
}

// zip runs op over one row whose operands begin at oa and ob and have strides of 0 or 1.
func zip[T float](op vec.Binary, d, a, b []T, oa, ob, sa, sb int) {
	n := len(d)
	switch {
	case sa != 0 && sb != 0:
		vec.Zip(op, d, a[oa:oa+n], b[ob:ob+n])
	case sa != 0:
		vec.ZipScalar(op, d, a[oa:oa+n], b[ob], false)
	case sb != 0:
		vec.ZipScalar(op, d, b[ob:ob+n], a[oa], true)
	default: // one element
		vec.Zip(op, d, a[oa:oa+1], b[ob:ob+1])
	}
}

// Where is a where cond is not zero (NaN counts as not zero) and b elsewhere, with broadcasting. It
// moves bits.
func Where(dst, cond, a, b *Tensor) {
	sameType("Where", dst, cond, a, b)
	sc := broadcastStrides("Where", dst, cond)
	sa, sb := broadcastStrides("Where", dst, a), broadcastStrides("Where", dst, b)
	checkBroadcast("Where", dst, cond, a, b)
	if dst.Len() == 0 {
		return
	}
	j := newJob()
	j.t[0], j.t[1], j.t[2], j.t[3] = dst, cond, a, b
	j.w = walkOver(dst.Shape(), &sc, &sa, &sb)
	j.rows(dst.dtype, j.w.outer(), j.w.inner(), cheap, whereLoop[float32], whereLoop[float64])
}

func whereLoop[T float](j *job, lo, hi int) {
	d, c, a, b := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), data[T](j.t[3])
	w, n, last := &j.w, j.w.inner(), j.w.rank-1
	sc, sa, sb := w.s[0][last], w.s[1][last], w.s[2][last]
	for r := lo; r < hi; r++ {
		row, oc, oa, ob := d[r*n:(r+1)*n], w.offset(0, r), w.offset(1, r), w.offset(2, r)
		if sc == 1 && sa == 1 && sb == 1 {
			vec.Where(row, c[oc:oc+n], a[oa:oa+n], b[ob:ob+n])
			continue
		}
		for i := range row {
			if c[oc+i*sc] != 0 {
				row[i] = a[oa+i*sa]
			} else {
				row[i] = b[ob+i*sb]
			}
		}
	}
}
