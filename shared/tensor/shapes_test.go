package tensor_test

import (
	"math"
	"slices"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// dice draws small numbers one after the other.
type dice struct {
	n uint32
}

func (d *dice) roll(n int) int {
	var v [1]int32
	rng.New(77).Ints(v[:], int32(n), 0, d.n, rng.General)
	d.n++
	return int(v[0])
}

// shape has up to six axes of sizes that are often 1, now and then 0, and at most 2000 elements.
func (d *dice) shape() []int {
	sizes := []int{1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 7, 17, 33, 0}
	s, n := make([]int, d.roll(MaxRank+1)), 1
	for i := range s {
		s[i] = sizes[d.roll(len(sizes))]
		if n *= s[i]; n > 2000 {
			n /= s[i]
			s[i] = 1
		}
	}
	return s
}

// shrink drops leading axes of a shape and sets others to 1.
func (d *dice) shrink(shape []int) []int {
	s := slices.Clone(shape[d.roll(len(shape)+1):])
	for i := range s {
		if d.roll(3) == 0 {
			s[i] = 1
		}
	}
	return s
}

// each calls f with every index of a shape.
func each(shape []int, f func(index []int)) {
	index := make([]int, len(shape))
	if slices.Contains(shape, 0) {
		return
	}
	for {
		f(index)
		ax := len(shape) - 1
		for ; ax >= 0; ax-- {
			if index[ax]++; index[ax] < shape[ax] {
				break
			}
			index[ax] = 0
		}
		if ax < 0 {
			return
		}
	}
}

// clip is the index into x that broadcasting gives for an index of the result.
func clip(x *Tensor, index []int) []int {
	index = slices.Clone(index[len(index)-x.Rank():])
	for i := range index {
		if x.Dim(i) == 1 {
			index[i] = 0
		}
	}
	return index
}

// joined is the shape that a and b, both shrunk from shape, broadcast to.
func joined(shape []int, xs ...*Tensor) []int {
	rank := 0
	for _, x := range xs {
		rank = max(rank, x.Rank())
	}
	out := slices.Clone(shape[len(shape)-rank:])
	for i := range out {
		one := true
		for _, x := range xs {
			k := i - (rank - x.Rank())
			one = one && (k < 0 || x.Dim(k) == 1)
		}
		if one {
			out[i] = 1
		}
	}
	return out
}

// TestRandomShapes compares the operations that walk shapes with plain loops over indices, on random shapes.
func TestRandomShapes(t *testing.T) {
	var d dice
	for range 150 {
		shape := d.shape()
		for _, dt := range types {
			a, b, c := input(dt, 1, d.shrink(shape)...), input(dt, 2, d.shrink(shape)...), input(dt, 3, d.shrink(shape)...)
			y := fresh(dt, joined(shape, a, b)...)
			Sub(y, a, b)
			each(y.Shape(), func(i []int) {
				want := a.At(clip(a, i)...) - b.At(clip(b, i)...)
				if got := y.At(i...); got != want && got != float64(float32(want)) {
					t.Fatalf("%v - %v at %v: got %g, want %g", a.Shape(), b.Shape(), i, got, want)
				}
			})
			ReLU(c, c)
			y = fresh(dt, joined(shape, a, b, c)...)
			Where(y, c, a, b)
			each(y.Shape(), func(i []int) {
				want := b.At(clip(b, i)...)
				if c.At(clip(c, i)...) != 0 {
					want = a.At(clip(a, i)...)
				}
				if got := y.At(i...); got != want {
					t.Fatalf("where %v %v %v at %v: got %g, want %g", c.Shape(), a.Shape(), b.Shape(), i, got, want)
				}
			})
			x := input(dt, 4, shape...)
			checkSums(t, &d, x, a)
			checkMoves(t, &d, x)
		}
	}
}

// checkSums compares Sum over random axes, SumTo and BroadcastTo.
func checkSums(t *testing.T, d *dice, x, small *Tensor) {
	t.Helper()
	y := fresh(x.DType(), x.Shape()...)
	BroadcastTo(y, small)
	each(y.Shape(), func(i []int) {
		if y.At(i...) != small.At(clip(small, i)...) {
			t.Fatalf("broadcast %v to %v at %v", small.Shape(), y.Shape(), i)
		}
	})
	sum, want := fresh(x.DType(), small.Shape()...), New(Float64, small.Shape()...)
	SumTo(sum, x)
	each(x.Shape(), func(i []int) { put(want, clip(want, i), want.At(clip(want, i)...)+x.At(i...)) })
	near(t, "SumTo", sum, want)

	var axes []int
	kept := slices.Clone(x.Shape())
	var removed []int
	for i, n := range x.Shape() {
		if d.roll(2) == 0 {
			axes = append(axes, i)
			kept[i] = 1
		} else {
			removed = append(removed, n)
		}
	}
	if len(axes) == 0 {
		return
	}
	want = New(Float64, kept...)
	each(x.Shape(), func(i []int) { put(want, clip(want, i), want.At(clip(want, i)...)+x.At(i...)) })
	for _, shape := range [][]int{kept, removed} {
		got := fresh(x.DType(), shape...)
		Sum(got, x, axes...)
		near(t, "Sum", got, want.Reshape(shape...))
	}
}

func put(x *Tensor, index []int, v float64) {
	off := 0
	for i, k := range index {
		off = off*x.Dim(i) + k
	}
	set(x, off, v)
}

func near(t *testing.T, what string, got, want *Tensor) {
	t.Helper()
	for i := range want.Len() {
		if !(math.Abs(at(got, i)-at(want, i)) <= 1e-5*(1+math.Abs(at(want, i)))) {
			t.Fatalf("%s %v: element %d is %g, want %g", what, want.Shape(), i, at(got, i), at(want, i))
		}
	}
}

// checkMoves compares Permute, Slice and PadInto on random axes.
func checkMoves(t *testing.T, d *dice, x *Tensor) {
	t.Helper()
	if x.Rank() == 0 {
		return
	}
	perm := make([]int, x.Rank())
	shape := make([]int, x.Rank())
	for i := range perm {
		perm[i] = i
	}
	for i := len(perm) - 1; i > 0; i-- {
		k := d.roll(i + 1)
		perm[i], perm[k] = perm[k], perm[i]
	}
	for i, p := range perm {
		shape[i] = x.Dim(p)
	}
	y := fresh(x.DType(), shape...)
	Permute(y, x, perm...)
	each(shape, func(i []int) {
		from := make([]int, len(i))
		for k, p := range perm {
			from[p] = i[k]
		}
		if y.At(i...) != x.At(from...) {
			t.Fatalf("permute %v by %v at %v", x.Shape(), perm, i)
		}
	})
	axis := d.roll(x.Rank())
	start := d.roll(x.Dim(axis) + 1)
	part := slices.Clone(x.Shape())
	part[axis] = d.roll(x.Dim(axis) - start + 1)
	y, z := fresh(x.DType(), part...), fresh(x.DType(), x.Shape()...)
	Slice(y, x, axis, start)
	PadInto(z, y, axis-x.Rank(), start)
	each(x.Shape(), func(i []int) {
		want := 0.0
		if i[axis] >= start && i[axis] < start+part[axis] {
			want = x.At(i...)
		}
		if z.At(i...) != want {
			t.Fatalf("slice and pad %v, axis %d from %d, %d long, at %v", x.Shape(), axis, start, part[axis], i)
		}
	})
}
