package molecule

import "slices"

// Key is equal for two strings of one molecule. It is made of what InChI's layers of formula, connections, hydrogens
// and charge say: elements, isotopes, charges, hydrogens and who is bonded to whom. Orders of bonds, which follow from
// these but for resonance, and stereochemistry have no part in it.
//
// It is the hash of the colours that refinement gives (Weisfeiler and Leman 1968) when one atom after the other is
// given a colour of its own. Molecules that this does not tell apart are not known to occur; those that plain
// refinement confuses, such as decalin and bicyclopentyl, it does.
func (m *Molecule) Key() uint64 {
	n := len(m.Atoms)
	hidden := make([]bool, n) // hydrogens that were written as atoms count as if they had not been
	extra, next := make([]int, n), make([][]int, n)
	for _, b := range m.Bonds {
		for _, e := range [2][2]int{{b.A, b.B}, {b.B, b.A}} {
			a, to := &m.Atoms[e[0]], &m.Atoms[e[1]]
			if a.Element == hydrogen && a.Charge == 0 && a.Isotope == 0 && a.degree == 1 && to.Element != hydrogen {
				hidden[e[0]] = true
				extra[e[1]]++
			}
		}
	}
	for _, b := range m.Bonds {
		if !hidden[b.A] && !hidden[b.B] {
			next[b.A], next[b.B] = append(next[b.A], b.B), append(next[b.B], b.A)
		}
	}
	start := make([]uint64, n)
	for i, a := range m.Atoms {
		if hidden[i] {
			continue
		}
		for _, v := range []int{a.Element, a.Isotope, a.Charge, a.Hydrogens + extra[i], len(next[i])} {
			start[i] = mix(start[i], uint64(int64(v)))
		}
	}
	r := refiner{next: next, hidden: hidden, old: make([]uint64, n), new: make([]uint64, n)}
	all := make([]uint64, 0, n)
	for i := range n {
		if !hidden[i] {
			all = append(all, r.hash(start, i))
		}
	}
	return fold(all)
}

type refiner struct {
	next     [][]int
	hidden   []bool
	old, new []uint64
	near     []uint64
	distinct []uint64
}

// hash is that of the refined colours when atom i has one of its own.
func (r *refiner) hash(start []uint64, i int) uint64 {
	copy(r.old, start)
	r.old[i] = mix(r.old[i], 0xa5a5)
	colours := 0
	for {
		for v, to := range r.next {
			r.near = r.near[:0]
			for _, w := range to {
				r.near = append(r.near, r.old[w])
			}
			r.new[v] = mix(r.old[v], fold(r.near))
		}
		r.old, r.new = r.new, r.old
		r.distinct = r.distinct[:0]
		for v, c := range r.old {
			if !r.hidden[v] {
				r.distinct = append(r.distinct, c)
			}
		}
		h := fold(r.distinct) // sorts
		n := len(slices.Compact(r.distinct))
		if n == colours {
			return h
		}
		colours = n
	}
}

// fold hashes numbers without regard to their order, which it changes.
func fold(x []uint64) uint64 {
	slices.Sort(x)
	h := uint64(len(x))
	for _, v := range x {
		h = mix(h, v)
	}
	return h
}

// mix is one step of splitmix64 over both.
func mix(h, v uint64) uint64 {
	z := h*0x9e3779b97f4a7c15 + v + 0x632be59bd9b4e019
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
