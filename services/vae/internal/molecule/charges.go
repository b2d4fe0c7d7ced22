package molecule

// separateCharges writes by charges what custom writes with too many bonds: the nitrogen of nitro groups, N-oxides,
// azides and diazo groups, and the halogens of oxo acids.
func (m *Molecule) separateCharges() {
	for i := range m.Atoms {
		a := &m.Atoms[i]
		sum := a.fixed + a.Hydrogens
		if a.Charge != 0 {
			continue
		}
		switch a.Element {
		case nitrogen:
			if sum != 5 && !(a.Aromatic && sum == 4) {
				continue
			}
			if !m.separate(i, oxygen, 2, 1) && !m.separate(i, nitrogen, 3, 1) {
				m.separate(i, nitrogen, 2, 1)
			}
		case chlorine, bromine, iodine:
			if (sum == 3 || sum == 5 || sum == 7) && m.oxo(i) {
				for m.separate(i, oxygen, 2, 1) {
					continue
				}
			}
		}
	}
}

// separate takes one bond of the given order from atom i to a neighbour at the end of a chain, and leaves it the
// electrons. It says whether there was one.
func (m *Molecule) separate(i, element, order, degree int) bool {
	for j := range m.Bonds {
		b := &m.Bonds[j]
		if b.A != i && b.B != i || b.Order != order {
			continue
		}
		a, to := &m.Atoms[i], &m.Atoms[b.A+b.B-i]
		if to.Element != element || to.Charge != 0 || to.degree != degree {
			continue
		}
		b.Order--
		a.fixed--
		to.fixed--
		a.Charge++
		to.Charge--
		a.double = false
		for _, other := range m.Bonds {
			if (other.A == i || other.B == i) && other.Order == 2 {
				a.double = true
			}
		}
		to.double = b.Order == 2
		return true
	}
	return false
}

// oxo says whether all neighbours of an atom are oxygen.
func (m *Molecule) oxo(i int) bool {
	for _, b := range m.Bonds {
		if (b.A == i || b.B == i) && m.Atoms[b.A+b.B-i].Element != oxygen {
			return false
		}
	}
	return true
}
