package tensor

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor/internal/attn"
)

// AttentionSpec says which queries see which keys, and where the vectors of the heads lie.
type AttentionSpec struct {
	Heads   int     // of the queries
	KVHeads int     // of keys and values, a divisor of Heads: neighbouring query heads share one; 0 means Heads
	Scale   float64 // of the scores
	// Causal lets the query at position t see the keys up to position Start+t.
	Causal bool
	Start  int
	// Lengths are the valid keys of every sequence, which come first; nil means all.
	Lengths []int
	// QAt, KAt and VAt are the columns where the heads begin in q, k and v, which may so be columns of one product.
	QAt, KAt, VAt int
}

// Attention is softmax(q k' * scale) v for each head: q [B, T, D], k and v [B, S, D], dst [B, T, D], D split into heads
// of D/heads neighbouring channels. It is AttentionEx, which has the order, with these heads and no mask. dst must not
// overlap q, k or v.
func Attention(dst, q, k, v *Tensor, heads int, scale float64) {
	AttentionEx(dst, nil, q, k, v, AttentionSpec{Heads: heads, Scale: scale})
}

// AttentionEx is softmax(q k' * Scale) v for each head: dst [B, T, Heads*E]; q [B, T, ..], k and v [B, S, ..] hold the
// vectors of E numbers of their heads side by side from the columns QAt, KAt and VAt on. lse, [B, Heads, T] or nil, is
// a result, too: the logarithm of the sum of the exponentials of a query's scores. dst must not overlap q, k or v. A
// query that sees no key gives zeros.
//
// Order: q is multiplied by Scale. Keys are taken in blocks of 256, counted from position 0, up to the last one that
// the query sees. Of a block, the scores are a product as MatMul's; the maximum m so far is raised to theirs; they
// become exp(score-m); their sum (16 lanes, tree 8, 4, 2, 1) is added to that so far by fma(sum, c, new), and their
// product with the values, as MatMul's, to the row so far times c, where c = exp(old m - m). The result is fma(row,
// 1/sum, 0), lse is m + log(sum). So it depends neither on the number of queries in one call nor on the keys that a
// query does not see, but that infinities and NaNs in v may show which lie in the same sequence and block of keys.
func AttentionEx(dst, lse, q, k, v *Tensor, spec AttentionSpec) {
	const op = "AttentionEx"
	s := spec.shape(op, dst, q, k, v)
	s.S = k.shape[1]
	checkLSE(op, lse, &s, dst)
	if dst.Len() == 0 {
		return
	}
	if dst.dtype == Float64 {
		attend[float64](s, &spec, dst, lse, q, k, v)
		return
	}
	attend[float32](s, &spec, dst, lse, q, k, v)
}

func attend[T float](s attn.Shape, spec *AttentionSpec, dst, lse, q, k, v *Tensor) {
	var logs []T
	if lse != nil {
		logs = data[T](lse)
	}
	attn.Forward(s, rowsAt[T](dst, 0), rowsAt[T](q, spec.QAt), rowsAt[T](k, spec.KAt), rowsAt[T](v, spec.VAt), logs)
}

// rowsAt is t's rows from a column on.
func rowsAt[T float](t *Tensor, column int) attn.Rows[T] {
	d := data[T](t)
	return attn.Rows[T]{Data: d[min(column, len(d)):], LD: t.shape[t.rank-1]}
}

// shape checks the operands and the spec; k and v are nil where a cache takes their place.
func (spec *AttentionSpec) shape(op string, dst, q, k, v *Tensor) attn.Shape {
	if dst.rank != 3 || q.rank != 3 || dst.shape[0] != q.shape[0] || dst.shape[1] != q.shape[1] {
		panic(shapeError(op, "want dst [B, T, D] and q [B, T, ..]", dst, q))
	}
	sameType(op, dst, q)
	kv := spec.KVHeads
	if kv == 0 {
		kv = spec.Heads
	}
	d := dst.shape[2]
	if spec.Heads < 1 || kv < 1 || spec.Heads%kv != 0 || d%spec.Heads != 0 {
		panic(shapeError(op, fmt.Sprintf("%d heads over %d of keys do not divide D", spec.Heads, kv), dst))
	}
	e := d / spec.Heads
	s := attn.Shape{
		B: dst.shape[0], T: dst.shape[1], Heads: spec.Heads, KVHeads: kv, E: e, Scale: spec.Scale,
		Causal: spec.Causal, Start: spec.Start, Lengths: spec.Lengths,
	}
	columns(op, "q", q, spec.QAt, d)
	apart(op, dst, q)
	if k == nil {
		return s
	}
	sameType(op, dst, k, v)
	if k.rank != 3 || v.rank != 3 || k.shape[0] != s.B || v.shape[0] != s.B || k.shape[1] != v.shape[1] {
		panic(shapeError(op, "want k and v [B, S, ..]", dst, k, v))
	}
	columns(op, "k", k, spec.KAt, kv*e)
	columns(op, "v", v, spec.VAt, kv*e)
	apart(op, dst, k, v)
	if spec.Lengths != nil && len(spec.Lengths) != s.B {
		panic(shapeError(op, fmt.Sprintf("%d Lengths", len(spec.Lengths)), dst))
	}
	return s
}

// columns panics unless t has n columns from column at on.
func columns(op, name string, t *Tensor, at, n int) {
	if at < 0 || at+n > t.shape[t.rank-1] {
		panic(shapeError(op, fmt.Sprintf("%s has no columns %d to %d", name, at, at+n), t))
	}
}

// checkLSE panics unless lse is nil or [B, Heads, T].
func checkLSE(op string, lse *Tensor, s *attn.Shape, like *Tensor) {
	if lse == nil {
		return
	}
	sameType(op, like, lse)
	if lse.rank != 3 || lse.shape[0] != s.B || lse.shape[1] != s.Heads || lse.shape[2] != s.T {
		panic(shapeError(op, fmt.Sprintf("want lse [B, %d, T]", s.Heads), like, lse))
	}
}
