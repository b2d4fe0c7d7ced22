package tensor

import "fmt"

// Attention is softmax(q k' * scale) v for each head: q [B, T, D], k and v [B, S, D], dst [B, T, D], D split
// into heads of D/heads neighbouring channels. The bits are those of MatMul, Scale, Softmax and MatMul.
func Attention(dst, q, k, v *Tensor, heads int, scale float64) {
	sameShape("Attention", dst, q)
	sameShape("Attention", k, v)
	sameType("Attention", q, k)
	if q.rank != 3 || k.rank != 3 || q.shape[0] != k.shape[0] || q.shape[2] != k.shape[2] {
		panic(shapeError("Attention", "want q [B, T, D], k and v [B, S, D]", q, k, v))
	}
	b, t, d := q.Dims3()
	s := k.shape[1]
	if heads < 1 || d%heads != 0 {
		panic(shapeError("Attention", fmt.Sprintf("%d heads do not divide D", heads), q))
	}
	e := d / heads
	split := func(x *Tensor, n int) *Tensor {
		y := New(x.dtype, b, heads, n, e)
		Permute(y, x.Reshape(b, n, heads, e), 0, 2, 1, 3)
		return y
	}
	w, o := New(q.dtype, b, heads, t, s), New(q.dtype, b, heads, t, e)
	MatMul(w, split(q, t), split(k, s), false, true)
	Scale(w, w, scale)
	Softmax(w, w)
	MatMul(o, w, split(v, s), false, false)
	Permute(dst.Reshape(b, t, heads, e), o, 0, 2, 1, 3)
}
