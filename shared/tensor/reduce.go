package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// Blocks of long sums. Both are part of the order of Sum.
const (
	sumBlock = 4096 // elements of a contiguous sum
	rowBlock = 1024 // rows of a sum down columns
)

// Sum adds x over the given axes; no axes means all of them. dst has these axes with size 1, or
// without them. An empty sum is 0.
//
// Order: neighbouring axes are joined, and runs of reduced axes are added one after the other from the
// last to the first. A run that ends at the last axis is contiguous: blocks of 4096 elements are added in
// 16 lanes (lane l takes l, l+16, ...) and a tree 8, 4, 2, 1; the block sums are added the same way
// until one is left. A run before kept axes is added down columns: blocks of 1024 rows in 4 phases
// (phase p takes rows p, p+4, ...; (p0+p2) + (p1+p3)); block sums ascend, from the first one on.
func Sum(dst, x *Tensor, axes ...int) {
	red := reducedAxes("Sum", dst, x, axes)
	sumAxes(dst, x, &red)
}

// Mean is Sum divided by the number of elements added.
func Mean(dst, x *Tensor, axes ...int) {
	red := reducedAxes("Mean", dst, x, axes)
	n := 1
	for i, r := range red[:x.rank] {
		if r {
			n *= x.shape[i]
		}
	}
	sumAxes(dst, x, &red)
	withScalar("Mean", vec.Div, dst, dst, float64(n))
}

// SumTo is the adjoint of BroadcastTo: it adds x over the axes along which dst would be repeated, in the
// order of Sum.
func SumTo(dst, x *Tensor) {
	sameType("SumTo", dst, x)
	broadcastStrides("SumTo", x, dst)
	var red [MaxRank]bool
	lead := int(x.rank) - int(dst.rank)
	for i := range x.Shape() {
		red[i] = i < lead || (dst.shape[i-lead] == 1 && x.shape[i] != 1)
	}
	sumAxes(dst, x, &red)
}

// reducedAxes checks dst against x without the axes, or with them of size 1, and marks them.
func reducedAxes(op string, dst, x *Tensor, axes []int) [MaxRank]bool {
	sameType(op, dst, x)
	var red [MaxRank]bool
	for _, a := range axes {
		red[axisOf(op, x, a)] = true
	}
	if len(axes) == 0 {
		for i := range x.Shape() {
			red[i] = true
		}
	}
	var removed, kept [MaxRank]int
	n := 0
	for i, d := range x.Shape() {
		kept[i] = 1
		if !red[i] {
			kept[i], removed[n] = d, d
			n++
		}
	}
	if !(dst.rank == x.rank && dst.shape == kept) && !(int(dst.rank) == n && dst.shape == removed) {
		panic(shapeError(op, "dst must be x's shape with the reduced axes removed or of size 1", dst, x))
	}
	return red
}

// run is a maximal stretch of axes that are all reduced or all kept.
type run struct {
	n       int
	reduced bool
}

// sumAxes adds x over the marked axes.
func sumAxes(dst, x *Tensor, red *[MaxRank]bool) {
	var rs [MaxRank + 1]run
	k := 0
	for i, d := range x.Shape() {
		if d == 1 {
			continue
		}
		if k == 0 || rs[k-1].reduced != red[i] {
			rs[k] = run{1, red[i]}
			k++
		}
		rs[k-1].n *= d
	}
	if x.dtype == Float64 {
		sumRuns(dst.f64, x.f64, rs[:k])
		return
	}
	sumRuns(dst.f32, x.f32, rs[:k])
}

// sumRuns reduces the runs from the last to the first, through scratch but for the last step.
func sumRuns[T float](dst, x []T, rs []run) {
	if len(x) == 0 {
		clear(dst)
		return
	}
	inner := 1
	for i := len(rs) - 1; i >= 0; i-- {
		r := rs[i]
		if !r.reduced {
			inner *= r.n
			continue
		}
		outer, left := 1, false
		for _, q := range rs[:i] {
			outer *= q.n
			left = left || q.reduced
		}
		if !left {
			sumRun(dst, x, outer, r.n, inner)
			return
		}
		b, y := scratch[T](outer * inner)
		defer b.release()
		sumRun(y, x, outer, r.n, inner)
		x = y
	}
	copy(dst, x)
}

// sumRun adds the middle axis of x [outer, n, inner] into dst [outer, inner].
func sumRun[T float](dst, x []T, outer, n, inner int) {
	if inner == 1 {
		sumRows(dst, x, outer, n)
		return
	}
	blocks := (n + rowBlock - 1) / rowBlock
	if blocks == 1 {
		sumColumns(dst, x, outer, n, inner, 1)
		return
	}
	b, part := scratch[T](outer * blocks * inner)
	defer b.release()
	sumColumns(part, x, outer, n, inner, blocks)
	for o := range outer {
		d := dst[o*inner : (o+1)*inner]
		p := part[o*blocks*inner : (o+1)*blocks*inner]
		copy(d, p)
		vec.SumRows(d, p[inner:], blocks-1, inner)
	}
}

