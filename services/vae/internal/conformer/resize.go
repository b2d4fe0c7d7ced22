package conformer

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// reflect is x [N, h, w, C] with one pixel more on every side, those next to the edge mirrored: [N, h+2, w+2, C]. It
// copies, and works on inference tapes alone.
func reflect(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	_, h, w, _ := x.Dims4()
	mirror := func(i, n int) int {
		switch {
		case i == 0:
			return 1
		case i == n+1:
			return n - 2
		}
		return i - 1
	}
	return pick(t, x, h+2, w+2, func(i int) int { return mirror(i, h) }, func(i int) int { return mirror(i, w) })
}

// nearest is x [N, h, w, C] at another size, every pixel that of the place i*h/height rounded down.
func nearest(t *autograd.Tape, x *autograd.Value, height, width int) *autograd.Value {
	_, h, w, _ := x.Dims4()
	return pick(t, x, height, width, func(i int) int { return i * h / height }, func(i int) int { return i * w / width })
}

// pick makes maps [N, height, width, C] of the pixels of x at (row(i), column(j)).
func pick(t *autograd.Tape, x *autograd.Value, height, width int, row, column func(int) int) *autograd.Value {
	n, h, w, c := x.Dims4()
	y := t.Arena().New(tensor.Float32, n, height, width, c)
	src, dst := x.F32(), y.F32()
	for k := range n {
		for i := range height {
			from := (k*h + row(i)) * w
			for j := range width {
				at := ((k*height+i)*width + j) * c
				copy(dst[at:at+c], src[(from+column(j))*c:])
			}
		}
	}
	return t.Const(y)
}
