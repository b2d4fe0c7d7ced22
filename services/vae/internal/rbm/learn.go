package rbm

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Gradient is the derivative of the mean negative log-likelihood, <dE>_data - <dE>_model, with the model's side
// estimated by samples. Its tensors belong to the arena that they were computed in.
type Gradient struct {
	Weight      *tensor.Tensor // [V, H]: -<u h'>_data + <u h'>_model; nil of Sides
	VisibleBias *tensor.Tensor // [V]
	HiddenBias  *tensor.Tensor // [H]
	LogVariance *tensor.Tensor // [V]; nil unless Gaussian

	units, means *tensor.Tensor // [B+C, V] and [B+C, H]: Weight is their product
}

// Contrast is the gradient from B rows of data and C samples of the model: v0 [B, V], v1 [C, V], and the means of
// the hidden units given them, h0 [B, H] and h1 [C, H] (probabilities make for less noise than states; Hinton 2010,
// section 3). The products of both sides are one, over the rows of the data and then the samples.
func (m *RBM) Contrast(v0, h0, v1, h1 *tensor.Tensor, a *tensor.Arena) Gradient {
	g := m.Sides(v0, h0, v1, h1, a)
	g.Weight = a.New(tensor.Float32, m.Visible(), m.Hidden)
	g.WeightInto(g.Weight)
	return g
}

// WeightInto writes the gradient in the weights [V, H]. Pixels and sampled units are mostly 0, which is left out.
func (g Gradient) WeightInto(dst *tensor.Tensor) {
	tensor.MatMulSparse(dst, g.units, g.means, true, false, nil)
}

// Sides is Contrast but for the weights' gradient, which WeightInto then computes in the place where it is wanted.
func (m *RBM) Sides(v0, h0, v1, h1 *tensor.Tensor, a *tensor.Arena) Gradient {
	V, H := m.Visible(), m.Hidden
	B, C := v0.Dim(0), v1.Dim(0)
	g := Gradient{
		VisibleBias: a.New(tensor.Float32, V), HiddenBias: a.New(tensor.Float32, H),
		units: a.New(tensor.Float32, B+C, V), means: joined(h0, h1, a),
	}
	if m.Units == Gaussian {
		g.LogVariance = a.New(tensor.Float32, V)
	}
	mark := a.Mark()
	defer a.Release(mark)
	// Rows weighted by -1/B and 1/C, so that sums over rows are the difference of means: -u = dA/db.
	data, model := -1/float32(B), 1/float32(C)
	d := g.units
	tensor.Scale(tensor.FromFloat32(d.F32()[:B*V], B, V), v0, float64(data))
	tensor.Scale(tensor.FromFloat32(d.F32()[B*V:], C, V), v1, float64(model))
	weight := a.New(tensor.Float32, B+C, 1)
	for i := range weight.F32() {
		weight.F32()[i] = data
		if i >= B {
			weight.F32()[i] = model
		}
	}
	if m.Units == Gaussian {
		v := a.New(tensor.Float32, B+C, V)
		tensor.Concat(v, 0, v0, v1)
		m.contrastVariance(g.LogVariance, v, g.means, weight, a)
		tensor.Mul(d, d, m.precision(a))
	}
	tensor.Sum(g.VisibleBias, d, 0)
	h := a.New(tensor.Float32, B+C, H)
	tensor.Mul(h, g.means, weight)
	tensor.Sum(g.HiddenBias, h, 0)
	return g
}

// joined is the rows of x and then those of y, which may lie there already, as CD's means do.
func joined(x, y *tensor.Tensor, a *tensor.Arena) *tensor.Tensor {
	B, n := x.Dims2()
	C := y.Dim(0)
	if whole := x.F32(); cap(whole) >= (B+C)*n && B*C*n > 0 && &whole[:B*n+1][B*n] == &y.F32()[0] {
		return tensor.FromFloat32(whole[:(B+C)*n], B+C, n)
	}
	z := a.New(tensor.Float32, B+C, n)
	tensor.Concat(z, 0, x, y)
	return z
}

// contrastVariance is the gradient in z = log s^2: dE/dz = -exp(-z) ((v-b)^2/2 - v (W h)).
func (m *RBM) contrastVariance(g, v, h, weight *tensor.Tensor, a *tensor.Arena) {
	rows, V := v.Dims2()
	y, d := a.New(tensor.Float32, rows, V), a.New(tensor.Float32, rows, V)
	tensor.MatMul(y, h, m.Weight.Tensor, false, true)
	tensor.Mul(y, y, v)
	tensor.Sub(d, v, m.VisibleBias.Tensor)
	tensor.Square(d, d)
	tensor.ScaleAdd(d, 0.5, d, -1, y)
	tensor.Mul(d, d, weight)
	tensor.Sum(g, d, 0)
	tensor.Mul(g, g, m.precision(a))
	for i := m.pixelUnits(); i < V; i++ {
		g.F32()[i] = 0
	}
}

// Step says how CD draws: row i of the data from the stream's sample Draws[i].
type Step struct {
	Stream rng.Stream
	Draws  []uint64
	Rows   []rng.Row // room for one row each
	// Sampled makes the last reconstruction a draw, as learned variances need it, and not a mean.
	Sampled bool
	// Shown, if not nil, gets the means of the first reconstruction of the first rows: [at most B, V].
	Shown *tensor.Tensor
}

// at are the rows of draws of a sweep.
func (s *Step) at(sweep int) []rng.Row {
	s.Rows = s.Rows[:0]
	for _, d := range s.Draws {
		s.Rows = append(s.Rows, rng.Row{Stream: s.Stream, Sample: d, Step: uint32(sweep)})
	}
	return s.Rows
}

// CD is contrastive divergence (Hinton 2002): k sweeps from the data v0 [B, V]. It returns the means of the hidden
// units given the data, the reconstruction and the means given that. Samples drive the chain; the last reconstruction
// is the visible units' mean (Hinton 2010, section 3.2) unless s.Sampled.
func (m *RBM) CD(v0 *tensor.Tensor, k int, s *Step, a *tensor.Arena) (h0, v1, h1 *tensor.Tensor) {
	B, V := v0.Dims2()
	H := m.Hidden
	both := a.New(tensor.Float32, 2*B, H).F32() // as Sides wants them
	h0, h1 = tensor.FromFloat32(both[:B*H], B, H), tensor.FromFloat32(both[B*H:], B, H)
	v1 = a.New(tensor.Float32, B, V)
	m.HiddenMean(h0, v0, nil, a)
	mean := h0
	for i := range k {
		m.DrawHidden(h1, mean, s.at(i))
		m.VisibleMean(v1, h1, nil, a)
		if i == 0 && s.Shown != nil {
			copy(s.Shown.F32(), v1.F32())
		}
		if i < k-1 || s.Sampled {
			m.DrawVisible(v1, v1, s.Rows, nil, a)
		}
		m.HiddenMean(h1, v1, nil, a)
		mean = h1
	}
	return h0, v1, h1
}

// Sparsity adds cost*(q - target) to the gradient of the hidden biases, q the mean activity over the rows of h0: the
// derivative of cost/2 |q - target|^2 up to the units' slopes, which are left out (Lee, Ekanadham and Ng 2008; Hinton
// 2010, section 11).
func (g Gradient) Sparsity(h0 *tensor.Tensor, target, cost float64, a *tensor.Arena) {
	mark := a.Mark()
	defer a.Release(mark)
	q := a.New(tensor.Float32, h0.Dim(1))
	tensor.Mean(q, h0, 0)
	tensor.AddScalar(q, q, -target)
	tensor.AXPY(g.HiddenBias, cost, q)
}
