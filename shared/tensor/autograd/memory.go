package autograd

import (
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// bufferKind is what a recycled buffer must have in common with the tensor wanted.
type bufferKind struct {
	dtype tensor.DType
	n     int
}

// alloc returns a tensor whose elements are not set: a recycled buffer of the same size, or new memory
// of the arena.
func (t *Tape) alloc(d tensor.DType, shape ...int) *tensor.Tensor {
	n := 1
	for _, s := range shape {
		n *= s
	}
	k := bufferKind{d, n}
	if l := t.free[k]; len(l) > 0 {
		x := l[len(l)-1]
		t.free[k] = l[:len(l)-1]
		t.grow(x)
		return t.arena.View(x, shape...)
	}
	x := t.arena.New(d, shape...)
	t.grow(x)
	return x
}

// result is alloc for an operation that is the last of a derivative's row: the gradient goes where it is wanted.
func (t *Tape) result(d tensor.DType, shape ...int) *tensor.Tensor {
	if x := t.dest; x != nil && x.DType() == d && slices.Equal(x.Shape(), shape) {
		t.dest, t.taken = nil, x
		return x
	}
	return t.alloc(d, shape...)
}

// like allocates a tensor of v's type and shape.
func (v *Value) like() *tensor.Tensor { return v.tape.alloc(v.DType(), v.Shape()...) }

// recycle makes v's buffer available to the next alloc of its size.
func (t *Tape) recycle(v *Value) {
	if v.freed || v.owner != v || v.Len() == 0 {
		return
	}
	v.freed = true
	t.reuse(v.Tensor)
}

// reuse makes a tensor that no value shows available to the next alloc of its size.
func (t *Tape) reuse(x *tensor.Tensor) {
	if x.Len() > 0 {
		t.shrink(x)
		k := bufferKind{x.DType(), x.Len()}
		t.free[k] = append(t.free[k], x)
	}
}

// Done tells the tape that the forward pass will not read the values, and all that share their buffers by Reshape,
// again. Buffers that no derivative reads either serve later operations at once: on an inference tape all of them, so
// that activations stay in cache and memory stays near that of one layer. It ignores leaves.
func (t *Tape) Done(vs ...*Value) {
	for _, v := range vs {
		if v.owner != nil && !v.owner.kept {
			t.recycle(v.owner)
		}
	}
}

// pass recycles a value that the last walk over it is done with.
func (t *Tape) pass(v *Value) {
	if v.owner != v || v.uses > 0 || v.freed {
		return
	}
	t.recycle(v)
	if savesStatistics[v.op] && v.attr.mean != nil {
		t.reuse(v.attr.mean)
		t.reuse(v.attr.rstd)
	}
}

// savesStatistics marks the operations whose attr owns two tensors.
var savesStatistics = [numOps]bool{OpGroupNorm: true, OpGroupNormSiLU: true, OpLayerNorm: true, OpCrossEntropy: true}

// dropsInputs marks the operations whose derivative does not read their inputs, dropsResult those whose derivative does
// not read their result. What is not marked is kept for the walk.
var (
	dropsInputs = [numOps]bool{
		OpNeg: true, OpExp: true, OpSqrt: true, OpTanh: true, OpSigmoid: true, OpReLU: true, OpScale: true,
		OpAddScalar: true, OpAdd: true, OpSub: true, OpSum: true, OpSumTo: true, OpBroadcastTo: true, OpSoftmax: true,
		OpLogSoftmax: true, OpReshape: true, OpPermute: true, OpConcat: true, OpSlice: true, OpPadInto: true,
		OpGather: true, OpKnown: true,
		OpScatterAdd: true, OpUpsampleNearest2: true, OpSumPool2: true, OpSpaceToDepth2: true, OpDepthToSpace2: true,
	}
	dropsResult = [numOps]bool{
		OpNeg: true, OpSiLU: true, OpGELU: true, OpScale: true, OpAddScalar: true, OpAdd: true, OpSub: true, OpMul: true,
		OpSquare: true, OpSum: true, OpSumTo: true, OpBroadcastTo: true, OpMatMul: true, OpConv2D: true, OpGroupNorm: true,
		OpDepthwiseConv2D: true,
		OpGroupNormSiLU:   true, OpLayerNorm: true, OpPermute: true, OpConcat: true, OpSlice: true, OpPadInto: true,
		OpGather: true, OpScatterAdd: true, OpUpsampleNearest2: true, OpSumPool2: true, OpMaxPool2: true,
		OpSpaceToDepth2: true, OpDepthToSpace2: true, OpKnown: true,
	}
)
