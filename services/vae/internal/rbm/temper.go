package rbm

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Ladder holds persistent chains at several temperatures (Desjardins, Courville, Bengio, Vincent and Delalleau,
// "Tempered Markov Chain Monte Carlo for training of restricted Boltzmann machines", 2010): row r*C + c is chain c at
// Temperatures[r]. One temperature is plain persistent contrastive divergence (Tieleman 2008).
type Ladder struct {
	Machine      *RBM
	Temperatures []float32      // ascending from 1
	Chains       int            // C, at each of them
	V            *tensor.Tensor // [R*C, V], the whole state

	rows        []rng.Row
	temperature []float32
	energy      []float64
	swap        []float32
}

// NewLadder returns chains that start from noise: visible units drawn at random with the machine's biases alone.
func NewLadder(m *RBM, temperatures []float32, chains int, s rng.Stream, a *tensor.Arena) *Ladder {
	n := len(temperatures) * chains
	l := &Ladder{
		Machine: m, Temperatures: temperatures, Chains: chains, V: tensor.New(tensor.Float32, n, m.Visible()),
		rows: make([]rng.Row, n), temperature: make([]float32, n), energy: make([]float64, n),
		swap: make([]float32, chains),
	}
	for i := range n {
		l.rows[i] = rng.Row{Stream: s, Sample: uint64(i)}
		l.temperature[i] = temperatures[i/chains]
	}
	mark := a.Mark()
	defer a.Release(mark)
	h := a.New(tensor.Float32, n, m.Hidden)
	h.Zero()
	m.VisibleMean(l.V, h, l.temperature, a)
	// Drawn as sweep 0 of another chain, so that no draw is used twice.
	for i := range l.rows {
		l.rows[i].Sample += startChain
	}
	m.DrawVisible(l.V, l.V, l.rows, l.temperature, a)
	for i := range l.rows {
		l.rows[i].Sample -= startChain
	}
	return l
}

// startChain keeps the draws of first states apart from those of sweeps.
const startChain = 1 << 40

// Coldest is the chains at temperature 1: [C, V].
func (l *Ladder) Coldest(a *tensor.Arena) *tensor.Tensor {
	v := a.New(tensor.Float32, l.Chains, l.V.Dim(1))
	tensor.Slice(v, l.V, 0, 0)
	return v
}

// Advance takes every chain one sweep further, h given v and v given h, and then offers exchanges between
// temperatures r and r+1 for every r that is even in an even sweep and odd in an odd one. The draws are those of the
// sweep's number.
func (l *Ladder) Advance(sweep uint32, a *tensor.Arena) {
	mark := a.Mark()
	defer a.Release(mark)
	h := a.New(tensor.Float32, l.V.Dim(0), l.Machine.Hidden)
	for i := range l.rows {
		l.rows[i].Step = sweep
	}
	temperature := l.temperature
	if len(l.Temperatures) == 1 && l.Temperatures[0] == 1 {
		temperature = nil
	}
	l.Machine.HiddenMean(h, l.V, temperature, a)
	l.Machine.DrawHidden(h, h, l.rows)
	l.Machine.VisibleMean(l.V, h, temperature, a)
	l.Machine.DrawVisible(l.V, l.V, l.rows, temperature, a)
	if len(l.Temperatures) > 1 {
		l.exchange(h, sweep, a)
	}
}

// exchange swaps the states of chain c at temperatures r and r+1 with probability
// min(1, exp((1/T_r - 1/T_{r+1}) (E_r - E_{r+1}))).
func (l *Ladder) exchange(h *tensor.Tensor, sweep uint32, a *tensor.Arena) {
	l.Machine.Energy(l.energy, l.V, h, a)
	n := l.V.Dim(1)
	for r := int(sweep % 2); r+1 < len(l.Temperatures); r += 2 {
		beta := 1/float64(l.Temperatures[r]) - 1/float64(l.Temperatures[r+1])
		row := l.rows[0]
		row.Stream.Uniform(l.swap, uint64(r), sweep, rng.Swap)
		for c := range l.Chains {
			i, j := r*l.Chains+c, (r+1)*l.Chains+c
			if tensor.LogF64(float64(l.swap[c])) >= beta*(l.energy[i]-l.energy[j]) {
				continue
			}
			x, y := l.V.F32()[i*n:(i+1)*n], l.V.F32()[j*n:(j+1)*n]
			for k := range x {
				x[k], y[k] = y[k], x[k]
			}
		}
	}
}

// Geometric is a ladder of n temperatures from 1 to highest with equal ratios.
func Geometric(n int, highest float64) []float32 {
	t := make([]float32, n)
	for i := range t {
		t[i] = float32(tensor.PowF64(highest, float64(i)/float64(max(1, n-1))))
	}
	t[0] = 1
	return t
}
