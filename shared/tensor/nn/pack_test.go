package nn

import "testing"

// Weights that an attention packs as those of one product are not kept in panels a second time.
func TestPackOnce(t *testing.T) {
	a, s := NewMultiHeadAttention(32, 2, 2, false), NewSelfAttention2D(32, 2, 4, 1e-5)
	Pack(&struct {
		A *MultiHeadAttention `weights:"a"`
		S *SelfAttention2D    `weights:"s"`
	}{a, s})
	for i, l := range []*Linear{a.Q, a.K, a.V, s.Q, s.K, s.V} {
		if l.Weight.pack.Load() != nil {
			t.Errorf("layer %d is packed by itself, too", i)
		}
	}
	if a.Out.Weight.pack.Load() == nil || s.Out.Weight.pack.Load() == nil {
		t.Error("the last layers are not packed")
	}
	if a.qkv.made.Load() == nil || s.qkv.made.Load() == nil {
		t.Error("the joint layers are not packed")
	}
}
