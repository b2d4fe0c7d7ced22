package tensor

import (
	"fmt"
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// Permute reorders axes: axis i of dst is axis perm[i] of x.
func Permute(dst, x *Tensor, perm ...int) {
	sameType("Permute", dst, x)
	var src, s strides
	var seen [MaxRank]bool
	n := 1
	for i := int(x.rank) - 1; i >= 0; i-- {
		src[i] = n
		n *= x.shape[i]
	}
	ok := len(perm) == int(x.rank) && dst.rank == x.rank
	for i, p := range perm {
		ok = ok && p >= 0 && p < int(x.rank) && !seen[p] && dst.shape[i] == x.shape[p]
		if !ok {
			break
		}
		seen[p] = true
		s[i] = src[p]
	}
	if !ok {
		msg := fmt.Sprintf("%v must name every axis of x once and give dst", slices.Clone(perm))
		panic(shapeError("Permute", msg, dst, x))
	}
	apart("Permute", dst, x)
	strided(dst, x, &s)
}

// Concat joins tensors along an axis.
func Concat(dst *Tensor, axis int, xs ...*Tensor) {
	axis = axisOf("Concat", dst, axis)
	at := 0
	for _, x := range xs {
		alongAxis("Concat", dst, x, axis)
		at += x.shape[axis]
	}
	if at != dst.shape[axis] {
		msg := fmt.Sprintf("the parts have %d along axis %d", at, axis)
		panic(shapeError("Concat", msg, append([]*Tensor{dst}, xs...)...))
	}
	at = 0
	for _, x := range xs {
		copyAlong(dst, x, axis, at, 0, x.shape[axis])
		at += x.shape[axis]
	}
}

// Slice takes dst's length of x along an axis from start on.
func Slice(dst, x *Tensor, axis, start int) {
	axis = axisOf("Slice", dst, axis)
	alongAxis("Slice", dst, x, axis)
	if start < 0 || start+dst.shape[axis] > x.shape[axis] {
		panic(shapeError("Slice", fmt.Sprintf("start %d is out of range", start), dst, x))
	}
	copyAlong(dst, x, axis, 0, start, dst.shape[axis])
}

// PadInto is the adjoint of Slice: dst is zero but for x, which lies along the axis from start on.
func PadInto(dst, x *Tensor, axis, start int) {
	axis = axisOf("PadInto", dst, axis)
	alongAxis("PadInto", dst, x, axis)
	if start < 0 || start+x.shape[axis] > dst.shape[axis] {
		panic(shapeError("PadInto", fmt.Sprintf("start %d is out of range", start), dst, x))
	}
	dst.Zero()
	copyAlong(dst, x, axis, start, 0, x.shape[axis])
}

// alongAxis panics unless both shapes agree but for one axis.
func alongAxis(op string, dst, x *Tensor, axis int) {
	sameType(op, dst, x)
	apart(op, dst, x)
	ok := dst.rank == x.rank
	for i := range dst.Shape() {
		ok = ok && (i == axis || dst.shape[i] == x.shape[i])
	}
	if !ok {
		panic(shapeError(op, fmt.Sprintf("shapes must agree but for axis %d", axis), dst, x))
	}
}

// copyAlong copies n steps along the axis, from x at index "from" to dst at index "to".
func copyAlong(dst, x *Tensor, axis, to, from, n int) {
	inner := product(dst.shape[axis+1 : dst.rank])
	j := newJob()
	j.t[0], j.t[1] = dst, x
	j.i = [8]int{dst.shape[axis] * inner, x.shape[axis] * inner, to * inner, from * inner, n * inner}
	j.rows(dst.dtype, product(dst.shape[:axis]), n*inner, cheap, copyLoop[float32], copyLoop[float64])
}

func copyLoop[T float](j *job, lo, hi int) {
	d, s := data[T](j.t[0]), data[T](j.t[1])
	ld, ls, to, from, n := j.i[0], j.i[1], j.i[2], j.i[3], j.i[4]
	for o := lo; o < hi; o++ {
		copy(d[o*ld+to:o*ld+to+n], s[o*ls+from:o*ls+from+n])
	}
}

// Gather takes rows of a table: dst [.., D] with as many rows as there are ids, table [V, D]. An id
// outside 0..V-1 panics.
func Gather(dst, table *Tensor, ids []int32) {
	d := gatherShape("Gather", dst, table, ids)
	j := newJob()
	j.t[0], j.t[1], j.ids, j.i[0] = dst, table, ids, d
	j.rows(dst.dtype, len(ids), d, cheap, gatherLoop[float32], gatherLoop[float64])
}

func gatherLoop[T float](j *job, lo, hi int) {
	dst, table, d := data[T](j.t[0]), data[T](j.t[1]), j.i[0]
	for r := lo; r < hi; r++ {
		from := int(j.ids[r]) * d
		copy(dst[r*d:(r+1)*d], table[from:from+d])
	}
}

// ScatterAdd is the adjoint of Gather: dst [V, D] is zero plus the rows of src [.., D] at their ids, added
// in ascending order of the rows of src.
func ScatterAdd(dst *Tensor, ids []int32, src *Tensor) {
	d := gatherShape("ScatterAdd", src, dst, ids)
	j := newJob()
	j.t[0], j.t[1], j.ids, j.i[0] = dst, src, ids, d
	// One unit is 16 columns of the whole table: rows that share an id meet in one thread.
	cost := 16 * (dst.shape[0] + len(ids))
	j.run(dst.dtype, (d+15)/16, cheap/max(cost, 1), maxPiece/max(cost, 1), scatterLoop[float32], scatterLoop[float64])
}

func scatterLoop[T float](j *job, lo, hi int) {
	dst, src, d := data[T](j.t[0]), data[T](j.t[1]), j.i[0]
	lo, hi = lo*16, min(hi*16, d)
	for at := lo; at < len(dst); at += d {
		clear(dst[at : at+hi-lo])
	}
	for r, id := range j.ids {
		row := dst[int(id)*d+lo : int(id)*d+hi]
		vec.Zip(vec.Add, row, row, src[r*d+lo:r*d+hi])
	}
}

// gatherShape checks rows [.., D] against a table [V, D] and the ids, and returns D.
func gatherShape(op string, rowsOf, table *Tensor, ids []int32) int {
	sameType(op, rowsOf, table)
	apart(op, rowsOf, table)
	if table.rank != 2 || rowsOf.rank < 1 || rowsOf.Dim(-1) != table.shape[1] ||
		product(rowsOf.shape[:rowsOf.rank-1]) != len(ids) {
		panic(shapeError(op, fmt.Sprintf("want [.., D] with %d rows and a table [V, D]", len(ids)), rowsOf, table))
	}
	for _, id := range ids {
		if id < 0 || int(id) >= table.shape[0] {
			panic(shapeError(op, fmt.Sprintf("id %d is outside 0..%d", id, table.shape[0]-1), table))
		}
	}
	return table.shape[1]
}
