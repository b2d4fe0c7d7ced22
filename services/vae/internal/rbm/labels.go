package rbm

import "github.com/manifold-gen/manifold/shared/tensor"

// labelScores writes -F(v, l) less what no label changes, for the rows of v [B, V] whose label units are ignored, to
// p [B, L] (Larochelle and Bengio 2008): b_l + sum_j softplus(x_j + W_lj), x the inputs with all labels off.
func (m *RBM) labelScores(p, v *tensor.Tensor, a *tensor.Arena) {
	B, V := v.Dims2()
	n := m.pixelUnits()
	off := a.New(tensor.Float32, B, V)
	off.CopyFrom(v)
	for i := range B {
		clear(off.F32()[i*V+n : (i+1)*V])
	}
	x := a.New(tensor.Float32, B, 1, m.Hidden)
	m.HiddenInput(a.View(x, B, m.Hidden), off, a)
	weights := a.New(tensor.Float32, 1, m.Labels, m.Hidden)
	copy(weights.F32(), m.Weight.F32()[n*m.Hidden:])
	on := a.New(tensor.Float32, B, m.Labels, m.Hidden)
	tensor.Add(on, x, weights)
	tensor.Softplus(on, on)
	tensor.Sum(p, on, 2)
	bias := a.New(tensor.Float32, m.Labels)
	copy(bias.F32(), m.VisibleBias.F32()[n:])
	tensor.Add(p, p, bias)
}

// Classify writes p(label | pixels) of the rows of v [B, V], whose label units are ignored: p [B, L]. It is exact.
func (m *RBM) Classify(p, v *tensor.Tensor, a *tensor.Arena) {
	mark := a.Mark()
	defer a.Release(mark)
	m.labelScores(p, v, a)
	tensor.Softmax(p, p)
}

// MarginalFreeEnergy writes -log sum_l exp(-F(v, l)) of the rows of v [B, V]: the free energy of the pixels alone. For
// a machine without labels it is FreeEnergy.
func (m *RBM) MarginalFreeEnergy(dst []float64, v *tensor.Tensor, a *tensor.Arena) {
	if m.Labels == 0 {
		m.FreeEnergy(dst, v, a)
		return
	}
	mark := a.Mark()
	defer a.Release(mark)
	B, V := v.Dims2()
	p := a.New(tensor.Float32, B, m.Labels)
	m.labelScores(p, v, a)
	pixels := a.New(tensor.Float32, V)
	for i := range B {
		copy(pixels.F32(), v.F32()[i*V:(i+1)*V])
		clear(pixels.F32()[m.pixelUnits():])
		dst[i] = m.visibleEnergy(pixels.F32()) - logSum(widen(p.F32()[i*m.Labels:(i+1)*m.Labels]))
	}
}

// SetLabels writes the label units of the rows of v [B, V]: the class where it is 0 or more, p(label | pixels)
// elsewhere.
func (m *RBM) SetLabels(v *tensor.Tensor, class []int32, a *tensor.Arena) {
	if m.Labels == 0 {
		return
	}
	mark := a.Mark()
	defer a.Release(mark)
	B, V := v.Dims2()
	p := a.New(tensor.Float32, B, m.Labels)
	m.Classify(p, v, a)
	for i := range B {
		copy(v.F32()[i*V+m.pixelUnits():(i+1)*V], p.F32()[i*m.Labels:])
	}
	m.Clamp(v, class)
}
