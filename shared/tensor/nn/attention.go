package nn

import (
	"math"

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
}

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
	q, k, v := a.Q.Forward(t, rows), a.K.Forward(t, rows), a.V.Forward(t, rows)
	t.Done(normed)
	y := autograd.Attention(q, k, v, a.Heads, 1/math.Sqrt(float64(c/a.Heads)))
	t.Done(q, k, v)
	out := a.Out.ForwardThen(t, y, Then{Residual: autograd.Reshape(x, n, h*w, c)})
	t.Done(y)
	return autograd.Reshape(out, n, h, w, c)
}
