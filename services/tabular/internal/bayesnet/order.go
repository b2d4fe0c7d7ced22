package bayesnet

import (
	"math/bits"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
)

// step is the elimination of a field: its neighbours at that time, with which it makes a clique.
type step struct {
	field int
	rest  []int // ascending
	cells float64
}

// plan orders the elimination of all fields in the scopes but those in keep, each time taking the field whose
// neighbours lack the fewest edges among them (min-fill), of several the one with the smallest table, of those the
// lowest. card is by field. What it costs is known before a table is made.
func plan(scopes [][]int, keep []int, card func(v int) int) []step {
	fields := append([]int(nil), keep...)
	for _, s := range scopes {
		fields = append(fields, s...)
	}
	slices.Sort(fields)
	fields = slices.Compact(fields)
	g := newGraph(len(fields))
	place := func(v int) int { i, _ := slices.BinarySearch(fields, v); return i }
	for _, s := range scopes {
		for i, a := range s {
			for _, b := range s[:i] {
				g.link(place(a), place(b))
			}
		}
	}
	for i, a := range keep {
		for _, b := range keep[:i] {
			g.link(place(a), place(b))
		}
	}
	g.alive = make([]bool, len(fields))
	cards := make([]float64, len(fields))
	for i, v := range fields {
		g.alive[i] = !slices.Contains(keep, v)
		cards[i] = float64(card(v))
	}
	return g.eliminate(fields, cards)
}

// graph is undirected, on 0..n-1, with rows of bits.
type graph struct {
	words int
	rows  [][]uint64
	alive []bool
}

func newGraph(n int) *graph {
	g := &graph{words: (n + 63) / 64, rows: make([][]uint64, n)}
	for i := range g.rows {
		g.rows[i] = make([]uint64, g.words)
	}
	return g
}

func (g *graph) link(a, b int) {
	g.rows[a][b/64] |= 1 << (b % 64)
	g.rows[b][a/64] |= 1 << (a % 64)
}

func (g *graph) neighbours(a int) []int {
	var out []int
	for w, x := range g.rows[a] {
		for ; x != 0; x &= x - 1 {
			out = append(out, 64*w+bits.TrailingZeros64(x))
		}
	}
	return out
}

// missing counts the edges that the neighbours of a lack.
func (g *graph) missing(near []int, a int) int {
	total := 0
	for _, b := range near {
		for w, x := range g.rows[a] {
			total += bits.OnesCount64(x &^ g.rows[b][w])
		}
		total-- // b itself
	}
	return total / 2
}

func (g *graph) eliminate(fields []int, cards []float64) []step {
	n := len(fields)
	fill, cells := make([]int, n), make([]float64, n)
	price := func(a int) {
		near := g.neighbours(a)
		fill[a], cells[a] = g.missing(near, a), cards[a]
		for _, b := range near {
			cells[a] *= cards[b]
		}
	}
	for a := range n {
		price(a)
	}
	var steps []step
	for {
		best := -1
		for a := range n {
			if g.alive[a] && (best < 0 || fill[a] < fill[best] || fill[a] == fill[best] && cells[a] < cells[best]) {
				best = a
			}
		}
		if best < 0 {
			return steps
		}
		near := g.neighbours(best)
		s := step{field: fields[best], cells: cells[best], rest: make([]int, len(near))}
		for i, a := range near {
			s.rest[i] = fields[a]
			for _, b := range near[:i] {
				g.link(a, b)
			}
			g.rows[a][best/64] &^= 1 << (best % 64)
		}
		g.alive[best] = false
		steps = append(steps, s)
		g.reprice(near, price)
	}
}

// reprice looks again at the fields whose price an elimination may have changed: its neighbours and theirs.
func (g *graph) reprice(near []int, price func(a int)) {
	touched := make([]uint64, g.words)
	for _, a := range near {
		touched[a/64] |= 1 << (a % 64)
		for w, x := range g.rows[a] {
			touched[w] |= x
		}
	}
	for w, x := range touched {
		for ; x != 0; x &= x - 1 {
			if a := 64*w + bits.TrailingZeros64(x); g.alive[a] {
				price(a)
			}
		}
	}
}

// affordable says whether the tables of a plan and a last one of the given size fit; widest is the greatest number of
// fields in one.
func affordable(op string, steps []step, last float64) error {
	sum, widest := last, 0
	for _, s := range steps {
		sum += s.cells
		widest = max(widest, len(s.rest)+1)
	}
	if sum > MaxCells {
		return fault.E(fault.Overloaded, "TREEWIDTH", op, "an exact answer needs tables of %.3g cells, over as many as %d "+
			"fields at a time; at most %d cells are made: ask for likelihood weighting or Gibbs sampling", sum, widest,
			MaxCells)
	}
	return nil
}
