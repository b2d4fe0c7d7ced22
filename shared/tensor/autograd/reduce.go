package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// Sum adds x over the given axes and removes them; negative axes count from the end, no axes means all.
func Sum(x *Value, axes ...int) *Value {
	kept, removed := reduced(x, axes)
	y := x.tape.alloc(x.DType(), removed.dims()...)
	tensor.Sum(y, x.Tensor, axes...)
	return x.tape.record(OpSum, y, &attr{shape: kept}, x)
}

// Mean is Sum divided by the number of elements added to each other.
func Mean(x *Value, axes ...int) *Value {
	s := Sum(x, axes...)
	return Scale(s, float64(s.Len())/float64(max(x.Len(), 1)))
}

// reduced returns x's shape with the axes of size 1, and without them.
func reduced(x *Value, axes []int) (kept, removed shape) {
	var gone [tensor.MaxRank]bool
	for _, a := range axes {
		if a < 0 {
			a += x.Rank()
		}
		if a < 0 || a >= x.Rank() {
			panic(&tensor.Error{Op: "Sum", Shapes: [][]int{x.Shape()}, Msg: "no such axis"})
		}
		gone[a] = true
	}
	kept = shapeOf(x.Shape())
	for i, d := range x.Shape() {
		if gone[i] || len(axes) == 0 {
			kept.d[i] = 1
			continue
		}
		removed.d[removed.n] = d
		removed.n++
	}
	return kept, removed
}

// sumKeep is Sum that leaves the axes with size 1, so that the result broadcasts against x.
func sumKeep(x *Value, axes ...int) *Value {
	kept, _ := reduced(x, axes)
	return SumTo(x, kept.dims()...)
}

// meanKeep is sumKeep divided by the number of elements added to each other.
func meanKeep(x *Value, axes ...int) *Value {
	s := sumKeep(x, axes...)
	return Scale(s, float64(s.Len())/float64(max(x.Len(), 1)))
}

// SumTo adds x over the axes along which a tensor of the given shape would be repeated to x's shape. It
// is the adjoint of BroadcastTo.
func SumTo(x *Value, shape ...int) *Value {
	y := x.tape.result(x.DType(), shape...)
	tensor.SumTo(y, x.Tensor)
	return x.tape.record(OpSumTo, y, nil, x)
}

// BroadcastTo repeats x to the given shape by the rules of Add.
func BroadcastTo(x *Value, shape ...int) *Value {
	y := x.tape.alloc(x.DType(), shape...)
	tensor.BroadcastTo(y, x.Tensor)
	return x.tape.record(OpBroadcastTo, y, nil, x)
}

// MaxAlong is the largest element along one axis, which keeps size 1. Where several are largest, they
// share the gradient equally.
func MaxAlong(x *Value, axis int) *Value {
	if axis < 0 {
		axis += x.Rank()
	}
	kept, _ := reduced(x, []int{axis})
	y := x.tape.alloc(x.DType(), kept.dims()...)
	tensor.MaxAlong(y, x.Tensor, axis)
	return x.tape.record(OpMaxAlong, y, &attr{i: axis}, x)
}

// Softmax is exp(x)/sum(exp(x)) over the last axis.
func Softmax(x *Value) *Value { return unary(OpSoftmax, tensor.Softmax, x) }

// LogSoftmax is x-log(sum(exp(x))) over the last axis.
func LogSoftmax(x *Value) *Value { return unary(OpLogSoftmax, tensor.LogSoftmax, x) }

// SoftmaxGrad is the derivative of Softmax from its result y: y*(dy-sum(y*dy)), fused.
func SoftmaxGrad(y, dy *Value) *Value {
	t := shared(OpSoftmaxGrad, y, dy)
	dx := y.like()
	tensor.SoftmaxGrad(dx, y.Tensor, dy.Tensor)
	return t.record(OpSoftmaxGrad, dx, nil, y, dy)
}

// LogSoftmaxGrad is the derivative of LogSoftmax from its result y: dy-exp(y)*sum(dy), fused.
func LogSoftmaxGrad(y, dy *Value) *Value {
	t := shared(OpLogSoftmaxGrad, y, dy)
	dx := y.like()
	tensor.LogSoftmaxGrad(dx, y.Tensor, dy.Tensor)
	return t.record(OpLogSoftmaxGrad, dx, nil, y, dy)
}
