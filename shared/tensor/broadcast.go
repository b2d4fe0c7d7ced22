package tensor

// strides are the distances in elements between neighbours along each axis of a shape; an axis along
// which elements repeat has 0.
type strides [MaxRank]int

// walk is a shape with the strides of up to three operands over it, reduced to the fewest axes: axes of
// size 1 are dropped and neighbours that every operand crosses evenly are joined. The elements of the
// shape itself lie in row-major order.
type walk struct {
	rank  int
	shape [MaxRank]int
	s     [3]strides
}

// walkOver reduces dst's shape and the operands' strides.
func walkOver(shape []int, ss ...*strides) walk {
	var w walk
	for ax, n := range shape {
		if n == 1 {
			continue
		}
		last := w.rank - 1
		join := last >= 0
		for k, s := range ss {
			join = join && w.s[k][last] == n*s[ax]
		}
		if !join {
			last = w.rank
			w.rank++
			w.shape[last] = 1
		}
		w.shape[last] *= n
		for k, s := range ss {
			w.s[k][last] = s[ax]
		}
	}
	if w.rank == 0 {
		w.rank, w.shape[0] = 1, 1
	}
	return w
}

// inner is the size of the last axis.
func (w *walk) inner() int { return w.shape[w.rank-1] }

// outer is the number of rows: runs of the last axis.
func (w *walk) outer() int { return product(w.shape[:w.rank-1]) }

// offset is where row r of operand k begins.
func (w *walk) offset(k, r int) int {
	off := 0
	for ax := w.rank - 2; ax >= 0; ax-- {
		off += r % w.shape[ax] * w.s[k][ax]
		r /= w.shape[ax]
	}
	return off
}

// broadcastStrides are x's strides over dst's shape. It panics if x does not broadcast to it.
func broadcastStrides(op string, dst, x *Tensor) strides {
	var s strides
	lead := int(dst.rank) - int(x.rank)
	if lead < 0 {
		panic(shapeError(op, "does not broadcast", dst, x))
	}
	n := 1
	for i := int(x.rank) - 1; i >= 0; i-- {
		switch {
		case x.shape[i] == dst.shape[lead+i]:
			if x.shape[i] != 1 {
				s[lead+i] = n
			}
		case x.shape[i] != 1:
			panic(shapeError(op, "does not broadcast", dst, x))
		}
		n *= x.shape[i]
	}
	return s
}

// checkBroadcast panics unless dst has the shape that its operands broadcast to, and if an operand that is
// repeated begins where dst begins.
func checkBroadcast(op string, dst *Tensor, xs ...*Tensor) {
	for _, x := range xs {
		if x.Len() != dst.Len() {
			apart(op, dst, x)
		}
	}
	for i := 1; i <= int(dst.rank); i++ {
		d := 1
		for _, x := range xs {
			if i <= int(x.rank) && x.shape[int(x.rank)-i] != 1 {
				d = x.shape[int(x.rank)-i]
			}
		}
		if d != dst.shape[int(dst.rank)-i] {
			panic(shapeError(op, "dst is larger than what the operands broadcast to", append([]*Tensor{dst}, xs...)...))
		}
	}
}

// BroadcastTo repeats x to dst's shape.
func BroadcastTo(dst, x *Tensor) {
	sameType("BroadcastTo", dst, x)
	s := broadcastStrides("BroadcastTo", dst, x)
	apart("BroadcastTo", dst, x)
	strided(dst, x, &s)
}

// strided sets the elements of dst to those of x at the strides s over dst's shape.
func strided(dst, x *Tensor, s *strides) {
	if dst.Len() == 0 {
		return
	}
	j := newJob()
	j.t[0], j.t[1] = dst, x
	j.w = walkOver(dst.Shape(), s)
	j.rows(dst.dtype, j.w.outer(), j.w.inner(), cheap, stridedLoop[float32], stridedLoop[float64])
}

func stridedLoop[T float](j *job, lo, hi int) {
	d, s, n := data[T](j.t[0]), data[T](j.t[1]), j.w.inner()
	step := j.w.s[0][j.w.rank-1]
	for r := lo; r < hi; r++ {
		row, at := d[r*n:(r+1)*n], j.w.offset(0, r)
		switch step {
		case 0:
			fill(row, s[at])
		case 1:
			copy(row, s[at:at+n])
		default:
			for i := range row {
				row[i] = s[at]
				at += step
			}
		}
	}
}

func fill[T float](dst []T, v T) {
	for i := range dst {
		dst[i] = v
	}
}
