package molecule

// kekulise makes double bonds of some of the given bonds so that every atom that wants one has one and no atom two: a
// perfect matching of those atoms. It says whether there is one.
func (m *Molecule) kekulise(edges []int, wants []bool) bool {
	g := matching{next: make([][]int, len(m.Atoms)), mate: make([]int, len(m.Atoms))}
	for i := range g.mate {
		g.mate[i] = -1
	}
	for _, i := range edges {
		if b := m.Bonds[i]; wants[b.A] && wants[b.B] {
			g.next[b.A], g.next[b.B] = append(g.next[b.A], b.B), append(g.next[b.B], b.A)
		}
	}
	for v, w := range wants {
		if w && g.mate[v] < 0 && !g.augment(v) {
			return false
		}
	}
	for _, i := range edges {
		if b := &m.Bonds[i]; g.mate[b.A] == b.B {
			b.Order = 2
		}
	}
	return true
}

// matching is Edmonds' algorithm ("Paths, trees, and flowers", 1965) for graphs with odd rings, which azulene and
// pentalene have: it looks for augmenting paths breadth first and contracts blossoms.
type matching struct {
	next         [][]int
	mate         []int
	parent, base []int
	inTree       []bool
}

// augment adds one pair to the matching so that root is matched. A root without an augmenting path never gets one.
func (g *matching) augment(root int) bool {
	n := len(g.next)
	g.parent, g.base, g.inTree = make([]int, n), make([]int, n), make([]bool, n)
	for i := range n {
		g.parent[i], g.base[i] = -1, i
	}
	g.inTree[root] = true
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		v := queue[0]
		for _, to := range g.next[v] {
			switch {
			case g.base[v] == g.base[to] || g.mate[v] == to:
			case to == root || g.mate[to] >= 0 && g.parent[g.mate[to]] >= 0:
				queue = append(queue, g.contract(v, to)...)
			case g.parent[to] < 0:
				g.parent[to] = v
				if g.mate[to] < 0 {
					g.flip(to)
					return true
				}
				g.inTree[g.mate[to]] = true
				queue = append(queue, g.mate[to])
			}
		}
	}
	return false
}

// flip swaps matched and unmatched edges on the path from a free vertex to the root.
func (g *matching) flip(v int) {
	for v >= 0 {
		p := g.parent[v]
		after := g.mate[p]
		g.mate[v], g.mate[p] = p, v
		v = after
	}
}

// contract makes one base of the blossom that the edge from v to w closes, and returns the vertices that thereby became
// outer ones.
func (g *matching) contract(v, w int) []int {
	top := g.ancestor(v, w)
	in := make([]bool, len(g.next))
	g.mark(v, top, w, in)
	g.mark(w, top, v, in)
	var outer []int
	for i := range g.next {
		if !in[g.base[i]] {
			continue
		}
		g.base[i] = top
		if !g.inTree[i] {
			g.inTree[i] = true
			outer = append(outer, i)
		}
	}
	return outer
}

// mark marks the bases between v and top, and leaves parents by which a path can go around the blossom.
func (g *matching) mark(v, top, child int, in []bool) {
	for g.base[v] != top {
		in[g.base[v]], in[g.base[g.mate[v]]] = true, true
		g.parent[v] = child
		child = g.mate[v]
		v = g.parent[g.mate[v]]
	}
}

// ancestor is the lowest common base of v and w in the tree.
func (g *matching) ancestor(v, w int) int {
	seen := make([]bool, len(g.next))
	for {
		v = g.base[v]
		seen[v] = true
		if g.mate[v] < 0 {
			break
		}
		v = g.parent[g.mate[v]]
	}
	for {
		w = g.base[w]
		if seen[w] {
			return w
		}
		w = g.parent[g.mate[w]]
	}
}
