package nn

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// level is a residual block with attention of the test model.
type level struct {
	Norm1 *GroupNorm       `weights:"norm1"`
	Conv1 *Conv2D          `weights:"conv1"`
	Time  *Linear          `weights:"time"`
	Norm2 *GroupNorm       `weights:"norm2"`
	Conv2 *Conv2D          `weights:"conv2"`
	Attn  *SelfAttention2D `weights:"attn"`
}

// tiny has every layer of this package once.
type tiny struct {
	In     *Conv2D  `weights:"in"`
	Levels []*level `weights:"levels"`
	Mid    struct {
		Norm *LayerNorm `weights:"norm"`
	} `weights:"mid"`
	Down    *Conv2D    `weights:"down"`
	Label   *Embedding `weights:"label"`
	TimeMLP *Linear    `weights:"time_mlp"`
	Out     *Conv2D    `weights:"out"`

	time *TimeEmbedding
}

func newTiny(seed uint64) *tiny {
	const c = 8
	m := &tiny{
		In: NewConv2D(3, c, 3, 1), Down: NewConv2D(c, c, 3, 2), Label: NewEmbedding(5, 2*c),
		TimeMLP: NewLinear(2*c, 2*c, true), Out: NewConv2D(c, 3, 3, 1),
		time: NewTimeEmbedding(2*c, TimeOptions{FlipSinToCos: true}),
	}
	m.Mid.Norm = NewLayerNorm(c, 1e-5)
	for range 2 {
		m.Levels = append(m.Levels, &level{
			Norm1: NewGroupNorm(4, c, 1e-5), Conv1: NewConv2D(c, c, 3, 1), Time: NewLinear(2*c, c, true),
			Norm2: NewGroupNorm(4, c, 1e-5), Conv2: NewConv2D(c, c, 3, 1),
			Attn: NewSelfAttention2D(c, 2, 4, 1e-5),
		})
	}
	Init(m, seed)
	return m
}

// Forward maps x [N, H, W, 3] with one timestep and label per picture to [N, H, W, 3].
func (m *tiny) Forward(t *autograd.Tape, x *autograd.Value, ts []float32, labels []int32) *autograd.Value {
	n := x.Dim(0)
	emb := autograd.Add(m.time.Forward(t, x.DType(), ts), m.Label.Forward(t, labels))
	emb = m.TimeMLP.ForwardThen(t, emb, Then{Act: tensor.ActSiLU})
	h := m.In.Forward(t, x)
	for _, l := range m.Levels {
		skip := h
		h = l.Conv1.Forward(t, l.Norm1.ForwardSiLU(t, h))
		h = autograd.Add(h, autograd.Reshape(l.Time.Forward(t, emb), n, 1, 1, -1))
		h = l.Conv2.ForwardThen(t, l.Norm2.ForwardSiLU(t, h), Then{Residual: skip})
		h = l.Attn.Forward(t, h)
	}
	h = m.Mid.Norm.Forward(t, h)
	h = autograd.Add(h, autograd.UpsampleNearest2(m.Down.ForwardThen(t, h, Then{Act: tensor.ActGELU})))
	return m.Out.Forward(t, h)
}
