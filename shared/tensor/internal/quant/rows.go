package quant

import (
	"math"
	"unsafe"
)

// record is one quantised step of a row. The sums of its digits are kept in the forms that the kernels add.
type record struct {
	q      [Step]int8
	scale  float32
	sum    float32  // scale * sum of the digits
	by128  int32    // -128 * sum
	by8    int32    // -8 * sum
	by32   [2]int32 // -32 * sums of the halves
	unused [2]int32
}

const recordBytes = int(unsafe.Sizeof(record{}))

// Rows holds quantised rows of k numbers.
type Rows struct {
	k    int
	recs []record // k/32 for every row
}

// NewRows is room for n rows of k numbers, k a multiple of 32.
func NewRows(n, k int) *Rows {
	count := n * (k / Step)
	b := aligned(max(count, 1) * recordBytes)
	return &Rows{k: k, recs: unsafe.Slice((*record)(unsafe.Pointer(unsafe.SliceData(b))), count)}
}

// K is the length of a row.
func (r *Rows) K() int { return r.k }

// Len is the number of rows there is room for.
func (r *Rows) Len() int { return len(r.recs) / max(r.k/Step, 1) }

// Quantize quantises x, whole rows, into the rows from row on.
func (r *Rows) Quantize(row int, x []float32) {
	steps := len(x) / Step
	at := row * (r.k / Step)
	recs := r.recs[at : at+steps]
	if steps == 0 || quantizeNative(recs, x) {
		return
	}
	for i := range recs {
		recs[i].set((*[Step]float32)(x[i*Step:]))
	}
}

// tiny is the magnitude below which a step counts as zeros.
const tiny = 0x1p-100

// set quantises one step.
func (r *record) set(x *[Step]float32) {
	var u uint32
	for _, v := range x {
		u = max(u, math.Float32bits(v)&^(1<<31)) // as integers: NaN is above everything
	}
	m := math.Float32frombits(u)
	r.scale = m / 127
	inv := 127 / m
	var sums [2]int32
	for i, v := range x {
		r.q[i] = 0
		if m >= tiny && m <= math.MaxFloat32 {
			r.q[i] = int8(math.RoundToEven(float64(float32(v * inv))))
		}
		sums[i/16] += int32(r.q[i])
	}
	s := sums[0] + sums[1]
	r.sum = r.scale * float32(s)
	r.by128, r.by8 = -128*s, -8*s
	r.by32 = [2]int32{-32 * sums[0], -32 * sums[1]}
}
