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
		return t.arena.View(x, shape...)
	}
	return t.arena.New(d, shape...)
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
		k := bufferKind{x.DType(), x.Len()}
		t.free[k] = append(t.free[k], x)
	}
}

// Done tells an inference tape that the values, and all that share their buffers by Reshape, will not be
// read again, so that the buffers serve later operations: activations then stay in cache and memory
// stays near that of one layer. It ignores leaves, and does nothing on a recording tape.
func (t *Tape) Done(vs ...*Value) {
	if !t.inference {
		return
	}
	for _, v := range vs {
		if v.owner != nil {
			t.recycle(v.owner)
		}
	}
}
