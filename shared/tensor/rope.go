package tensor

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor/internal/quant"
)

// RoPETable holds the cosines and sines of rotary position embeddings. It does not change.
type RoPETable struct {
	f32 *quant.Rotation[float32]
	f64 *quant.Rotation[float64]
}

// NewRoPETable computes the angles p * base^(-2i/size) of the pairs i < size/2 of a head of size elements, even, at the
// positions p < positions, in float64, and rounds their cosines and sines to the type. Pairs are the elements i and
// i+size/2 (half-split, as transformers has its checkpoints), or 2i and 2i+1 if interleaved (as the original Llama).
func NewRoPETable(d DType, positions, size int, base float64, interleaved bool) *RoPETable {
	if positions < 0 || size < 2 || size%2 != 0 || !(base > 0) {
		msg := fmt.Sprintf("want an even size and a positive base, got %d and %g", size, base)
		panic(&Error{Op: "NewRoPETable", Shapes: [][]int{{positions, size}}, Msg: msg})
	}
	if d == Float64 {
		return &RoPETable{f64: quant.NewRotation[float64](positions, size, base, interleaved)}
	}
	return &RoPETable{f32: quant.NewRotation[float32](positions, size, base, interleaved)}
}

// Positions is the number of positions of the table.
func (t *RoPETable) Positions() int {
	if t.f64 != nil {
		return t.f64.Positions()
	}
	return t.f32.Positions()
}

// Size is the number of elements of a head.
func (t *RoPETable) Size() int {
	if t.f64 != nil {
		return t.f64.Size()
	}
	return t.f32.Size()
}

// RoPE rotates the first heads heads of every row of x [.., C], row i by the angles of positions[i], and copies the
// other columns: a' = fma(a, cos, -(b*sin)), b' = fma(b, cos, a*sin) for the pairs (a, b) of a head. Positions from
// outside are to be checked before. dst may be x.
func RoPE(dst, x *Tensor, table *RoPETable, positions []int32, heads int) {
	const op = "RoPE"
	sameShape(op, dst, x)
	r, c := rows(op, x)
	if len(positions) != r || heads < 0 || heads*table.Size() > c || (table.f64 != nil) != (x.dtype == Float64) {
		msg := fmt.Sprintf("%d positions, %d heads of %d elements", len(positions), heads, table.Size())
		panic(shapeError(op, msg, x))
	}
	for _, p := range positions {
		if p < 0 || int(p) >= table.Positions() {
			panic(shapeError(op, fmt.Sprintf("position %d of %d", p, table.Positions()), x))
		}
	}
	if r*c == 0 {
		return
	}
	if !dst.overlaps(x) {
		dst.CopyFrom(x)
	}
	j := newJob()
	j.t[0], j.ids, j.rope, j.i = dst, positions, table, [8]int{c, heads * table.Size()}
	j.rows(x.dtype, r, c, cheap, ropeLoop32, ropeLoop64)
}

func ropeLoop32(j *job, lo, hi int) {
	d, c, n := j.t[0].f32, j.i[0], j.i[1]
	for r := lo; r < hi; r++ {
		j.rope.f32.Apply(d[r*c:r*c+n], int(j.ids[r]))
	}
}

func ropeLoop64(j *job, lo, hi int) {
	d, c, n := j.t[0].f64, j.i[0], j.i[1]
	for r := lo; r < hi; r++ {
		j.rope.f64.Apply(d[r*c:r*c+n], int(j.ids[r]))
	}
}
