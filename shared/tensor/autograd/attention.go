package autograd

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// attention is what AttentionEx was told, and the log-sum-exp of its scores that its derivative needs.
type attention struct {
	spec tensor.AttentionSpec
	lse  *tensor.Tensor
}

// Attention is softmax(q k' * scale) v for each of heads: q [B, T, D], k and v [B, S, D], result [B, T, D]; a head is
// D/heads neighbouring channels.
func Attention(q, k, v *Value, heads int, scale float64) *Value {
	return AttentionEx(q, k, v, tensor.AttentionSpec{Heads: heads, Scale: scale})
}

// AttentionEx is tensor.AttentionEx: q [B, T, Heads*E], k and v [B, S, KVHeads*E], result [B, T, Heads*E]. On an
// inference tape the heads may lie in columns of wider rows; Heads*E is then the width of a third of q, that is, q, k
// and v are one product, or q's width. Neither the scores nor the weights [B, Heads, T, S] are kept: the derivative
// computes them again, block by block. The spec's Lengths must not change before the tape's Reset.
func AttentionEx(q, k, v *Value, spec tensor.AttentionSpec) *Value {
	t := shared(OpAttention, q, k, v)
	width := q.Dim(-1)
	if q == k && q == v && spec.VAt > 0 {
		if kv := spec.KVHeads; kv == 0 || kv == spec.Heads {
			width /= 3
		} else {
			width = width / (spec.Heads + 2*kv) * spec.Heads
		}
		if !t.inference {
			q, k, v, spec = columns(q, width, spec)
		}
	}
	y := t.alloc(q.DType(), q.Dim(0), q.Dim(1), width)
	if t.inference {
		tensor.AttentionEx(y, nil, q.Tensor, k.Tensor, v.Tensor, spec)
		return t.record(OpAttention, y, nil)
	}
	a := t.attns.next()
	*a = attention{spec: spec, lse: t.alloc(q.DType(), q.Dim(0), max(spec.Heads, 0), q.Dim(1))}
	tensor.AttentionEx(y, a.lse, q.Tensor, k.Tensor, v.Tensor, spec)
	return t.record(OpAttention, y, &attr{attention: a}, q, k, v)
}

// columns cuts one product into queries, keys and values.
func columns(x *Value, width int, spec tensor.AttentionSpec) (q, k, v *Value, cut tensor.AttentionSpec) {
	kv := width
	if spec.KVHeads > 0 {
		kv = width / spec.Heads * spec.KVHeads
	}
	q, k, v = Slice(x, 2, spec.QAt, width), Slice(x, 2, spec.KAt, kv), Slice(x, 2, spec.VAt, kv)
	spec.QAt, spec.KAt, spec.VAt = 0, 0, 0
	return q, k, v, spec
}

// attentionGrad is the derivative of AttentionEx: dq, dk and dv.
func attentionGrad(y, dy *Value) [3]*Value {
	q, k, v := y.in[0], y.in[1], y.in[2]
	t := shared(OpAttentionGrad, q, k, v, dy)
	dq, dk, dv := q.like(), k.like(), v.like()
	a := y.attr.attention
	tensor.AttentionGrad(dq, dk, dv, dy.Tensor, q.Tensor, k.Tensor, v.Tensor, y.Tensor, a.lse, a.spec)
	return t.recordThree(OpAttentionGrad, [3]*tensor.Tensor{dq, dk, dv}, &y.attr, q, k, v, dy)
}

// expandAttentionGrad is the same from primitive operations, with all weights in memory. The heads that share keys are
// rows of one product, position by position.
func expandAttentionGrad(d *Value) *Value {
	q, k, v, dy := d.in[0], d.in[1], d.in[2], d.in[3]
	spec := &d.attr.attention.spec
	kv := spec.KVHeads
	if kv == 0 {
		kv = spec.Heads
	}
	group := spec.Heads / kv
	e := q.Dim(-1) / spec.Heads
	split := func(x *Value, group int) *Value { // [B, KV, T*G, E]
		b, t := x.Dim(0), x.Dim(1)
		return Reshape(Permute(Reshape(x, b, t, kv, group, e), 0, 2, 1, 3, 4), b, kv, t*group, e)
	}
	join := func(x *Value, group int) *Value { // [B, T, KV*G*E]
		b, t := x.Dim(0), x.Dim(2)/group
		return Reshape(Permute(Reshape(x, b, kv, t, group, e), 0, 2, 1, 3, 4), b, t, kv*group*e)
	}
	qs, ks, vs, ds := split(q, group), split(k, 1), split(v, 1), split(dy, group)
	scores := Scale(MatMul(qs, ks, false, true), spec.Scale)
	if spec.Causal || spec.Lengths != nil {
		scores = Add(scores, mask(scores, spec, group))
	}
	p := Softmax(scores)
	if d.out == 2 {
		return join(MatMul(p, ds, true, false), 1)
	}
	slope := Scale(SoftmaxGrad(p, MatMul(ds, vs, false, true)), spec.Scale)
	if d.out == 1 {
		return join(MatMul(slope, qs, true, false), 1)
	}
	return join(MatMul(slope, ks, false, false), group)
}

// mask is 0 where a query sees a key and -Inf elsewhere: [B, 1, T*G, S].
func mask(scores *Value, spec *tensor.AttentionSpec, group int) *Value {
	b, _, rows, s := scores.Dims4()
	m := tensor.New(tensor.Float64, b, 1, rows, s)
	for i := range m.F64() {
		seq, row, key := i/(rows*s), i/s%rows, i%s
		if spec.Causal && key > spec.Start+row/group || spec.Lengths != nil && key >= spec.Lengths[seq] {
			m.F64()[i] = math.Inf(-1)
		}
	}
	return scores.tape.Const(m.To(scores.DType()))
}
