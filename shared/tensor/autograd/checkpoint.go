package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// Segment is a part of a network that Checkpoint computes twice. Forward must give the same result every time for the
// same inputs: random numbers are drawn by counters, so that holds for them, too.
type Segment interface {
	Forward(t *Tape, in []*Value) *Value
}

// Checkpoint is s.Forward(t, in), whose activations the tape drops; the walk of Grad computes them again when it comes
// to the segment, with the same bits, and drops them when it has passed (Chen et al., "Training Deep Nets with
// Sublinear Memory Cost", 2016). Gradients have the bits that they have without Checkpoint: the same contributions
// are added in the same order. Forward may use other values of the tape and leaves besides in; they are found. On an
// inference tape, and inside another segment, Checkpoint is the plain call.
func Checkpoint(t *Tape, s Segment, in ...*Value) *Value {
	in = t.list(in...)
	if !t.recording {
		return s.Forward(t, in)
	}
	mark := t.values.total
	c := &t.capture
	*c = capture{on: true, mark: mark, list: c.list[:0]}
	for _, x := range in {
		c.note(x)
	}
	t.recording = false
	y := s.Forward(t, in)
	t.recording, c.on = true, false
	for i := mark; i < t.values.total; i++ {
		if v := t.values.at(i); v.owner == v && v != y.owner {
			t.recycle(v)
		}
	}
	t.segments = append(t.segments, call{s, in})
	v := t.record(OpCheckpoint, y.Tensor, &attr{i: len(t.segments) - 1}, c.list...)
	v.owner = y.owner
	return v
}

// call is a segment with its inputs.
type call struct {
	segment Segment
	in      []*Value
}

// capture collects what a segment reads from outside.
type capture struct {
	on   bool
	mark int
	list []*Value
}

// note adds x unless the segment made it or it is known: a leaf that the segment was the first to ask for comes from
// outside. Values without gradient are only kept.
func (c *capture) note(x *Value) {
	if x.index >= c.mark && x.op != OpLeaf {
		return
	}
	if x.owner != nil {
		x.owner.kept = true
	}
	if !x.needs {
		return
	}
	for _, y := range c.list {
		if x == y {
			return
		}
	}
	c.list = append(c.list, x)
}

// again computes a checkpoint's segment once more, recorded.
func again(v *Value) *Value {
	c := v.tape.segments[v.attr.i]
	return c.segment.Forward(v.tape, c.in)
}

// Memory is what a tape has needed since its last Reset.
type Memory struct {
	// Peak is the bytes of the arena that were in use at most, free buffers that fitted nothing included.
	Peak int64
	// Live is the bytes that held a value, a gradient or an operation's result at most at one time: no plan of buffers
	// for the same order of operations can do with less.
	Live int64
}

// Memory is the tape's need for results of operations. Leaves and the kernels' own scratch are not part of it.
func (t *Tape) Memory() Memory { return Memory{Peak: t.arena.Peak(), Live: t.peak} }

// Once says that the next Grad or Pull without createGraph is the last use of what the tape holds: its walk recycles
// every value when it has passed it, so that gradients are made in the memory of activations. Afterwards only the
// gradients may be read, until Reset.
func (t *Tape) Once() { t.once = true }

// grow and shrink count the bytes in use.
func (t *Tape) grow(x *tensor.Tensor) {
	t.live += int64(x.Len() * x.DType().Size())
	t.peak = max(t.peak, t.live)
}

func (t *Tape) shrink(x *tensor.Tensor) { t.live -= int64(x.Len() * x.DType().Size()) }
