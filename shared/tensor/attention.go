package tensor

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// Attention is softmax(q k' * scale) v for each head: q [B, T, D], k and v [B, S, D], dst [B, T, D], D split
// into heads of D/heads neighbouring channels. The bits are those of MatMul, Scale, Softmax and MatMul on
// the heads. dst must not overlap q, k or v.
func Attention(dst, q, k, v *Tensor, heads int, scale float64) {
	const op = "Attention"
	sameShape(op, dst, q)
	sameShape(op, k, v)
	sameType(op, q, k)
	if q.rank != 3 || k.rank != 3 || q.shape[0] != k.shape[0] || q.shape[2] != k.shape[2] {
		panic(shapeError(op, "want q [B, T, D], k and v [B, S, D]", q, k, v))
	}
	if heads < 1 || q.shape[2]%heads != 0 {
		panic(shapeError(op, fmt.Sprintf("%d heads do not divide D", heads), q))
	}
	apart(op, dst, q, k, v)
	if q.dtype == Float64 {
		attention(dst.f64, q.f64, k.f64, v.f64, q, k.shape[1], heads, scale)
		return
	}
	attention(dst.f32, q.f32, k.f32, v.f32, q, k.shape[1], heads, scale)
}

// attention takes the pictures one by one; the heads of one are a batch of products whose operands are
// read in place, with the row stride D.
func attention[T float](dst, q, k, v []T, shape *Tensor, s, heads int, scale float64) {
	b, t, d := shape.Dims3()
	if len(dst) == 0 {
		return
	}
	e := d / heads
	buf, w := scratch[T](heads * t * s)
	defer buf.release()
	for i := range b {
		qi, di := q[i*t*d:(i+1)*t*d], dst[i*t*d:(i+1)*t*d]
		ki, vi := k[i*s*d:(i+1)*s*d], v[i*s*d:(i+1)*s*d]
		gemm.MatMul(w, qi, ki, gemm.Product{
			M: t, N: s, K: e, TransB: true, LDA: d, LDB: d,
			Batch: heads, StrideA: e, StrideB: e, StrideC: t * s,
		}, nil)
		j := newJob()
		dt := wrap(j, w)
		j.i[0], j.c = s, scale
		j.rows(dt, heads*t, s, dear, scaledSoftmaxLoop[float32], scaledSoftmaxLoop[float64])
		gemm.MatMul(di, w, vi, gemm.Product{
			M: t, N: e, K: s, LDB: d, LDC: d,
			Batch: heads, StrideA: t * s, StrideB: e, StrideC: e,
		}, nil)
	}
}

func scaledSoftmaxLoop[T float](j *job, lo, hi int) {
	w, n := data[T](&j.own[0]), j.i[0]
	for r := lo; r < hi; r++ {
		row := w[r*n : (r+1)*n]
		vec.Scale(row, row, T(j.c))
		vec.SoftmaxRow(row, row)
	}
}
