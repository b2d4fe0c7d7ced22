package tensor

import (
	"fmt"
	"slices"
)

// shapeError builds the panic of an operation from the tensors it was given.
func shapeError(op, msg string, ts ...*Tensor) *Error {
	e := &Error{Op: op, Msg: msg}
	for _, t := range ts {
		e.Shapes = append(e.Shapes, slices.Clone(t.Shape()))
	}
	return e
}

// sameType panics unless all tensors have the first one's type.
func sameType(op string, t *Tensor, us ...*Tensor) {
	for _, u := range us {
		if u.dtype != t.dtype {
			panic(shapeError(op, fmt.Sprintf("types %s and %s", t.dtype, u.dtype), t, u))
		}
	}
}

// sameShape panics unless both tensors agree in shape and type.
func sameShape(op string, t, u *Tensor) {
	if t.dtype != u.dtype || t.rank != u.rank || t.shape != u.shape {
		sameType(op, t, u)
		panic(shapeError(op, "shapes differ", t, u))
	}
}

// vector panics unless t has n elements on one axis and d's type.
func vector(op, name string, t *Tensor, n int, like *Tensor) {
	if t.rank != 1 || t.shape[0] != n || t.dtype != like.dtype {
		panic(shapeError(op, fmt.Sprintf("%s must be [%d] of %s", name, n, like.dtype), like, t))
	}
}

// axisOf resolves a negative axis and panics if there is no such axis.
func axisOf(op string, t *Tensor, axis int) int {
	a := axis
	if a < 0 {
		a += int(t.rank)
	}
	if a < 0 || a >= int(t.rank) {
		panic(shapeError(op, fmt.Sprintf("no axis %d", axis), t))
	}
	return a
}

// apart panics if dst begins where an operand begins: the operation cannot work in place.
func apart(op string, dst *Tensor, xs ...*Tensor) {
	for _, x := range xs {
		if dst.overlaps(x) {
			panic(shapeError(op, "the result must not be an operand", dst, x))
		}
	}
}

// product multiplies sizes.
func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
