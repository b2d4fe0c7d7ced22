package rbm

// Fill writes the visible units of a picture in [0, 1] to v, labels off: a Softmax pixel has the unit on whose level
// k/(K-1) is nearest.
func (m *RBM) Fill(v, x []float32) {
	clear(v)
	if m.Units != Softmax {
		copy(v, x[:m.Pixels])
		return
	}
	for p, g := range x[:m.Pixels] {
		k := int(float32(g*float32(m.Levels-1)) + 0.5)
		v[p*m.Levels+min(max(k, 0), m.Levels-1)] = 1
	}
}

// Picture writes the mean picture of visible units, in [0, 1]: a Softmax pixel's is that of its levels, a Gaussian
// one's the nearest number within.
func (m *RBM) Picture(x, v []float32) {
	switch m.Units {
	case Binary:
		copy(x[:m.Pixels], v)
		return
	case Gaussian:
		for i, g := range v[:m.Pixels] {
			x[i] = min(max(g, 0), 1)
		}
		return
	}
	for p := range m.Pixels {
		var s float64
		for k, q := range v[p*m.Levels : (p+1)*m.Levels] {
			s += float64(float64(q) * float64(k))
		}
		x[p] = float32(s / float64(m.Levels-1))
	}
}
