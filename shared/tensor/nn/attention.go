package nn

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// SelfAttention2D lets every pixel of a picture attend to all others: x + Out(attention(Norm(x))). Q, K,
// V and Out act on channels, so they are 1x1 convolutions as well as linear layers.
type SelfAttention2D struct {
	Norm  *GroupNorm `weights:"norm"`
	Q     *Linear    `weights:"q"`
	K     *Linear    `weights:"k"`
	V     *Linear    `weights:"v"`
	Out   *Linear    `weights:"out"`
	Heads int

	qkv joint
}

// Pack packs the weights of Q, K and V as those of one product.
func (a *SelfAttention2D) Pack() { a.qkv.packed(a.joined()) }

func (a *SelfAttention2D) joined() [3]*Linear { return [3]*Linear{a.Q, a.K, a.V} }

// NewSelfAttention2D returns attention over c channels split into heads, which must divide c; groups and
// eps are those of the norm.
func NewSelfAttention2D(c, heads, groups int, eps float64) *SelfAttention2D {
	if heads < 1 || c%heads != 0 {
		failf("SelfAttention2D: %d heads do not divide %d channels", heads, c)
	}
	return &SelfAttention2D{
		Norm:  NewGroupNorm(groups, c, eps),
		Q:     NewLinear(c, c, true),
		K:     NewLinear(c, c, true),
		V:     NewLinear(c, c, true),
		Out:   NewLinear(c, c, true),
		Heads: heads,
	}
}

// Forward maps x [N, H, W, C] to the same shape; the scores are scaled by 1/sqrt(C/Heads).
func (a *SelfAttention2D) Forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	n, h, w, c := x.Dims4()
	normed := a.Norm.Forward(t, x)
	rows := autograd.Reshape(normed, n, h*w, c) // [N, T, C]
	y := a.qkv.attention(t, rows, a.joined(), tensor.AttentionSpec{
		Heads: a.Heads, Scale: 1 / math.Sqrt(float64(c/a.Heads)),
	})
	t.Done(normed)
	out := a.Out.ForwardThen(t, y, Then{Residual: autograd.Reshape(x, n, h*w, c)})
	t.Done(y)
	return autograd.Reshape(out, n, h, w, c)
}

// MultiHeadAttention is the attention of BERT and GPT (Vaswani et al. 2017): Out(attention(Q, K, V)) over the positions
// of sequences. The scores are scaled by 1/sqrt(E), E numbers to a head.
type MultiHeadAttention struct {
	Q       *Linear `weights:"q"`   // [D, Heads*E]
	K       *Linear `weights:"k"`   // [D, KVHeads*E]
	V       *Linear `weights:"v"`   // [D, KVHeads*E]
	Out     *Linear `weights:"out"` // [Heads*E, D]
	Heads   int
	KVHeads int  // neighbouring heads of queries share one of keys and values
	Causal  bool // a position sees itself and those before

	qkv joint
}

// NewMultiHeadAttention returns attention over rows of d numbers, which heads must divide, and kvHeads heads.
func NewMultiHeadAttention(d, heads, kvHeads int, causal bool) *MultiHeadAttention {
	if heads < 1 || kvHeads < 1 || d%heads != 0 || heads%kvHeads != 0 {
		failf("MultiHeadAttention: %d and %d heads do not divide %d numbers", heads, kvHeads, d)
	}
	kv := d / heads * kvHeads
	return &MultiHeadAttention{
		Q: NewLinear(d, d, true), K: NewLinear(d, kv, true), V: NewLinear(d, kv, true), Out: NewLinear(d, d, true),
		Heads: heads, KVHeads: kvHeads, Causal: causal,
	}
}

// Pack packs the weights of Q, K and V as those of one product.
func (a *MultiHeadAttention) Pack() { a.qkv.packed(a.joined()) }

func (a *MultiHeadAttention) joined() [3]*Linear { return [3]*Linear{a.Q, a.K, a.V} }

// Forward maps x [B, T, D] to the same shape. lengths are the valid positions of every sequence, which come first, or
// nil; they must not change before the tape's Reset.
func (a *MultiHeadAttention) Forward(t *autograd.Tape, x *autograd.Value, lengths []int) *autograd.Value {
	return a.ForwardThen(t, x, lengths, Then{})
}

// ForwardThen is Forward followed by an activation and a residual.
func (a *MultiHeadAttention) ForwardThen(
	t *autograd.Tape, x *autograd.Value, lengths []int, then Then,
) *autograd.Value {
	e := a.Q.Weight.Dim(1) / a.Heads
	y := a.qkv.attention(t, x, a.joined(), tensor.AttentionSpec{
		Heads: a.Heads, KVHeads: a.KVHeads, Scale: 1 / math.Sqrt(float64(e)), Causal: a.Causal, Lengths: lengths,
	})
	out := a.Out.ForwardThen(t, y, then)
	t.Done(y)
	return out
}
