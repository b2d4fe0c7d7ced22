package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// Reshape views x in another shape of equally many elements; one size may be -1 and is then computed.
// Nothing is copied.
func Reshape(x *Value, shape ...int) *Value {
	y := x.tape.record(OpReshape, x.tape.arena.View(x.Tensor, shape...), nil, x)
	y.owner = x.owner
	return y
}

// Permute reorders axes: axis i of the result is axis perm[i] of x.
func Permute(x *Value, perm ...int) *Value {
	s := shapeOf(x.Shape())
	for i, p := range perm {
		s.d[i] = x.Dim(p)
	}
	y := x.tape.record(OpPermute, x.tape.alloc(x.DType(), s.dims()...), nil, x)
	y.attr.shape = shapeOf(perm) // the kernel gets the tape's copy, so that perm stays off the heap
	tensor.Permute(y.Tensor, x.Tensor, y.attr.shape.dims()...)
	return y
}

// inverse is the permutation that undoes perm.
func inverse(perm []int) shape {
	s := shape{n: len(perm)}
	for i, p := range perm {
		s.d[p] = i
	}
	return s
}

// Concat joins values along an axis; the other sizes must agree. At most eight values.
func Concat(axis int, xs ...*Value) *Value {
	var ts [maxConcat]*tensor.Tensor
	if len(xs) == 0 || len(xs) > maxConcat {
		panic(&tensor.Error{Op: "Concat", Msg: "want one to eight values"})
	}
	t := shared(OpConcat, xs...)
	axis = axisOf(OpConcat, xs[0], axis)
	s := shapeOf(xs[0].Shape())
	s.d[axis] = 0
	for i, x := range xs {
		ts[i] = x.Tensor
		s.d[axis] += x.Dim(axis)
	}
	y := t.alloc(xs[0].DType(), s.dims()...)
	tensor.Concat(y, axis, ts[:len(xs)]...)
	return t.record(OpConcat, y, &attr{i: axis}, xs...)
}

const maxConcat = 8

// axisOf resolves a negative axis.
func axisOf(op Op, x *Value, axis int) int {
	if axis < 0 {
		axis += x.Rank()
	}
	if axis < 0 || axis >= x.Rank() {
		panic(&tensor.Error{Op: op.String(), Shapes: [][]int{x.Shape()}, Msg: "no such axis"})
	}
	return axis
}

// Slice takes n steps of x along an axis from start on.
func Slice(x *Value, axis, start, n int) *Value {
	axis = axisOf(OpSlice, x, axis)
	s := shapeOf(x.Shape())
	s.d[axis] = n
	y := x.tape.alloc(x.DType(), s.dims()...)
	tensor.Slice(y, x.Tensor, axis, start)
	return x.tape.record(OpSlice, y, &attr{i: axis, j: start}, x)
}

// PadInto is zero but for x, which lies along the axis from start on; size is the result's length along
// the axis. It is the adjoint of Slice.
func PadInto(x *Value, axis, start, size int) *Value {
	axis = axisOf(OpPadInto, x, axis)
	s := shapeOf(x.Shape())
	s.d[axis] = size
	y := x.tape.alloc(x.DType(), s.dims()...)
	tensor.PadInto(y, x.Tensor, axis, start)
	return x.tape.record(OpPadInto, y, &attr{i: axis, j: start}, x)
}

// Embedding takes rows of table [V, D]: [len(ids), D]. The ids are kept, not copied, and must not change
// before the last use of the tape; each lies in [0, V).
func Embedding(table *Value, ids []int32) *Value {
	_, d := table.Dims2()
	y := table.tape.alloc(table.DType(), len(ids), d)
	tensor.Gather(y, table.Tensor, ids)
	return table.tape.record(OpGather, y, &attr{ids: ids}, table)
}

// ScatterAdd is the adjoint of Embedding: [v, D], zero plus the rows of src [R, D] at their ids, added
// in ascending order of the rows.
func ScatterAdd(src *Value, ids []int32, v int) *Value {
	y := src.tape.alloc(src.DType(), v, src.Dim(-1))
	tensor.ScatterAdd(y, ids, src.Tensor)
	return src.tape.record(OpScatterAdd, y, &attr{ids: ids}, src)
}

// UpsampleNearest2 repeats every pixel two by two: [N, H, W, C] -> [N, 2H, 2W, C].
func UpsampleNearest2(x *Value) *Value {
	n, h, w, c := x.Dims4()
	return resample(OpUpsampleNearest2, tensor.UpsampleNearest2, x, n, 2*h, 2*w, c)
}

// SumPool2 adds pixels two by two: [N, 2H, 2W, C] -> [N, H, W, C].
func SumPool2(x *Value) *Value {
	n, h, w, c := x.Dims4()
	return resample(OpSumPool2, tensor.SumPool2, x, n, h/2, w/2, c)
}

// AvgPool2 averages pixels two by two: [N, 2H, 2W, C] -> [N, H, W, C].
func AvgPool2(x *Value) *Value { return Scale(SumPool2(x), 0.25) }

// MaxPool2 is the largest of pixels two by two: [N, 2H, 2W, C] -> [N, H, W, C]. The gradient goes to the
// first of the four that is largest.
func MaxPool2(x *Value) *Value {
	n, h, w, c := x.Dims4()
	return resample(OpMaxPool2, tensor.MaxPool2, x, n, h/2, w/2, c)
}

// MaxPool2Grad is the derivative of MaxPool2 at x: dy [N, H, W, C] goes to where the largest pixels were.
func MaxPool2Grad(x, dy *Value) *Value {
	t := shared(OpMaxPool2Grad, x, dy)
	dx := x.like()
	tensor.MaxPool2Grad(dx, x.Tensor, dy.Tensor)
	return t.record(OpMaxPool2Grad, dx, nil, x, dy)
}

// SpaceToDepth2 turns blocks of two by two pixels into channels, in the order (row, column, channel):
// [N, 2H, 2W, C] -> [N, H, W, 4C].
func SpaceToDepth2(x *Value) *Value {
	n, h, w, c := x.Dims4()
	return resample(OpSpaceToDepth2, tensor.SpaceToDepth2, x, n, h/2, w/2, 4*c)
}

// DepthToSpace2 is the inverse of SpaceToDepth2: [N, H, W, 4C] -> [N, 2H, 2W, C].
func DepthToSpace2(x *Value) *Value {
	n, h, w, c := x.Dims4()
	return resample(OpDepthToSpace2, tensor.DepthToSpace2, x, n, 2*h, 2*w, c/4)
}

func resample(op Op, f func(dst, x *tensor.Tensor), x *Value, shape ...int) *Value {
	y := x.tape.alloc(x.DType(), shape...)
	f(y, x.Tensor)
	return x.tape.record(op, y, nil, x)
}
