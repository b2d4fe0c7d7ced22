package tensor_test

import (
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
	reference "github.com/manifold-gen/manifold/shared/tensor/internal/golden"
)

// TestAttentionGoldens compares attention and its derivative with PyTorch's scaled_dot_product_attention:
// tools/reference/attention.py.
func TestAttentionGoldens(t *testing.T) {
	cases, err := reference.Read("testdata/attention.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range cases {
		if c.Op != "attention_ex" {
			continue
		}
		n++
		spec := AttentionSpec{
			Heads: c.Int("heads"), KVHeads: c.Int("kv_heads"), Scale: c.Num("scale"), Causal: c.Int("causal") != 0,
			Start: c.Int("start"),
		}
		if lengths, ok := c.Attrs["lengths"].([]any); ok && len(lengths) > 0 {
			for _, x := range lengths {
				spec.Lengths = append(spec.Lengths, int(x.(float64)))
			}
		}
		for _, d := range types {
			q, k, v, dy := c.In[0].To(d), c.In[1].To(d), c.In[2].To(d), c.In[3].To(d)
			y, lse := New(d, dy.Shape()...), New(d, q.Dim(0), spec.Heads, q.Dim(1))
			dq, dk, dv := New(d, q.Shape()...), New(d, k.Shape()...), New(d, v.Shape()...)
			AttentionEx(y, lse, q, k, v, spec)
			AttentionGrad(dq, dk, dv, dy, q, k, v, y, lse, spec)
			for i, x := range []*Tensor{y, lse, dq, dk, dv} {
				if err := c.Compare(i, x); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if n < 7 {
		t.Errorf("%d cases", n)
	}
}
