package dbn

import (
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Model serves a network: it is a model.Encoder, Decoder, Chain and Scorer. A code is the means of the top machine's
// hidden units.
type Model struct {
	Net *DBN

	size        model.Size
	a           *tensor.Arena
	rows        []rng.Row
	temperature []float32
	class       []int32
}

// NewModel serves d, whose weights must not change any more, for pictures of the given size.
func NewModel(d *DBN, height, width, channels int) *Model {
	nn.Pack(d)
	d.Top.Pack()
	return &Model{Net: d, a: tensor.NewArena(), size: model.Size{
		Height: height, Width: width, Channels: channels, Code: []int{d.Top.Hidden}, Classes: d.Labels,
	}}
}

// Size implements model.Model.
func (m *Model) Size() model.Size { return m.size }

// Hidden implements model.Hidden.
func (m *Model) Hidden() []int { return m.Net.Hidden }

// Bernoulli implements model.Bernoulli.
func (m *Model) Bernoulli() bool { return true }

// Sweeps implements model.Chain.
func (m *Model) Sweeps() int { return 500 }

// Clamps implements model.Chain.
func (m *Model) Clamps() bool { return m.Net.Labels > 0 }

// Deterministic implements model.Encoder.
func (m *Model) Deterministic() bool { return false }

// Encode implements model.Encoder: means go up through all layers; a picture without a class is given the top machine's
// own opinion of it.
func (m *Model) Encode(mean, variance, x []float32, n int, class []int32) {
	m.a.Reset()
	v := m.a.New(tensor.Float32, n, m.Net.Pixels)
	copy(v.F32(), x)
	h := m.a.New(tensor.Float32, n, m.Net.Top.Hidden)
	m.Net.Top.HiddenMean(h, m.up(v, class), nil, m.a)
	copy(mean, h.F32())
	if variance != nil {
		for i, p := range h.F32() {
			variance[i] = p * (1 - p)
		}
	}
}

// up is the top machine's visible units given pictures.
func (m *Model) up(v *tensor.Tensor, class []int32) *tensor.Tensor {
	means, _ := m.Net.Recognition(v, nil, m.a)
	top := m.a.New(tensor.Float32, v.Dim(0), m.Net.Top.Visible())
	m.Net.Join(top, means[len(means)-1], class, m.a)
	return top
}

// Decode implements model.Decoder: means go down through all layers.
func (m *Model) Decode(dst, z []float32, n int, _ []int32) {
	m.a.Reset()
	h, v := m.a.New(tensor.Float32, n, m.Net.Top.Hidden), m.a.New(tensor.Float32, n, m.Net.Top.Visible())
	copy(h.F32(), z)
	m.Net.Top.VisibleMean(v, h, nil, m.a)
	means, _ := m.Net.Generation(m.Net.Penultimate(v, m.a), nil, m.a)
	copy(dst, means[0].F32())
}

// Classify gives p(label | picture) of n pictures: [n, L].
func (m *Model) Classify(dst, x []float32, n int) {
	m.a.Reset()
	v := m.a.New(tensor.Float32, n, m.Net.Pixels)
	copy(v.F32(), x)
	means, _ := m.Net.Recognition(v, nil, m.a)
	top := m.a.New(tensor.Float32, n, m.Net.Top.Visible())
	m.Net.joinPenultimate(top, means[len(means)-1])
	p := m.a.New(tensor.Float32, n, m.Net.Labels)
	m.Net.Top.Classify(p, top, m.a)
	copy(dst, p.F32())
}

// StateSize implements model.Chain: the units of the top machine, visible and then hidden ones.
func (m *Model) StateSize() int { return m.Net.Top.Visible() + m.Net.Top.Hidden }

// startChain keeps the draws of first states apart from those of sweeps.
const startChain = 1 << 40

// Start implements model.Chain: the penultimate layer from the picture, upwards, or from fair coins.
func (m *Model) Start(state []float32, s rng.Stream, chain uint64, init []float32, class int32) {
	m.a.Reset()
	t := m.Net.Top
	rows := []rng.Row{{Stream: s, Sample: chain + startChain}}
	v, h := m.a.New(tensor.Float32, 1, t.Visible()), m.a.New(tensor.Float32, 1, t.Hidden)
	if init != nil {
		x := m.a.New(tensor.Float32, 1, m.Net.Pixels)
		copy(x.F32(), init)
		v = m.up(x, nil)
	} else {
		v.Fill(0.5)
		for i := t.Pixels; i < t.Visible(); i++ {
			v.F32()[i] = 1 / float32(t.Labels)
		}
	}
	t.DrawVisible(v, v, rows, nil, m.a)
	t.Clamp(v, []int32{class})
	t.HiddenMean(h, v, nil, m.a)
	t.DrawHidden(h, h, rows)
	copy(state, v.F32())
	copy(state[t.Visible():], h.F32())
}

// Sweep implements model.Chain: the top machine's, with the class clamped.
func (m *Model) Sweep(chains []model.Run) {
	m.a.Reset()
	V, H := m.Net.Top.Visible(), m.Net.Top.Hidden
	v, h := m.a.New(tensor.Float32, len(chains), V), m.a.New(tensor.Float32, len(chains), H)
	m.rows, m.temperature, m.class = m.rows[:0], m.temperature[:0], m.class[:0]
	for i, c := range chains {
		m.rows = append(m.rows, rng.Row{Stream: c.Stream, Sample: c.Chain, Step: c.Sweep})
		m.temperature = append(m.temperature, c.Temperature)
		m.class = append(m.class, c.Class)
		copy(v.F32()[i*V:(i+1)*V], c.State)
		copy(h.F32()[i*H:(i+1)*H], c.State[V:])
	}
	m.Net.Top.Sweep(v, h, m.rows, m.temperature, m.class, m.a)
	for i, c := range chains {
		copy(c.State, v.F32()[i*V:(i+1)*V])
		copy(c.State[V:], h.F32()[i*H:(i+1)*H])
	}
}

// Show implements model.Chain: one pass of means down from the penultimate layer's given the top hidden units.
func (m *Model) Show(dst, state []float32) { m.Decode(dst, state[m.Net.Top.Visible():], 1, nil) }

// Energy implements model.Chain: that of the top machine.
func (m *Model) Energy(state []float32) float64 {
	m.a.Reset()
	t := m.Net.Top
	v, h := m.a.New(tensor.Float32, 1, t.Visible()), m.a.New(tensor.Float32, 1, t.Hidden)
	copy(v.F32(), state)
	copy(h.F32(), state[t.Visible():])
	var e [1]float64
	t.Energy(e[:], v, h, m.a)
	return e[0]
}

// Kind implements model.Scorer: a lower bound where the top machine's partition function is known.
func (m *Model) Kind() model.ScoreKind {
	if m.Net.Top.Partition == nil {
		return model.NoScore
	}
	return model.LowerBound
}

// Score implements model.Scorer: DBN.Bound - log Z. Where Z is an estimate, ThreeSigma is its bar.
func (m *Model) Score(x []float32, n int, _ []int32, samples int, s rng.Stream, first uint64) (model.Score, error) {
	z := m.Net.Top.Partition
	if z == nil {
		return model.Score{}, fault.E(fault.Precondition, "NO_PARTITION", "dbn.Score",
			"nobody estimated the partition function of the top machine")
	}
	m.a.Reset()
	v := m.a.New(tensor.Float32, n, m.Net.Pixels)
	copy(v.F32(), x)
	rows := make([]rng.Row, n)
	for i := range rows {
		rows[i] = rng.Row{Stream: s, Sample: first + uint64(i)}
	}
	out := model.Score{Kind: model.LowerBound, Values: make([]float64, n), Samples: samples}
	m.Net.Bound(out.Values, v, rows, samples, m.a)
	for i := range out.Values {
		out.Values[i] -= z.LogZ
	}
	if !z.Exact {
		out.ThreeSigma = z.ThreeSigma()
	}
	return out, nil
}