// sumRows adds each row of x [outer, n] into dst [outer].
func sumRows[T float](dst, x []T, outer, n int) {
	if n <= sumBlock {
		j := newJob()
		dt := wrap(j, dst, x)
		j.i[0] = n
		j.rows(dt, outer, n, cheap, sumRowLoop[float32], sumRowLoop[float64])
		return
	}
	blocks := (n + sumBlock - 1) / sumBlock
	b, part := scratch[T](outer * blocks)
	defer b.release()
	j := newJob()
	dt := wrap(j, part, x)
	j.i[0], j.i[1] = n, blocks
	j.rows(dt, outer*blocks, sumBlock, cheap, sumBlockLoop[float32], sumBlockLoop[float64])
	sumRows(dst, part, outer, blocks)
}

// wrap puts slices into the job's own headers and returns their type.
func wrap[T float](j *job, ss ...[]T) DType {
	for i, s := range ss {
		switch v := any(s).(type) {
		case []float32:
			j.own[i].f32 = v
		case []float64:
			j.own[i].f64 = v
		}
	}
	return dtypeOf[T]()
}

func sumRowLoop[T float](j *job, lo, hi int) {
	d, x, n := data[T](&j.own[0]), data[T](&j.own[1]), j.i[0]
	for r := lo; r < hi; r++ {
		d[r] = vec.Sum(x[r*n : (r+1)*n])
	}
}

func sumBlockLoop[T float](j *job, lo, hi int) {
	d, x, n, blocks := data[T](&j.own[0]), data[T](&j.own[1]), j.i[0], j.i[1]
	for r := lo; r < hi; r++ {
		from := r % blocks * sumBlock
		row := x[r/blocks*n : (r/blocks+1)*n]
		d[r] = vec.Sum(row[from:min(from+sumBlock, n)])
	}
}

// columnPiece is how many columns one piece of work takes at most where there are too few rows to share.
const columnPiece = 256

// sumColumns adds blocks of rows of x [outer, n, inner] down columns into dst [outer, blocks, inner].
func sumColumns[T float](dst, x []T, outer, n, inner, blocks int) {
	j := newJob()
	dt := wrap(j, dst, x)
	pieces := (inner + columnPiece - 1) / columnPiece
	j.i = [8]int{n, inner, blocks, pieces}
	cost := min(n, rowBlock) * min(inner, columnPiece)
	j.rows(dt, outer*blocks*pieces, cost, cheap, sumColumnLoop[float32], sumColumnLoop[float64])
}

func sumColumnLoop[T float](j *job, lo, hi int) {
	d, x := data[T](&j.own[0]), data[T](&j.own[1])
	n, inner, blocks, pieces := j.i[0], j.i[1], j.i[2], j.i[3]
	for u := lo; u < hi; u++ {
		b, c := u/pieces, u%pieces*columnPiece
		from := b % blocks * rowBlock
		row := (b/blocks*n + from) * inner
		vec.ColSums(d[b*inner+c:b*inner+min(c+columnPiece, inner)], x[row+c:], min(rowBlock, n-from), inner)
	}
}

// MaxAlong is the largest element along one axis, which dst lacks or has with size 1; NaN if any
// element is NaN; +0 is larger than -0. The axis must not be empty.
func MaxAlong(dst, x *Tensor, axis int) {
	axis = axisOf("MaxAlong", x, axis)
	one := [1]int{axis}
	reducedAxes("MaxAlong", dst, x, one[:])
	if x.shape[axis] == 0 {
		panic(shapeError("MaxAlong", "the axis is empty", x))
	}
	j := newJob()
	j.t[0], j.t[1] = dst, x
	j.i = [8]int{x.shape[axis], product(x.shape[axis+1 : x.rank])}
	j.rows(x.dtype, product(x.shape[:axis]), j.i[0]*j.i[1], cheap, maxLoop[float32], maxLoop[float64])
}

func maxLoop[T float](j *job, lo, hi int) {
	d, x, n, inner := data[T](j.t[0]), data[T](j.t[1]), j.i[0], j.i[1]
	for o := lo; o < hi; o++ {
		from := x[o*n*inner : (o+1)*n*inner]
		if inner == 1 {
			d[o] = vec.Max(from)
			continue
		}
		row := d[o*inner : (o+1)*inner]
		vec.Zip(vec.Maximum, row, from[:inner], from[:inner])
		for k := 1; k < n; k++ {
			vec.Zip(vec.Maximum, row, row, from[k*inner:(k+1)*inner])
		}
	}
}

// SumSquares is the sum of the squares of x's elements: blocks of 4096 by fused multiply-adds in 16
// lanes and a tree 8, 4, 2, 1 in x's type, the block sums added ascending in float64.
func SumSquares(x *Tensor) float64 {
	if x.dtype == Float64 {
		return sumSquares(x.f64)
	}
	return sumSquares(x.f32)
}

func sumSquares[T float](x []T) float64 {
	blocks := (len(x) + sumBlock - 1) / sumBlock
	b, part := scratch[T](blocks)
	defer b.release()
	j := newJob()
	dt := wrap(j, part, x)
	j.rows(dt, blocks, sumBlock, cheap, squaresLoop[float32], squaresLoop[float64])
	var s float64
	for _, v := range part {
		s += float64(v)
	}
	return s
}

func squaresLoop[T float](j *job, lo, hi int) {
	d, x := data[T](&j.own[0]), data[T](&j.own[1])
	for b := lo; b < hi; b++ {
		d[b] = vec.SumSquares(x[b*sumBlock : min((b+1)*sumBlock, len(x))])
	}
}
