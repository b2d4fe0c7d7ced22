package quant

import (
	"math"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// Rotation holds the cosines and sines of the positions of rotary embeddings for heads of size numbers.
type Rotation[T vec.Float] struct {
	size     int
	pairs    bool // neighbours are rotated, not halves
	cos, sin []T  // size/2 for every position; with pairs size, the sines with both signs
}

// NewRotation computes the angles position * base^(-2i/size) in float64, for i < size/2, and rounds their cosines and
// sines to T.
func NewRotation[T vec.Float](positions, size int, base float64, pairs bool) *Rotation[T] {
	r := &Rotation[T]{size: size, pairs: pairs}
	n := r.row()
	r.cos, r.sin = make([]T, positions*n), make([]T, positions*n)
	for i := range size / 2 {
		f := vec.Pow64(base, -2*float64(i)/float64(size))
		for p := range positions {
			a := float64(p) * f
			c, s := T(vec.Cos64(a)), T(vec.Sin64(a))
			at := p*n + i
			if pairs {
				at = p*n + 2*i
				r.cos[at+1], r.sin[at+1] = c, s
				s = -s
			}
			r.cos[at], r.sin[at] = c, s
		}
	}
	return r
}

// Size is the number of elements of a head.
func (r *Rotation[T]) Size() int { return r.size }

// Positions is the number of positions.
func (r *Rotation[T]) Positions() int { return len(r.cos) / r.row() }

// row is the number of cosines of a position.
func (r *Rotation[T]) row() int {
	if r.pairs {
		return r.size
	}
	return r.size / 2
}

// Apply rotates the heads in x, whole heads side by side, in place: a' = fma(a, cos, -(b*sin)) and
// b' = fma(b, cos, a*sin).
func (r *Rotation[T]) Apply(x []T, position int) {
	n := r.row()
	c, s := r.cos[position*n:(position+1)*n], r.sin[position*n:(position+1)*n]
	if unsafe.Sizeof(c[0]) == 4 && n%8 == 0 && len(x) > 0 && hasRotate() {
		a := args{
			w: unsafe.Pointer(&c[0]), a: unsafe.Pointer(&s[0]), c: unsafe.Pointer(&x[0]),
			rowC: 4 * r.size, steps: n / 8, panels: len(x) / r.size,
		}
		rotateNative(r.pairs, &a)
		return
	}
	for ; len(x) >= r.size; x = x[r.size:] {
		for i := range r.size / 2 {
			ia, ib, is := i, i+r.size/2, i
			if r.pairs {
				ia, ib, is = 2*i, 2*i+1, 2*i+1
			}
			a, b := x[ia], x[ib]
			x[ia] = fma(a, c[is], -T(b*s[is])) //nolint:unconvert // the conversion rounds
			x[ib] = fma(b, c[is], T(a*s[is]))  //nolint:unconvert // the conversion rounds
		}
	}
}

// fma is a*b + c rounded once.
func fma[T vec.Float](a, b, c T) T {
	if unsafe.Sizeof(a) == 4 {
		return T(vec.FMA32(float32(a), float32(b), float32(c)))
	}
	return T(math.FMA(float64(a), float64(b), float64(c)))
}
