package vq

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Averages is the codebook's moving averages (2017, appendix A.1) and what is known about the use of its vectors. With
// n_i positions of a step nearest to vector i and s_i the sum of the encoder's vectors there,
//
//	N_i <- gamma N_i + (1-gamma) n_i,   m_i <- gamma m_i + (1-gamma) s_i,   e_i = m_i / N_i
type Averages struct {
	Count *tensor.Tensor // N [V]
	Sum   *tensor.Tensor // m [V, E]
	Idle  *tensor.Tensor // steps since a position was nearest [V]

	model *VQ
	learn Learning
	step  int
	n, s  []float64 // of the step in progress, over its micro-batches
	last  []float32 // the encoder's vectors of the last micro-batch
}

// NewAverages begins with no past. Every vector counts as idle for so long that those which the first step does not
// use are replaced by the encoder's.
func NewAverages(m *VQ, l Learning) *Averages {
	v, e := m.cfg.Vectors, m.cfg.Size
	a := &Averages{
		Count: tensor.New(tensor.Float32, v), Sum: tensor.New(tensor.Float32, v, e), Idle: tensor.New(tensor.Float32, v),
		model: m, learn: l, step: -1, n: make([]float64, v), s: make([]float64, v*e),
	}
	a.Idle.Fill(float64(l.Revive))
	return a
}

// State is what a checkpoint must hold.
func (a *Averages) State() []weights.Param {
	return []weights.Param{
		{Name: "codebook.count", Tensor: a.Count}, {Name: "codebook.sum", Tensor: a.Sum},
		{Name: "codebook.idle", Tensor: a.Idle},
	}
}

// Observe adds a micro-batch of a step: the encoder's vectors z [R, E] and their nearest ones.
func (a *Averages) Observe(step int, z *tensor.Tensor, index []int32) {
	if step != a.step {
		clear(a.n)
		clear(a.s)
		a.step = step
	}
	e := a.model.cfg.Size
	a.last = append(a.last[:0], z.F32()...)
	for r, i := range index {
		a.n[i]++
		sum := a.s[int(i)*e : (int(i)+1)*e]
		for j, v := range a.last[r*e : (r+1)*e] {
			sum[j] += float64(v)
		}
	}
}

// Update ends a step: it moves the averages and the codebook with them, and revives idle vectors.
func (a *Averages) Update(s rng.Stream) {
	e := a.model.cfg.Size
	book, count, sum, idle := a.model.Book.F32(), a.Count.F32(), a.Sum.F32(), a.Idle.F32()
	for i := range a.n {
		vector, mean := book[i*e:(i+1)*e], sum[i*e:(i+1)*e]
		if idle[i]++; a.n[i] > 0 {
			idle[i] = 0
		}
		if a.learn.Decay > 0 {
			a.average(i, vector, mean)
		}
		if a.learn.Revive > 0 && idle[i] >= float32(a.learn.Revive) {
			a.revive(i, vector, s)
			copy(mean, vector)
			count[i], idle[i] = 1, 0
		}
	}
	a.model.Book.Changed()
}

// average moves the averages of vector i.
func (a *Averages) average(i int, vector, mean []float32) {
	const least = 1e-5 // a vector that nothing is near to stays where it is
	g, count := a.learn.Decay, a.Count.F32()
	now := float64(g*float64(count[i])) + float64((1-g)*a.n[i])
	count[i] = float32(now)
	for j := range mean {
		m := float64(g*float64(mean[j])) + float64((1-g)*a.s[i*len(mean)+j])
		if mean[j] = float32(m); now > least {
			vector[j] = float32(m / now)
		}
	}
}

// revive puts vector i where the encoder was at a position of the step's last micro-batch.
func (a *Averages) revive(i int, vector []float32, s rng.Stream) {
	var at [1]int32
	s.Ints(at[:], int32(len(a.last)/len(vector)), uint64(i), uint32(a.step), rng.Choice)
	copy(vector, a.last[int(at[0])*len(vector):])
}
