package tensor

import (
	"fmt"
	"math"
	"slices"
)

// float is the element types' constraint for loops that are written once for both.
type float interface{ float32 | float64 }

// data returns the elements of t, whose type must be T.
func data[T float](t *Tensor) []T {
	if p, ok := any(&t.f32).(*[]T); ok {
		return *p
	}
	return *any(&t.f64).(*[]T)
}

// dtypeOf is the DType of T.
func dtypeOf[T float]() DType {
	var z T
	if _, ok := any(z).(float64); ok {
		return Float64
	}
	return Float32
}

// reshapeInto writes to u a header for t's elements in the given shape.
func (t *Tensor) reshapeInto(u *Tensor, shape []int) {
	var sh [MaxRank]int
	if len(shape) > MaxRank {
		panic(&Error{Op: "Reshape", Shapes: [][]int{slices.Clone(t.Shape()), slices.Clone(shape)}, Msg: "too many axes"})
	}
	free, n := -1, 1
	for i, d := range shape {
		sh[i] = d
		if d == -1 && free < 0 {
			free = i
			continue
		}
		n *= d
	}
	if free >= 0 && n > 0 && t.Len()%n == 0 {
		sh[free] = t.Len() / n
		n = t.Len()
	}
	if n != t.Len() || (free >= 0 && sh[free] < 0) {
		panic(&Error{Op: "Reshape", Shapes: [][]int{slices.Clone(t.Shape()), slices.Clone(shape)},
			Msg: fmt.Sprintf("%d elements do not fit", t.Len())})
	}
	f32, f64, dt := t.f32, t.f64, t.dtype
	u.setShape("Reshape", dt, sh[:len(shape)])
	u.f32, u.f64 = f32, f64
}

// Reshape returns a new header for t's elements in another shape of equally many elements. One size
// may be -1 and is then computed. The header lies on the heap; see Arena.View.
func (t *Tensor) Reshape(shape ...int) *Tensor {
	u := &Tensor{}
	t.reshapeInto(u, shape)
	return u
}

// Clone returns a copy of t on the heap.
func (t *Tensor) Clone() *Tensor {
	u := New(t.dtype, t.Shape()...)
	u.CopyFrom(t)
	return u
}

// CopyFrom copies u's elements into t. The shapes must be equal; between types each element is
// converted, from Float64 to Float32 rounding to nearest even.
func (t *Tensor) CopyFrom(u *Tensor) {
	if !t.SameShape(u) {
		panic(shapeError("CopyFrom", "shapes differ", t, u))
	}
	switch {
	case t.dtype == Float32 && u.dtype == Float32:
		copy(t.f32, u.f32)
	case t.dtype == Float64 && u.dtype == Float64:
		copy(t.f64, u.f64)
	case t.dtype == Float32:
		for i, v := range u.f64 {
			t.f32[i] = float32(v)
		}
	default:
		for i, v := range u.f32 {
			t.f64[i] = float64(v)
		}
	}
}

// To returns a copy of t on the heap in the given type, converted as CopyFrom does.
func (t *Tensor) To(d DType) *Tensor {
	u := New(d, t.Shape()...)
	u.CopyFrom(t)
	return u
}

// Fill sets every element to v, rounded to the type once.
func (t *Tensor) Fill(v float64) {
	for i := range t.f32 {
		t.f32[i] = float32(v)
	}
	for i := range t.f64 {
		t.f64[i] = v
	}
}

// Zero sets every element to +0.
func (t *Tensor) Zero() {
	clear(t.f32)
	clear(t.f64)
}

// Item is the only element of a tensor that has one.
func (t *Tensor) Item() float64 {
	if t.Len() != 1 {
		panic(shapeError("Item", "want one element", t))
	}
	if t.dtype == Float64 {
		return t.f64[0]
	}
	return float64(t.f32[0])
}

// poison fills t with NaN.
func (t *Tensor) poison() { t.Fill(math.NaN()) }

// overlaps says whether t and u share their first element. Operations that refuse to work in place check
// it; partial overlap is the caller's mistake and is not looked for.
func (t *Tensor) overlaps(u *Tensor) bool {
	if t.dtype != u.dtype || t.Len() == 0 || u.Len() == 0 {
		return false
	}
	if t.dtype == Float64 {
		return &t.f64[0] == &u.f64[0]
	}
	return &t.f32[0] == &u.f32[0]
}
