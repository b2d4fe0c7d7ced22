package structure

import (
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// HillOptions are those of hill-climbing; the zero value climbs on BIC without bound on parents.
type HillOptions struct {
	Score      Score
	Sample     float64    // rows that BDeu's prior is worth; 0 for 1
	MaxParents int        // of a field; 0 for 8
	Tabu       int        // steps that may not improve before the climb ends; the reversed ones are forbidden for as long
	Restarts   int        // climbs from the best structure so far, with Changes random edges changed
	Changes    int        // 0 for a tenth of the fields and at least two
	Stream     rng.Stream // of the restarts
	Required   [][2]int   // edges, from and to, that are there from the start and stay
	Forbidden  [][2]int   // edges that are never made
	Start      [][]int    // parents to begin with; nil for none
	// Check is called before every step; its error, such as a context's, ends the search. nil for none.
	Check func() error
}

// Found is a structure with its score.
type Found struct {
	Parents [][]int
	Score   float64
	Fields  []float64 // the score of every field under its parents
	Scored  int       // families whose tables were counted
}

// least is what a step gains at least, so that rounding does not make it go in circles.
const least = 1e-9

// climber is a state of the search.
type climber struct {
	s         *scorer
	o         *HillOptions
	F         int
	parents   [][]int // ascending
	score     []float64
	ancestors []uint64 // [F, words]: whether u is an ancestor of v
	words     int
	fixed     []bool // [F, F] required
	banned    []bool // [F, F] forbidden
	tabu      []int  // [F, F] the step until which a change of the edge is forbidden
}

// change is a step: add, delete or reverse from -> to.
type change struct {
	kind     int
	from, to int
	gain     float64
}

const (
	add = iota
	remove
	reverse
)

// HillClimb starts from no edges and takes, each time, the addition, deletion or reversal of an edge that gains most,
// until none gains. A tabu list and restarts, where they are asked for, lead out of local maxima (Glover, 1989).
// Families are scored once.
func HillClimb(t *table.Table, o HillOptions) (*Found, error) {
	const op = "structure.HillClimb"
	if o.Sample == 0 {
		o.Sample = 1
	}
	if o.MaxParents == 0 {
		o.MaxParents = 8
	}
	if err := checkTable(op, t); err != nil {
		return nil, err
	}
	if err := checkScore(op, o.Score, o.Sample); err != nil {
		return nil, err
	}
	if o.MaxParents < 0 || o.Tabu < 0 || o.Tabu > 10_000 || o.Restarts < 0 || o.Restarts > 10_000 || o.Changes < 0 {
		return nil, fault.E(fault.Invalid, "INVALID_OPTIONS", op,
			"%d parents, %d tabu steps, %d restarts, %d changes; allowed "+
				"are parents from 1, and 0 to 10000 steps and restarts", o.MaxParents, o.Tabu, o.Restarts, o.Changes)
	}
	c := &climber{s: newScorer(t, o.Score, o.Sample), o: &o, F: len(t.Columns)}
	if err := c.begin(op); err != nil {
		return nil, err
	}
	best, err := c.climb()
	if err != nil {
		return nil, err
	}
	for r := range o.Restarts {
		c.perturb(best, uint64(r)) //nolint:gosec // not negative
		f, err := c.climb()
		if err != nil {
			return nil, err
		}
		if f.Score > best.Score+least {
			best = f
		}
	}
	best.Scored = len(c.s.known)
	return best, nil
}

// begin sets the first structure and the rules.
func (c *climber) begin(op string) error {
	F := c.F
	c.words = (F + 63) / 64
	c.fixed, c.banned, c.tabu = make([]bool, F*F), make([]bool, F*F), make([]int, F*F)
	c.parents = make([][]int, F)
	for i, list := range [][][2]int{c.o.Required, c.o.Forbidden} {
		for _, e := range list {
			if min(e[0], e[1]) < 0 || max(e[0], e[1]) >= F || e[0] == e[1] {
				return fault.E(fault.Invalid, "UNKNOWN_FIELD", op, "the edge from %d to %d; fields are 0 to %d, and differ",
					e[0],
					e[1], F-1)
			}
			if i == 0 {
				c.fixed[e[0]*F+e[1]] = true
				c.parents[e[1]] = append(c.parents[e[1]], e[0])
			} else {
				c.banned[e[0]*F+e[1]] = true
			}
			if c.fixed[e[0]*F+e[1]] && c.banned[e[0]*F+e[1]] {
				return fault.E(fault.Invalid, "INVALID_OPTIONS", op, "the edge from %d to %d is required and forbidden", e[0],
					e[1])
			}
		}
	}
	if c.o.Start != nil {
		if len(c.o.Start) != F {
			return fault.E(fault.Invalid, "INVALID_OPTIONS", op, "a start of %d fields, there are %d", len(c.o.Start), F)
		}
		for v, list := range c.o.Start {
			for _, p := range list {
				if p < 0 || p >= F || p == v || c.banned[p*F+v] {
					return fault.E(fault.Invalid, "INVALID_OPTIONS", op, "the start has the edge from %d to %d", p, v)
				}
			}
			c.parents[v] = append(c.parents[v], list...)
		}
	}
	for v := range c.parents {
		slices.Sort(c.parents[v])
		c.parents[v] = slices.Compact(c.parents[v])
	}
	if !c.trace() {
		return fault.E(fault.Invalid, "CYCLIC_NETWORK", op, "the edges that are required or started from make a cycle")
	}
	return c.rescore(op)
}

func (c *climber) rescore(op string) error {
	c.score = make([]float64, c.F)
	for v := range c.parents {
		x, ok := c.s.family(v, c.parents[v])
		if !ok {
			return fault.E(fault.Overloaded, "TABLE_TOO_LARGE", op,
				"the table of %q under its parents has more than %d cells",
				c.s.t.Schema.Fields[v].Name, maxFamily)
		}
		c.score[v] = x
	}
	return nil
}

// trace finds all ancestors; false where there is a cycle.
func (c *climber) trace() bool {
	order := topological(c.parents)
	if order == nil {
		return false
	}
	c.ancestors = make([]uint64, c.F*c.words)
	for _, v := range order {
		row := c.ancestors[v*c.words : (v+1)*c.words]
		for _, p := range c.parents[v] {
			row[p/64] |= 1 << (p % 64)
			for w, x := range c.ancestors[p*c.words : (p+1)*c.words] {
				row[w] |= x
			}
		}
	}
	return true
}

// topological orders fields, parents first; nil where there is a cycle.
func topological(parents [][]int) []int {
	waiting := make([]int, len(parents))
	children := make([][]int, len(parents))
	var order []int
	for v, list := range parents {
		waiting[v] = len(list)
		for _, p := range list {
			children[p] = append(children[p], v)
		}
		if len(list) == 0 {
			order = append(order, v)
		}
	}
	for i := 0; i < len(order); i++ {
		for _, w := range children[order[i]] {
			if waiting[w]--; waiting[w] == 0 {
				order = append(order, w)
			}
		}
	}
	if len(order) < len(parents) {
		return nil
	}
	return order
}

func (c *climber) ancestor(u, v int) bool { return c.ancestors[v*c.words+u/64]>>(u%64)&1 == 1 }

// gain is what v's score gains with other parents; -Inf where they are too many.
func (c *climber) gain(v int, parents []int) float64 {
	x, ok := c.s.family(v, parents)
	if !ok {
		return math.Inf(-1)
	}
	return x - c.score[v]
}

func with(list []int, v int) []int {
	i, _ := slices.BinarySearch(list, v)
	return slices.Insert(slices.Clone(list), i, v)
}

func without(list []int, v int) []int {
	i, _ := slices.BinarySearch(list, v)
	return slices.Delete(slices.Clone(list), i, i+1)
}

// options calls visit with every change that the rules and the absence of cycles allow.
func (c *climber) options(visit func(k change)) {
	F := c.F
	for u := range F {
		for v := range F {
			if u == v {
				continue
			}
			if _, linked := slices.BinarySearch(c.parents[v], u); !linked {
				if !c.ancestor(v, u) && !c.banned[u*F+v] && len(c.parents[v]) < c.o.MaxParents {
					visit(change{add, u, v, c.gain(v, with(c.parents[v], u))})
				}
				continue
			}
			if c.fixed[u*F+v] {
				continue
			}
			off := c.gain(v, without(c.parents[v], u))
			visit(change{remove, u, v, off})
			if c.banned[v*F+u] || len(c.parents[u]) >= c.o.MaxParents || c.around(u, v) {
				continue
			}
			visit(change{reverse, u, v, off + c.gain(u, with(c.parents[u], v))})
		}
	}
}

// around says whether a path leads from u to v besides the edge.
func (c *climber) around(u, v int) bool {
	for _, p := range c.parents[v] {
		if p != u && c.ancestor(u, p) {
			return true
		}
	}
	return false
}

func (c *climber) apply(k change) {
	u, v := k.from, k.to
	switch k.kind {
	case add:
		c.parents[v] = with(c.parents[v], u)
	case remove:
		c.parents[v] = without(c.parents[v], u)
	case reverse:
		c.parents[v] = without(c.parents[v], u)
		c.parents[u] = with(c.parents[u], v)
	}
	for _, w := range []int{u, v} {
		c.score[w], _ = c.s.family(w, c.parents[w])
	}
	c.trace()
}

// climb goes up, and with a tabu list on along the ridge, from where the climber stands; it returns the best it saw.
func (c *climber) climb() (*Found, error) {
	clear(c.tabu)
	best := c.found()
	for stepNo, idle := 1, 0; ; stepNo++ {
		if err := check(c.o.Check); err != nil {
			return nil, err
		}
		top := change{gain: math.Inf(-1)}
		c.options(func(k change) {
			if k.gain > top.gain && (c.tabu[k.from*c.F+k.to] < stepNo || c.total()+k.gain > best.Score+least) {
				top = k
			}
		})
		if math.IsInf(top.gain, -1) || top.gain <= least && c.o.Tabu == 0 {
			return best, nil
		}
		c.apply(top)
		c.tabu[top.from*c.F+top.to], c.tabu[top.to*c.F+top.from] = stepNo+c.o.Tabu, stepNo+c.o.Tabu
		if c.total() > best.Score+least {
			best, idle = c.found(), 0
		} else if idle++; idle > c.o.Tabu {
			return best, nil
		}
	}
}

func check(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

func (c *climber) total() float64 {
	var sum float64
	for _, x := range c.score {
		sum += x
	}
	return sum
}

func (c *climber) found() *Found {
	f := &Found{Parents: make([][]int, c.F), Score: c.total(), Fields: slices.Clone(c.score)}
	for v := range f.Parents {
		f.Parents[v] = slices.Clone(c.parents[v])
	}
	return f
}

// perturb stands at a structure with some random changes.
func (c *climber) perturb(from *Found, restart uint64) {
	for v := range c.parents {
		c.parents[v] = slices.Clone(from.Parents[v])
	}
	copy(c.score, from.Fields)
	c.trace()
	changes := c.o.Changes
	if changes == 0 {
		changes = max(2, c.F/10)
	}
	for i := range changes {
		var all []change
		c.options(func(k change) {
			if !math.IsInf(k.gain, -1) {
				all = append(all, k)
			}
		})
		if len(all) == 0 {
			return
		}
		var at [1]int32
		c.o.Stream.Ints(at[:], int32(len(all)), restart, uint32(i), rng.Choice) //nolint:gosec // at most 3 F^2
		c.apply(all[at[0]])
	}
}

// Edges are those of the structure, each with what its child's score loses without it.
func (f *Found) Edges(t *table.Table, o HillOptions) []model.Edge {
	if o.Sample == 0 {
		o.Sample = 1
	}
	s := newScorer(t, o.Score, o.Sample)
	edges := Edges(f.Parents)
	for i := range edges {
		if x, ok := s.family(edges[i].To, without(f.Parents[edges[i].To], edges[i].From)); ok {
			edges[i].Score = f.Fields[edges[i].To] - x
		}
	}
	return edges
}
