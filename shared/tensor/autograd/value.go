package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// Value is a tensor on a tape: an operation's result, or a leaf. Its elements must not be written.
type Value struct {
	*tensor.Tensor

	tape *Tape
	op   Op
	out  uint8    // which result of a kernel with several (GroupNormGrad: dx, dgamma, dbeta)
	in   []*Value // inputs, in the tape's slab; kept only while recording
	attr attr

	index int            // position on the tape
	needs bool           // some leaf below wants gradients
	want  bool           // the walk in progress was asked for this value's gradient
	path  uint64         // the number of the walk on whose path from wrt to loss this value lies
	acc   *Value         // cotangent collected so far by the walk in progress
	sink  *tensor.Tensor // where the next walk shall put the gradient; nil for memory of the tape

	// Recycling of buffers (memory.go).
	owner *Value // the value whose buffer this one shows; nil when the tape may not recycle it
	uses  int32  // cotangents that show the owner's buffer
	freed bool
	kept  bool // some derivative reads the owner's buffer
}

// attr holds what an operation was told besides its inputs. Which fields mean something is said by the
// operation; the rest are zero.
type attr struct {
	c, d       float64 // scalars: factor, bounds, eps
	i, j       int     // axis and start, or groups
	ta, tb     bool    // transpositions
	shape      shape   // a target shape, kept axes, or a permutation
	spec       tensor.ConvSpec
	ids        []int32
	mean, rstd *tensor.Tensor // statistics saved by the norms
	attention  *attention     // what attention was told and saved, in the tape's slab
	known      func(i int, dst *tensor.Tensor)
}

// shape is a list of at most tensor.MaxRank numbers by value.
type shape struct {
	n int
	d [tensor.MaxRank]int
}

func shapeOf(d []int) shape {
	s := shape{n: len(d)}
	copy(s.d[:], d)
	return s
}

func (s *shape) dims() []int { return s.d[:s.n] }

// Tape is the tape the value lies on.
func (v *Value) Tape() *Tape { return v.tape }

// NeedsGrad says whether a gradient can flow through the value: it is a Leaf, or was recorded from one.
func (v *Value) NeedsGrad() bool { return v.needs }

// Op is the kind of operation that made the value.
func (v *Value) Op() Op { return v.op }

// Inputs are what a recorded operation read; nil for leaves, constants and what was computed from constants alone. The
// list must not be changed.
func (v *Value) Inputs() []*Value { return v.in }
