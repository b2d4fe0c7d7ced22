package bayesnet

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// evidence is what is known of each field.
type evidence struct {
	codes [][]int32 // the levels that a categorical field may have, ascending; nil for all
	given []bool    // a numeric field is known
	lo    []float64 // it lies in [lo, hi), or is lo where lo = hi
	hi    []float64
	terms int
}

func (n *Network) noEvidence() *evidence {
	F := len(n.nodes)
	return &evidence{codes: make([][]int32, F), given: make([]bool, F), lo: make([]float64, F), hi: make([]float64, F)}
}

// observe turns a conjunction of terms into evidence; terms on one field must all hold. A contradiction is
// IMPOSSIBLE_EVIDENCE.
func (n *Network) observe(op string, terms ...[]model.Term) (*evidence, error) {
	e := n.noEvidence()
	for _, list := range terms {
		for i := range list {
			if err := n.addTerm(op, e, &list[i]); err != nil {
				return nil, err
			}
			e.terms++
		}
	}
	return e, nil
}

func (n *Network) addTerm(op string, e *evidence, t *model.Term) error {
	if t.Field < 0 || t.Field >= len(n.nodes) {
		return fault.E(fault.Invalid, "UNKNOWN_FIELD", op, "there is no field %d, fields are 0 to %d", t.Field,
			len(n.nodes)-1)
	}
	f := &n.schema.Fields[t.Field]
	if f.Kind == table.Numeric {
		return n.addNumber(op, e, t)
	}
	if len(t.Codes) == 0 {
		return fault.E(fault.Invalid, "INVALID_TERM", op, "the condition on %q names no level", f.Name)
	}
	for i, c := range t.Codes {
		if c < 0 || int(c) >= len(f.Levels) || i > 0 && c <= t.Codes[i-1] {
			return fault.E(fault.Invalid, "INVALID_TERM", op,
				"the condition on %q has the code %d; codes ascend from 0 to %d", f.Name, c, len(f.Levels)-1)
		}
	}
	old := e.codes[t.Field]
	if old == nil {
		e.codes[t.Field] = t.Codes
		return nil
	}
	var both []int32
	for _, c := range t.Codes {
		for _, o := range old {
			if c == o {
				both = append(both, c)
			}
		}
	}
	if len(both) == 0 {
		return impossible(op, "the conditions on %q contradict one another", f.Name)
	}
	e.codes[t.Field] = both
	return nil
}

func (n *Network) addNumber(op string, e *evidence, t *model.Term) error {
	v, f := t.Field, &n.schema.Fields[t.Field]
	lo, hi := t.Lo, t.Hi
	if !(lo <= hi) || lo == hi && math.IsInf(lo, 0) {
		return fault.E(fault.Invalid, "INVALID_TERM", op,
			"the condition on %q is the interval [%v, %v); it needs a lower end that is not above the upper", f.Name, lo, hi)
	}
	if !e.given[v] {
		e.given[v], e.lo[v], e.hi[v] = true, lo, hi
		return nil
	}
	a, b := e.lo[v], e.hi[v]
	switch {
	case a == b && lo == hi:
		if a != lo {
			return impossible(op, "the conditions on %q contradict one another", f.Name)
		}
	case lo == hi:
		if lo < a || lo >= b {
			return impossible(op, "the conditions on %q contradict one another", f.Name)
		}
		e.lo[v], e.hi[v] = lo, lo
	case a == b:
		if a < lo || a >= hi {
			return impossible(op, "the conditions on %q contradict one another", f.Name)
		}
	default:
		a, b = max(a, lo), min(b, hi)
		if a >= b {
			return impossible(op, "the conditions on %q contradict one another", f.Name)
		}
		e.lo[v], e.hi[v] = a, b
	}
	return nil
}

func impossible(op, format string, args ...any) error {
	return fault.E(fault.Precondition, "IMPOSSIBLE_EVIDENCE", op, format, args...)
}

var errZero = fault.E(fault.Precondition, "IMPOSSIBLE_EVIDENCE", "bayesnet",
	"what is given has probability zero under the model")

// point says that a numeric field is known exactly.
func (e *evidence) point(v int) bool { return e.given[v] && e.lo[v] == e.hi[v] }

// interval says that a numeric field is known to lie in one.
func (e *evidence) interval(v int) bool { return e.given[v] && e.lo[v] < e.hi[v] }

// card is the number of levels that a categorical field may have.
func (n *Network) card(e *evidence, v int) int {
	if c := e.codes[v]; c != nil {
		return len(c)
	}
	return n.levels(v)
}

// code is the level of the value i of a field among those that it may have.
func (e *evidence) code(v, i int) int {
	if c := e.codes[v]; c != nil {
		return int(c[i])
	}
	return i
}

// tableFactor is P(v | its parents) on the levels that evidence allows. Fields of which one level is left are not in
// its scope.
func (n *Network) tableFactor(e *evidence, v int) *factor {
	scope := append(append([]int(nil), n.discrete[v]...), v)
	f, steps, at := n.scope(e, scope)
	f.cells = make([]float64, size(f.card))
	c := &counter{card: f.card, value: make([]int, len(f.card))}
	t := n.nodes[v].Table
	for i := range f.cells {
		k := at
		for j, x := range c.value {
			k += steps[j] * e.code(f.vars[j], x)
		}
		f.cells[i] = t[k]
		c.next()
	}
	return f
}

// scope is an empty factor of those of fields, whose last changes fastest in a table, that are not known: the steps in
// the table for a level of each, and the place of the fields that are known.
func (n *Network) scope(e *evidence, fields []int) (f *factor, steps []int, at int) {
	f = &factor{}
	step := 1
	for i := len(fields) - 1; i >= 0; i-- {
		v := fields[i]
		if n.card(e, v) == 1 {
			at += step * e.code(v, 0)
		} else {
			j := len(f.vars)
			f.vars, f.card, steps = append(f.vars, v), append(f.card, n.card(e, v)), append(steps, step)
			for ; j > 0 && f.vars[j-1] > v; j-- {
				f.vars[j], f.card[j], steps[j] = f.vars[j-1], f.card[j-1], steps[j-1]
			}
			f.vars[j], f.card[j], steps[j] = v, n.card(e, v), step
		}
		step *= n.levels(v)
	}
	return f, steps, at
}
