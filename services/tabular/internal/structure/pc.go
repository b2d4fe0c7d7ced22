package structure

import (
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// PCOptions are those of the PC algorithm.
type PCOptions struct {
	Test     Test
	Alpha    float64 // fields are independent where p is above; 0 for 0.01
	MaxGiven int     // fields that a test conditions on at most; 0 for 3
	// MinRows is how many rows a test needs for each degree of freedom; one with fewer is not made, and the edge stays. 0
	// for none.
	MinRows float64
	// Check is called for every field and size of sets; its error, such as a context's, ends the search. nil for none.
	Check func() error
}

// Learned is what the PC algorithm found.
type Learned struct {
	Graph *Partial
	Tests int
	// P is [F, F] the greatest p-value of the tests of each pair: how nearly an edge was taken away, or the test that
	// did.
	P []float64
}

// PC finds the graph of all independencies by tests (Spirtes and Glymour, 1991), in the form whose result does not
// depend on the order of fields (Colombo and Maathuis, 2014): fields are tested given growing sets of neighbours, which
// are fixed for each size; a pair found independent is cut. Then u - v - w with u and w apart becomes a collider where
// v was not among the fields that made them independent, and Meek's rules direct what follows. Of contradicting
// colliders the one with the lowest fields stands.
func PC(t *table.Table, o PCOptions) (*Learned, error) {
	const op = "structure.PC"
	if err := checkTable(op, t); err != nil {
		return nil, err
	}
	if o.Alpha == 0 {
		o.Alpha = 0.01
	}
	if o.MaxGiven == 0 {
		o.MaxGiven = 3
	}
	if !(o.Alpha > 0 && o.Alpha < 1) || o.MaxGiven < 0 || !(o.MinRows >= 0) || o.Test > ChiSquare {
		return nil, fault.E(fault.Invalid, "INVALID_OPTIONS", op,
			"alpha %v, %d fields given, %v rows, test %d; allowed are "+
				"alpha between 0 and 1, fields and rows from 0, and two tests", o.Alpha, o.MaxGiven, o.MinRows, o.Test)
	}
	F := len(t.Columns)
	l := &Learned{Graph: newPartial(F), P: make([]float64, F*F)}
	for u := range F {
		for v := range u {
			l.Graph.join(u, v)
		}
	}
	s := newTester(t, o.Test)
	apart := make([][]int, F*F) // what made u and v independent
	for size := 0; size <= o.MaxGiven; size++ {
		near := make([][]int, F)
		more := false
		for v := range near {
			near[v] = l.Graph.neighbours(v)
			more = more || len(near[v]) > size
		}
		if !more {
			break
		}
		for u := range F {
			if err := check(o.Check); err != nil {
				return nil, err
			}
			for _, v := range near[u] {
				if l.Graph.Adjacent(u, v) {
					l.try(s, &o, u, v, near[u], size, apart)
				}
			}
		}
	}
	l.Tests = s.tests
	l.collide(apart)
	l.Graph.meek()
	return l, nil
}

// try tests u and v given all sets of the given size of u's neighbours, and cuts them where one makes them independent.
func (l *Learned) try(s *tester, o *PCOptions, u, v int, near []int, size int, apart [][]int) {
	F := l.Graph.F
	var others []int
	for _, w := range near {
		if w != v {
			others = append(others, w)
		}
	}
	if len(others) < size || size == 0 && u > v {
		return
	}
	pick := sequence(size)
	given := make([]int, size)
	for {
		for i, k := range pick {
			given[i] = others[k]
		}
		x, ok := s.test(min(u, v), max(u, v), given)
		if ok && float64(x.Rows) >= o.MinRows*float64(x.Degrees) {
			l.P[u*F+v] = max(l.P[u*F+v], x.P)
			l.P[v*F+u] = max(l.P[v*F+u], x.P)
			if x.P > o.Alpha {
				l.Graph.cut(u, v)
				set := append([]int{}, given...)
				apart[u*F+v], apart[v*F+u] = set, set
				return
			}
		}
		if !nextSet(pick, len(others)) {
			return
		}
	}
}

// nextSet is the next ascending choice from 0 to n-1; false after the last.
func nextSet(pick []int, n int) bool {
	for i := len(pick) - 1; i >= 0; i-- {
		if pick[i] < n-len(pick)+i {
			pick[i]++
			for j := i + 1; j < len(pick); j++ {
				pick[j] = pick[j-1] + 1
			}
			return true
		}
	}
	return false
}

// collide directs u -> v <- w.
func (l *Learned) collide(apart [][]int) {
	g := l.Graph
	for v := range g.F {
		near := g.neighbours(v)
		for i, u := range near {
			for _, w := range near[i+1:] {
				if g.Adjacent(u, w) || slices.Contains(apart[u*g.F+w], v) || g.Directed(v, u) || g.Directed(v, w) {
					continue
				}
				g.direct(u, v)
				g.direct(w, v)
			}
		}
	}
}
