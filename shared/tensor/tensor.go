package tensor

import (
	"fmt"
	"slices"
)

// DType is the element type of a tensor.
type DType uint8

// The element types. Float64 exists for reference twins and gradient checks: it follows the same
// order of operations as Float32, in portable Go.
const (
	Float32 DType = iota
	Float64
)

// String names the type as safetensors does.
func (d DType) String() string {
	if d == Float64 {
		return "F64"
	}
	return "F32"
}

// Size is the number of bytes of one element.
func (d DType) Size() int {
	if d == Float64 {
		return 8
	}
	return 4
}

// MaxRank is the largest number of axes. A fixed bound keeps the shape inside the header, so that
// making a view allocates nothing beyond the header itself.
const MaxRank = 6

// Tensor is a contiguous row-major array. A Tensor is a header: copies of the struct share elements.
// The zero Tensor has no axes and no elements.
type Tensor struct {
	f32   []float32
	f64   []float64
	shape [MaxRank]int
	rank  uint8
	dtype DType
}

// New returns a zeroed tensor of the given shape. It panics with *Error on a negative size, an
// overflow, or too many axes.
func New(dtype DType, shape ...int) *Tensor {
	t := &Tensor{}
	n := t.setShape("New", dtype, shape)
	t.alloc(n)
	return t
}

func (t *Tensor) alloc(n int) {
	if t.dtype == Float64 {
		t.f64 = make([]float64, n)
	} else {
		t.f32 = make([]float32, n)
	}
}

// setShape checks the shape, stores it, and returns the number of elements.
func (t *Tensor) setShape(op string, dtype DType, shape []int) int {
	if len(shape) > MaxRank {
		panic(&Error{Op: op, Msg: fmt.Sprintf("%d axes, at most %d", len(shape), MaxRank)})
	}
	n := 1
	for i, d := range shape {
		if d < 0 || (d > 0 && n > (1<<40)/d) {
			panic(&Error{Op: op, Shapes: [][]int{slices.Clone(shape)}, Msg: "bad or oversized axis"})
		}
		t.shape[i] = d
		n *= d
	}
	t.rank, t.dtype = uint8(len(shape)), dtype
	return n
}

// FromFloat32 wraps data, which is not copied, in a tensor of the given shape.
func FromFloat32(data []float32, shape ...int) *Tensor {
	t := &Tensor{f32: data}
	if n := t.setShape("FromFloat32", Float32, shape); n != len(data) {
		msg := fmt.Sprintf("%d elements given", len(data))
		panic(&Error{Op: "FromFloat32", Shapes: [][]int{slices.Clone(shape)}, Msg: msg})
	}
	return t
}

// FromFloat64 wraps data, which is not copied, in a tensor of the given shape.
func FromFloat64(data []float64, shape ...int) *Tensor {
	t := &Tensor{f64: data}
	if n := t.setShape("FromFloat64", Float64, shape); n != len(data) {
		msg := fmt.Sprintf("%d elements given", len(data))
		panic(&Error{Op: "FromFloat64", Shapes: [][]int{slices.Clone(shape)}, Msg: msg})
	}
	return t
}

// DType is the element type.
func (t *Tensor) DType() DType { return t.dtype }

// Rank is the number of axes.
func (t *Tensor) Rank() int { return int(t.rank) }

// Dim is the size of axis i; negative i counts from the end.
func (t *Tensor) Dim(i int) int {
	if i < 0 {
		i += int(t.rank)
	}
	if i < 0 || i >= int(t.rank) {
		panic(shapeError("Dim", fmt.Sprintf("no axis %d", i), t))
	}
	return t.shape[i]
}

// Shape returns the sizes of all axes. The slice aliases the header and must not be changed.
func (t *Tensor) Shape() []int { return t.shape[:t.rank:t.rank] }

// Len is the number of elements.
func (t *Tensor) Len() int {
	if t.dtype == Float64 {
		return len(t.f64)
	}
	return len(t.f32)
}

// F32 returns the elements of a Float32 tensor, shared, in row-major order.
func (t *Tensor) F32() []float32 {
	if t.dtype != Float32 {
		panic(shapeError("F32", "the tensor is "+t.dtype.String(), t))
	}
	return t.f32
}

// F64 returns the elements of a Float64 tensor, shared, in row-major order.
func (t *Tensor) F64() []float64 {
	if t.dtype != Float64 {
		panic(shapeError("F64", "the tensor is "+t.dtype.String(), t))
	}
	return t.f64
}

// At returns one element as float64; it is meant for tests and printing.
func (t *Tensor) At(index ...int) float64 {
	if len(index) != int(t.rank) {
		shapes := [][]int{slices.Clone(t.Shape()), slices.Clone(index)}
		panic(&Error{Op: "At", Shapes: shapes, Msg: "wrong number of indices"})
	}
	off := 0
	for i, x := range index {
		if x < 0 || x >= t.shape[i] {
			panic(&Error{Op: "At", Shapes: [][]int{slices.Clone(t.Shape()), slices.Clone(index)}, Msg: "index out of range"})
		}
		off = off*t.shape[i] + x
	}
	if t.dtype == Float64 {
		return t.f64[off]
	}
	return float64(t.f32[off])
}

// SameShape says whether both tensors have equal shapes.
func (t *Tensor) SameShape(u *Tensor) bool { return slices.Equal(t.Shape(), u.Shape()) }

// dims panics unless the rank is want.
func (t *Tensor) dims(want int) {
	if int(t.rank) != want {
		panic(shapeError(fmt.Sprintf("Dims%d", want), fmt.Sprintf("want %d axes", want), t))
	}
}

// Dims1 names the only axis.
func (t *Tensor) Dims1() int { t.dims(1); return t.shape[0] }

// Dims2 names both axes.
func (t *Tensor) Dims2() (int, int) { t.dims(2); return t.shape[0], t.shape[1] }

// Dims3 names the three axes.
func (t *Tensor) Dims3() (int, int, int) { t.dims(3); return t.shape[0], t.shape[1], t.shape[2] }

// Dims4 names the four axes; pictures are N, H, W, C.
func (t *Tensor) Dims4() (int, int, int, int) {
	t.dims(4)
	return t.shape[0], t.shape[1], t.shape[2], t.shape[3]
}
