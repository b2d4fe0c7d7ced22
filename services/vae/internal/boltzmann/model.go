package boltzmann

import (
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Model serves a machine: it is a model.Chain, and a model.Scorer where its states can be enumerated.
type Model struct {
	*Machine
	size model.Size
	logZ float64
	kind model.ScoreKind
	free *Chain
}

// NewModel serves m, whose weights must not change any more, for pictures of the given size. A machine of up to
// MaxExact units gets its partition function.
func NewModel(m *Machine, height, width, channels int) *Model {
	s := &Model{
		Machine: m, size: model.Size{Height: height, Width: width, Channels: channels}, free: m.NewChain(0),
	}
	if z, err := m.LogSum(make([]float32, m.Units()), 0, 1); err == nil {
		s.logZ, s.kind = z, model.Exact
	}
	return s
}

// Size implements model.Model.
func (m *Model) Size() model.Size { return m.size }

// Hidden implements model.Hidden.
func (m *Model) Hidden() []int { return []int{m.Config.Hidden} }

// Bernoulli implements model.Bernoulli.
func (m *Model) Bernoulli() bool { return true }

// Sweeps implements model.Chain.
func (m *Model) Sweeps() int { return 500 }

// Clamps implements model.Chain.
func (m *Model) Clamps() bool { return false }

// StateSize implements model.Chain.
func (m *Model) StateSize() int { return m.Units() }

// startChain keeps the draws of first states apart from those of sweeps.
const startChain = 1 << 40

// Start implements model.Chain: fair coins, the visible ones from the picture where there is one.
func (m *Model) Start(state []float32, s rng.Stream, chain uint64, init []float32, _ int32) {
	s.Uniform(state, chain+startChain, 0, rng.Chain)
	for i, u := range state {
		state[i] = 0
		if u < 0.5 {
			state[i] = 1
		}
		if init != nil && i < m.Visible {
			state[i] = bit(init[i])
		}
	}
}

// bit is the nearer of 0 and 1.
func bit(x float32) float32 {
	if x >= 0.5 {
		return 1
	}
	return 0
}

// Sweep implements model.Chain.
func (m *Model) Sweep(chains []model.Run) {
	for _, c := range chains {
		m.free.Sweep(c.State, float64(c.Temperature), rng.Row{Stream: c.Stream, Sample: c.Chain, Step: c.Sweep})
	}
}

// Show implements model.Chain: the probability of every visible unit given all others.
func (m *Model) Show(dst, state []float32) {
	for i := range m.Visible {
		dst[i] = float32(m.free.On(state, i, 1))
	}
}

// Kind implements model.Scorer.
func (m *Model) Kind() model.ScoreKind { return m.kind }

// Score implements model.Scorer: log p of pictures, rounded to 0 and 1, summed over the hidden units.
func (m *Model) Score(x []float32, n int, _ []int32, _ int, _ rng.Stream, _ uint64) (model.Score, error) {
	s := model.Score{Kind: m.kind, Values: make([]float64, n), Free: make([]float64, n)}
	state := make([]float32, m.Units())
	for i := range n {
		for j, v := range x[i*m.Visible : (i+1)*m.Visible] {
			state[j] = bit(v)
		}
		free, err := m.LogSum(state, m.Visible, 1)
		if err != nil {
			return model.Score{}, err
		}
		s.Free[i], s.Values[i] = free, free-m.logZ
	}
	return s, nil
}
