package rbm

import (
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Model serves a machine: it implements model.Encoder, Decoder, Chain and Scorer.
type Model struct {
	*RBM
	size  model.Size
	a     *tensor.Arena
	sweep sweeper
}

// NewModel serves m, whose weights must not change any more, for pictures of the given size.
func NewModel(m *RBM, height, width, channels int) *Model {
	m.Pack()
	return &Model{
		RBM: m, a: tensor.NewArena(),
		size: model.Size{Height: height, Width: width, Channels: channels, Code: []int{m.Hidden}, Classes: m.Labels},
	}
}

// Size implements model.Model.
func (m *Model) Size() model.Size { return m.size }

// fill makes visible units of n pictures.
func (m *Model) fill(x []float32, n int, class []int32) *tensor.Tensor {
	V := m.Visible()
	v := m.a.New(tensor.Float32, n, V)
	for i := range n {
		m.Fill(v.F32()[i*V:(i+1)*V], x[i*m.Pixels:(i+1)*m.Pixels])
	}
	m.SetLabels(v, class, m.a)
	return v
}

// Hidden implements model.Hidden.
func (m *Model) Hidden() []int { return []int{m.RBM.Hidden} }

// Bernoulli implements model.Bernoulli.
func (m *Model) Bernoulli() bool { return m.Units == Binary }

// Sweeps implements model.Chain.
func (m *Model) Sweeps() int { return defaultSweeps }

// Clamps implements model.Chain.
func (m *Model) Clamps() bool { return m.Labels > 0 }

// Deterministic implements model.Encoder.
func (m *Model) Deterministic() bool { return false }

// Encode implements model.Encoder: the mean p(h = 1 | v) and the variance p(1-p) of the hidden units.
func (m *Model) Encode(mean, variance, x []float32, n int, class []int32) {
	m.a.Reset()
	h := m.a.New(tensor.Float32, n, m.RBM.Hidden)
	m.HiddenMean(h, m.fill(x, n, class), nil, m.a)
	copy(mean, h.F32())
	if variance != nil {
		for i, p := range h.F32() {
			variance[i] = p * (1 - p)
		}
	}
}

// Decode implements model.Decoder: the means of the pixels given hidden units, which may be probabilities.
func (m *Model) Decode(dst, z []float32, n int, _ []int32) {
	m.a.Reset()
	V := m.Visible()
	h, v := m.a.New(tensor.Float32, n, m.RBM.Hidden), m.a.New(tensor.Float32, n, V)
	copy(h.F32(), z)
	m.VisibleMean(v, h, nil, m.a)
	for i := range n {
		m.Picture(dst[i*m.Pixels:(i+1)*m.Pixels], v.F32()[i*V:(i+1)*V])
	}
}

// StateSize implements model.Chain: the visible units, then the hidden ones.
func (m *Model) StateSize() int { return m.Visible() + m.RBM.Hidden }

// Start implements model.Chain: visible units from the picture, or from a fair coin each, then hidden units given
// them. Noise is 0 or 1 in binary units, a level in Softmax units, and the machine's own N(b, s^2) in Gaussian ones.
func (m *Model) Start(state []float32, s rng.Stream, chain uint64, init []float32, class int32) {
	m.a.Reset()
	V := m.Visible()
	rows := []rng.Row{{Stream: s, Sample: chain + startChain}}
	v, h := m.a.New(tensor.Float32, 1, V), m.a.New(tensor.Float32, 1, m.RBM.Hidden)
	v.Zero() // the inputs of fair coins
	if m.Units == Gaussian {
		copy(v.F32(), m.VisibleBias.F32())
	}
	m.link(v, nil, m.a)
	m.DrawVisible(v, v, rows, nil, m.a)
	if init != nil {
		m.Fill(v.F32(), init)
		m.SetLabels(v, nil, m.a)
	}
	m.Clamp(v, []int32{class})
	m.HiddenMean(h, v, nil, m.a)
	m.DrawHidden(h, h, rows)
	copy(state, v.F32())
	copy(state[V:], h.F32())
}

// defaultSweeps are those of a sample unless told otherwise: chains from noise are among digits after some hundred.
const defaultSweeps = 1000

// sweeper is room for the columns of model.Run.
type sweeper struct {
	rows        []rng.Row
	temperature []float32
	class       []int32
}

// Sweep implements model.Chain.
func (m *Model) Sweep(chains []model.Run) {
	m.a.Reset()
	V, H := m.Visible(), m.RBM.Hidden
	v, h := m.a.New(tensor.Float32, len(chains), V), m.a.New(tensor.Float32, len(chains), H)
	s := &m.sweep
	s.rows, s.temperature, s.class = s.rows[:0], s.temperature[:0], s.class[:0]
	for i, c := range chains {
		s.rows = append(s.rows, rng.Row{Stream: c.Stream, Sample: c.Chain, Step: c.Sweep})
		s.temperature = append(s.temperature, c.Temperature)
		s.class = append(s.class, c.Class)
		copy(v.F32()[i*V:(i+1)*V], c.State)
		copy(h.F32()[i*H:(i+1)*H], c.State[V:])
	}
	m.RBM.Sweep(v, h, s.rows, s.temperature, s.class, m.a)
	for i, c := range chains {
		copy(c.State, v.F32()[i*V:(i+1)*V])
		copy(c.State[V:], h.F32()[i*H:(i+1)*H])
	}
}

// Show implements model.Chain.
func (m *Model) Show(dst, state []float32) { m.Decode(dst, state[m.Visible():], 1, nil) }

// Energy implements model.Chain.
func (m *Model) Energy(state []float32) float64 {
	m.a.Reset()
	v, h := m.a.New(tensor.Float32, 1, m.Visible()), m.a.New(tensor.Float32, 1, m.RBM.Hidden)
	copy(v.F32(), state)
	copy(h.F32(), state[m.Visible():])
	var e [1]float64
	m.RBM.Energy(e[:], v, h, m.a)
	return e[0]
}

// Kind implements model.Scorer.
func (m *Model) Kind() model.ScoreKind {
	switch {
	case m.Partition == nil:
		return model.NoScore
	case m.Partition.Exact:
		return model.Exact
	}
	return model.AISEstimate
}

// Score implements model.Scorer: -F(v) - log Z, of a picture and its label where there are classes, else summed over
// all labels. A machine whose Z nobody estimated has free energies alone. Gray pixels of binary units count as they
// are.
func (m *Model) Score(x []float32, n int, class []int32, _ int, _ rng.Stream, _ uint64) (model.Score, error) {
	m.a.Reset()
	free := make([]float64, n)
	v := m.fill(x, n, class)
	if class == nil {
		m.MarginalFreeEnergy(free, v, m.a)
	} else {
		m.FreeEnergy(free, v, m.a)
	}
	s := model.Score{Kind: m.Kind(), Free: free}
	for i := range free {
		free[i] = -free[i]
	}
	if s.Kind == model.NoScore {
		return s, nil
	}
	s.Values = make([]float64, n)
	for i, f := range free {
		s.Values[i] = f - m.Partition.LogZ
	}
	if s.Kind == model.AISEstimate {
		s.ThreeSigma = m.Partition.ThreeSigma()
	}
	return s, nil
}
