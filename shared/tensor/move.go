package tensor

import "fmt"

// Permute reorders axes: axis i of dst is axis perm[i] of x.
func Permute(dst, x *Tensor, perm ...int) {
	sameType("Permute", dst, x)
	var src strides
	var seen [MaxRank]bool
	n := 1
	for i := int(x.rank) - 1; i >= 0; i-- {
		src[i] = n
		n *= x.shape[i]
	}
	if len(perm) != int(x.rank) || dst.rank != x.rank {
		panic(shapeError("Permute", fmt.Sprintf("perm %v must name every axis once", perm), dst, x))
	}
	var s strides
	for i, p := range perm {
		if p < 0 || p >= int(x.rank) || seen[p] || dst.shape[i] != x.shape[p] {
			panic(shapeError("Permute", fmt.Sprintf("perm %v must name every axis once and give dst", perm), dst, x))
		}
		seen[p] = true
		s[i] = src[p]
	}
	if dst.dtype == Float64 {
		walk3(dst, s, s, func(i, j, _ int) { dst.f64[i] = x.f64[j] })
		return
	}
	walk3(dst, s, s, func(i, j, _ int) { dst.f32[i] = x.f32[j] })
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
		panic(shapeError("Concat", fmt.Sprintf("the parts have %d along axis %d", at, axis), append([]*Tensor{dst}, xs...)...))
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
	if dst.dtype == Float64 {
		copyBlocks(dst.f64, x.f64, dst, x, axis, to, from, n)
		return
	}
	copyBlocks(dst.f32, x.f32, dst, x, axis, to, from, n)
}

func copyBlocks[T float](d, s []T, dst, x *Tensor, axis, to, from, n int) {
	inner := product(dst.shape[axis+1 : dst.rank])
	ld, ls := dst.shape[axis]*inner, x.shape[axis]*inner
	for o := range product(dst.shape[:axis]) {
		copy(d[o*ld+to*inner:o*ld+(to+n)*inner], s[o*ls+from*inner:])
	}
}

// Gather takes rows of a table: dst [.., D] with as many rows as there are ids, table [V, D].
func Gather(dst, table *Tensor, ids []int32) {
	v, d := gatherShape("Gather", dst, table, ids)
	for i, id := range ids {
		checkID("Gather", table, id, v)
		if dst.dtype == Float64 {
			copy(dst.f64[i*d:(i+1)*d], table.f64[int(id)*d:])
		} else {
			copy(dst.f32[i*d:(i+1)*d], table.f32[int(id)*d:])
		}
	}
}

// ScatterAdd is the adjoint of Gather: dst [V, D] is zero plus the rows of src at their ids, added in
// ascending order of the rows of src.
func ScatterAdd(dst *Tensor, ids []int32, src *Tensor) {
	v, d := gatherShape("ScatterAdd", src, dst, ids)
	for _, id := range ids {
		checkID("ScatterAdd", dst, id, v)
	}
	dst.Zero()
	for i, id := range ids {
		if dst.dtype == Float64 {
			row := dst.f64[int(id)*d : (int(id)+1)*d]
			zip(opAdd, row, row, src.f64[i*d:])
		} else {
			row := dst.f32[int(id)*d : (int(id)+1)*d]
			zip(opAdd, row, row, src.f32[i*d:])
		}
	}
}

func gatherShape(op string, rowsOf, table *Tensor, ids []int32) (v, d int) {
	sameType(op, rowsOf, table)
	if table.rank != 2 || rowsOf.rank < 1 || rowsOf.Dim(-1) != table.shape[1] ||
		product(rowsOf.shape[:rowsOf.rank-1]) != len(ids) {
		panic(shapeError(op, fmt.Sprintf("want [.., D] with %d rows and a table [V, D]", len(ids)), rowsOf, table))
	}
	return table.shape[0], table.shape[1]
}

func checkID(op string, table *Tensor, id int32, v int) {
	if id < 0 || int(id) >= v {
		panic(shapeError(op, fmt.Sprintf("id %d is outside 0..%d", id, v-1), table))
	}
}
