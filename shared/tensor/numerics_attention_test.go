package tensor_test

import (
	. "github.com/manifold-gen/manifold/shared/tensor"
)

// attentionNumerics are attention over tensors and caches: several blocks of keys, partial panels, masks, shared heads.
func attentionNumerics() []numericsCase {
	var cs []numericsCase
	add := func(op string, c attentionCase, run func(d DType) []*Tensor) {
		flops := 4 * c.b * c.t * c.s * c.heads * c.e
		cs = append(cs, numericsCase{op: op, shape: c.String(), large: flops > 2<<20, run: run})
	}
	for _, c := range []attentionCase{
		{1, 3, 5, 1, 1, 4, false, 0, nil},
		{1, 16, 16, 2, 2, 32, false, 0, nil},
		{2, 11, 19, 4, 2, 17, false, 0, []int{19, 6}},
		{2, 21, 21, 3, 1, 20, true, 0, nil},
		{1, 5, 530, 2, 1, 16, true, 525, nil},
		{2, 70, 300, 4, 2, 24, false, 0, []int{300, 270}},
		{1, 130, 300, 7, 1, 64, true, 170, nil},
	} {
		add("AttentionEx", c, func(d DType) []*Tensor {
			q, k, v := c.inputs(d)
			y, lse := fresh(d, c.b, c.t, c.heads*c.e), fresh(d, c.b, c.heads, c.t)
			AttentionEx(y, lse, q, k, v, c.spec())
			return []*Tensor{y, lse}
		})
		add("AttentionGrad", c, func(d DType) []*Tensor {
			dq, dk, dv := c.gradients(d)
			return []*Tensor{dq, dk, dv}
		})
		if c.lengths != nil || !c.causal {
			continue
		}
		add("AttentionCached", c, func(d DType) []*Tensor {
			q, k, v := c.inputs(d)
			caches := make([]*KVCache, c.b)
			for b := range caches {
				caches[b] = NewKVCache(d, c.kv, c.e)
				caches[b].AppendRows(k.Reshape(c.b*c.s, -1), v.Reshape(c.b*c.s, -1), b*c.s, c.s, 0, 0)
			}
			y := fresh(d, c.b, c.t, c.heads*c.e)
			AttentionCached(y, q, caches, c.spec())
			return []*Tensor{y}
		})
	}
	return cs
}
