package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// Tape records operations, or only runs them. The zero Tape is not usable; see NewTape and NewInference.
type Tape struct {
	arena     *tensor.Arena
	inference bool
	recording bool

	values slab[Value]
	lists  slab[*Value]
	attns  slab[attention]
	free   map[bufferKind][]*tensor.Tensor
	leaves map[*tensor.Tensor]*Value
	walk   uint64 // number of the last derivative walk

	// The sink of the input whose cotangent is being computed, until an operation takes it for its result.
	dest, taken *tensor.Tensor

	segments   []call // of Checkpoint
	capture    capture
	once       bool  // the next walk recycles what it passes
	live, peak int64 // bytes in use, and the most
}

// NewTape returns a recording tape that takes its tensors from arena. A nil arena makes one. The tape
// resets the arena in Reset, so two live tapes must not share one.
func NewTape(arena *tensor.Arena) *Tape {
	if arena == nil {
		arena = tensor.NewArena()
	}
	return &Tape{
		arena: arena, recording: true,
		free:   map[bufferKind][]*tensor.Tensor{},
		leaves: map[*tensor.Tensor]*Value{},
	}
}

// NewInference returns a tape that keeps no record: values remember no inputs, Grad panics, layers use
// their packed weights and fused kernels, and Done recycles buffers at once.
func NewInference(arena *tensor.Arena) *Tape {
	t := NewTape(arena)
	t.inference, t.recording = true, false
	return t
}

// Inference says whether the tape was made by NewInference.
func (t *Tape) Inference() bool { return t.inference }

// Arena is where the tape's tensors come from, for scratch that shall live until the next Reset.
func (t *Tape) Arena() *tensor.Arena { return t.arena }

// Reset forgets all values and takes back all memory. Values, gradients and their tensors made before
// are invalid afterwards; leaves' own tensors are untouched.
func (t *Tape) Reset() {
	t.values.reset()
	t.lists.reset()
	t.dest, t.taken, t.once, t.live, t.peak = nil, nil, false, 0, 0
	clear(t.segments)
	t.segments = t.segments[:0]
	t.capture.on = false
	t.attns.reset()
	clear(t.leaves)
	for k, l := range t.free {
		clear(l)
		t.free[k] = l[:0]
	}
	t.arena.Reset()
}

// Const puts x on the tape as a value without gradient. The elements are shared, not copied.
func (t *Tape) Const(x *tensor.Tensor) *Value { return t.leaf(x, false) }

// Leaf puts x on the tape as a value that wants gradients. The elements are shared, not copied, and
// must not change before the last use of the tape. Asked again for the same header, until Reset, it
// returns the same value, so that a weight used in several places collects one gradient. On an
// inference tape it equals Const.
func (t *Tape) Leaf(x *tensor.Tensor) *Value {
	if t.inference {
		return t.leaf(x, false)
	}
	v := t.leaves[x]
	if v == nil {
		v = t.leaf(x, true)
		t.leaves[x] = v
	}
	return v
}

// List is a list of n values in the tape's memory, nil at first, valid until Reset.
func (t *Tape) List(n int) []*Value {
	l := t.lists.take(n)
	clear(l)
	return l
}

// Scalar is a constant without axes.
func (t *Tape) Scalar(d tensor.DType, c float64) *Value {
	x := t.arena.New(d)
	x.Fill(c)
	return t.Const(x)
}

// Zeros is a constant of the given shape, all zero.
func (t *Tape) Zeros(d tensor.DType, shape ...int) *Value {
	x := t.arena.New(d, shape...)
	x.Zero()
	return t.Const(x)
}

// Each calls f for the values on the tape in the order of recording, until f returns false. Values whose buffers were
// recycled, by Done or as parts of a checkpoint, are left out: their elements are gone.
func (t *Tape) Each(f func(v *Value) bool) {
	for i := range t.values.total {
		v := t.values.at(i)
		if gone := v.owner != nil && v.owner.freed; !gone && !f(v) {
			return
		}
	}
}

func (t *Tape) leaf(x *tensor.Tensor, needs bool) *Value {
	if x == nil {
		panic(&tensor.Error{Op: "Leaf", Msg: "nil tensor"})
	}
	v := t.values.next()
	*v = Value{Tensor: x, tape: t, op: OpLeaf, needs: needs, index: t.values.total - 1}
	return v
}

// record puts the result of an operation on the tape. The inputs are kept only while recording and
// only if a gradient can reach one of them.
func (t *Tape) record(op Op, out *tensor.Tensor, a *attr, in ...*Value) *Value {
	v := t.values.next()
	*v = Value{Tensor: out, tape: t, op: op, index: t.values.total - 1}
	v.owner = v
	if t.taken != nil && out == t.taken {
		v.freed, t.taken = true, nil // a sink is not the tape's to recycle
	}
	if !t.recording {
		if t.capture.on {
			for _, x := range in {
				t.capture.note(x)
			}
		}
		return v
	}
	v.kept = !dropsResult[op]
	for _, x := range in {
		if x.owner != nil && !dropsInputs[op] {
			x.owner.kept = true
		}
		v.needs = v.needs || x.needs
		if x.path == t.walk {
			v.path = t.walk
		}
	}
	if v.needs {
		v.in = t.list(in...)
		if a != nil {
			v.attr = *a
		}
	}
	return v
}

// list copies values into the tape's slab.
func (t *Tape) list(in ...*Value) []*Value {
	l := t.lists.take(len(in))
	copy(l, in)
	return l
}

// shared checks that operands lie on one tape and have one element type, and returns the tape.
func shared(op Op, vs ...*Value) *Tape {
	t := vs[0].tape
	for _, v := range vs[1:] {
		if v.tape != t {
			panic(&tensor.Error{Op: op.String(), Msg: "operands lie on different tapes"})
		}
		if v.DType() != vs[0].DType() {
			panic(&tensor.Error{Op: op.String(), Msg: "operands have different element types"})
		}
	}
	return t
}
