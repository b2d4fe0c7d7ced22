package molecule

import "fmt"

// perceive finds out the orders of aromatic bonds and the hydrogens that were not written, and refuses what has too
// many bonds or no Kekulé structure.
func (m *Molecule) perceive() error {
	edges, ringed := m.rings()
	for i := range m.Bonds {
		b := &m.Bonds[i]
		for _, a := range [2]int{b.A, b.B} {
			m.Atoms[a].fixed += b.Order
			m.Atoms[a].degree++
			m.Atoms[a].double = m.Atoms[a].double || b.Order == 2
		}
	}
	m.separateCharges()
	wants := make([]bool, len(m.Atoms)) // one bond of a Kekulé structure's double ones
	for i := range m.Atoms {
		a := &m.Atoms[i]
		if a.Aromatic && !ringed[i] {
			return &Error{0, fmt.Sprintf("atom %d is written as aromatic, but is in no ring", i+1)}
		}
		var err string
		if wants[i], err = m.bonds(i); err != "" {
			return &Error{0, fmt.Sprintf("atom %d (%s): %s", i+1, symbols[a.Element-1], err)}
		}
	}
	if !m.kekulise(edges, wants) {
		return &Error{0, "the aromatic rings have no Kekulé structure"}
	}
	return nil
}

// bonds checks the sum of an atom's bonds, counts its hydrogens, and says whether it takes part in a double bond that
// was not written.
func (m *Molecule) bonds(i int) (wants bool, wrong string) {
	a := &m.Atoms[i]
	most := allowed(a.Element, a.Charge)
	sum := a.fixed + a.Hydrogens
	if most == nil {
		return false, ""
	}
	target := -1
	for _, v := range most {
		if v >= sum {
			target = v
			break
		}
	}
	if target < 0 {
		return false, fmt.Sprintf("%d bonds and hydrogens, at most %d", sum, most[len(most)-1])
	}
	free := target - sum
	wants = a.Aromatic && !a.double && free > 0
	if wants {
		free--
	}
	if !a.bracket {
		a.Hydrogens = free
	}
	return wants, ""
}

// rings returns the bonds between aromatic atoms that lie in a ring, and makes the others single: what joins two rings
// is written like a bond within one. It also says which atoms lie in rings. A bond lies in a ring unless it is a bridge
// (Tarjan 1974).
func (m *Molecule) rings() (edges []int, ringed []bool) {
	n := len(m.Atoms)
	next := make([][]int, n) // bonds of every atom
	for i, b := range m.Bonds {
		next[b.A], next[b.B] = append(next[b.A], i), append(next[b.B], i)
	}
	order, low, at := make([]int, n), make([]int, n), make([]int, n)
	bridge := make([]bool, len(m.Bonds))
	type visit struct{ atom, by int }
	clock := 0
	for root := range n {
		if order[root] != 0 {
			continue
		}
		clock++
		order[root], low[root] = clock, clock
		for stack := []visit{{root, -1}}; len(stack) > 0; {
			v := stack[len(stack)-1]
			if at[v.atom] == len(next[v.atom]) {
				stack = stack[:len(stack)-1]
				if v.by < 0 {
					continue
				}
				b := &m.Bonds[v.by]
				up := b.A + b.B - v.atom
				low[up] = min(low[up], low[v.atom])
				bridge[v.by] = low[v.atom] > order[up]
				continue
			}
			i := next[v.atom][at[v.atom]]
			at[v.atom]++
			if i == v.by {
				continue
			}
			to := m.Bonds[i].A + m.Bonds[i].B - v.atom
			if order[to] != 0 {
				low[v.atom] = min(low[v.atom], order[to])
				continue
			}
			clock++
			order[to], low[to] = clock, clock
			stack = append(stack, visit{to, i})
		}
	}
	ringed = make([]bool, n)
	for i := range m.Bonds {
		b := &m.Bonds[i]
		switch {
		case bridge[i]:
			b.Aromatic = false
			continue
		case b.Aromatic:
			edges = append(edges, i)
		}
		ringed[b.A], ringed[b.B] = true, true
	}
	return edges, ringed
}
