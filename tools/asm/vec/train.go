package main

// trainKernels are what a step of training does besides products, each in one pass.
func trainKernels() []elementwise {
	pair := func(name string, f func(m *machine, y, dy value) value) elementwise {
		return elementwise{name: name, outs: []string{"dst"}, ins: []string{"y", "dy"},
			body: one(func(m *machine, in, _ []value) value { return m.canon(f(m, in[0], in[1])) })}
	}
	return []elementwise{
		pair("reluGrad", func(m *machine, y, dy value) value { return m.keep(m.cmp(gtOQ, y, m.zero()), dy) }),
		pair("tanhGrad", func(m *machine, y, dy value) value { return m.mul(dy, m.fnma(y, y, m.c("one"))) }),
		pair("sigmoidGrad", func(m *machine, y, dy value) value { return m.mul(dy, m.mul(y, m.sub(m.c("one"), y))) }),
		{name: "bceLogits", outs: []string{"dst"}, ins: []string{"x", "p"},
			body: one(func(m *machine, in, _ []value) value {
				return m.canon(m.sub(m.softplus(in[0]), m.mul(in[0], in[1])))
			})},
		{name: "bceLogitsGrad", outs: []string{"dst"}, ins: []string{"x", "p"}, scalars: []string{"c"},
			body: one(func(m *machine, in, s []value) value {
				return m.canon(m.mul(s[0], m.sub(m.sigmoid(in[0]), in[1])))
			})},
		{name: "crossEntropyGrad", outs: []string{"dst"}, ins: []string{"x"}, scalars: []string{"top", "l", "c"},
			body: one(func(m *machine, in, s []value) value {
				return m.canon(m.mul(s[2], m.exp(m.sub(m.sub(in[0], s[0]), s[1]))))
			})},
		{name: "adamWMean", outs: []string{"param", "m", "v", "mean"}, ins: []string{"param", "grad", "m", "v", "mean"},
			scalars: []string{"gs", "w1", "b2", "w2", "r2", "eps", "decay", "step", "t"},
			body: func(m *machine, in, s []value) []value {
				p, mm, v := m.adamW(in, s)
				return []value{p, mm, v, m.canon(m.fma(s[8], m.sub(p, in[4]), in[4]))}
			}},
	}
}

// adamW is the update of a parameter by its gradient and both moments.
func (m *machine) adamW(in, s []value) (param, first, second value) {
	g := m.mul(in[1], s[0])
	mm := m.canon(m.fma(s[1], m.sub(g, in[2]), in[2]))
	w := m.mul(s[3], m.mul(g, g))
	m.madd231(w, s[2], in[3])
	v := m.canon(w)
	den := m.fma(m.sqrt(v), s[4], s[5])
	p := m.mul(in[0], s[6])
	m.nmadd231(p, s[7], m.div(mm, den))
	return m.canon(p), mm, v
}
