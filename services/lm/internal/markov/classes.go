package markov

import "slices"

// Class is a set of states that can reach each other.
type Class struct {
	States []int `json:"states"` // ascending
	// Closed classes are never left: their states are recurrent, all others transient.
	Closed bool `json:"closed"`
	// Period is the greatest common divisor of the lengths of all ways back; 0 where there is no way back.
	Period int `json:"period"`
}

// Classes are the communicating classes by their smallest states (Tarjan 1972, without recursion).
func (c *Chain) Classes() []Class {
	n := c.n()
	order, low := make([]int, n), make([]int, n) // 1-based; 0 is not yet met
	class := make([]int, n)
	for i := range class {
		class[i] = -1
	}
	var found [][]int
	var stack, path []int
	next := make([]int, n)
	count := 0
	for root := range n {
		if order[root] > 0 {
			continue
		}
		path = append(path, root)
		for len(path) > 0 {
			i := path[len(path)-1]
			if order[i] == 0 {
				count++
				order[i], low[i] = count, count
				stack = append(stack, i)
			}
			down := false
			for ; next[i] < n; next[i]++ {
				j := next[i]
				if c.p[i*n+j] == 0 || class[j] >= 0 {
					continue
				}
				if order[j] == 0 {
					path = append(path, j)
					down = true
					break
				}
				low[i] = min(low[i], low[j])
			}
			if down {
				continue
			}
			path = path[:len(path)-1]
			if low[i] == order[i] {
				var l []int
				for {
					j := stack[len(stack)-1]
					stack = stack[:len(stack)-1]
					class[j] = len(found)
					l = append(l, j)
					if j == i {
						break
					}
				}
				slices.Sort(l)
				found = append(found, l)
			}
		}
	}
	slices.SortFunc(found, func(a, b []int) int { return a[0] - b[0] })
	l := make([]Class, len(found))
	for k, s := range found {
		l[k] = Class{States: s, Closed: c.closed(s), Period: c.period(s)}
	}
	return l
}

// closed reports whether no transition leads out of the states.
func (c *Chain) closed(states []int) bool {
	in := c.set(states)
	for _, i := range states {
		for j, v := range c.row(i) {
			if v > 0 && !in[j] {
				return false
			}
		}
	}
	return true
}

func (c *Chain) set(states []int) []bool {
	in := make([]bool, c.n())
	for _, i := range states {
		in[i] = true
	}
	return in
}

// period is the greatest common divisor of depth(i) + 1 - depth(j) over the transitions i to j inside a class, where
// depths are distances from one of its states.
func (c *Chain) period(states []int) int {
	depth := make([]int, c.n())
	for i := range depth {
		depth[i] = -1
	}
	in := c.set(states)
	depth[states[0]] = 0
	g := 0
	for queue := states[:1:1]; len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		for j, v := range c.row(i) {
			if v == 0 || !in[j] {
				continue
			}
			if depth[j] < 0 {
				depth[j] = depth[i] + 1
				queue = append(queue, j)
				continue
			}
			d := depth[i] + 1 - depth[j]
			if d < 0 {
				d = -d
			}
			for d != 0 {
				g, d = d, g%d
			}
		}
	}
	return g
}

// reach marks the states from which one of the targets can be reached, the targets among them, on ways that do not
// pass through a blocked state.
func (c *Chain) reach(targets, blocked []bool) []bool {
	n := c.n()
	can := slices.Clone(targets)
	var queue []int
	for i, t := range targets {
		if t {
			queue = append(queue, i)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		for i := range n {
			if !can[i] && (blocked == nil || !blocked[i]) && c.p[i*n+queue[0]] > 0 {
				can[i] = true
				queue = append(queue, i)
			}
		}
	}
	return can
}
