package service

import (
	"math"
	"math/bits"
	"slices"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// significance is the p-value below which data speak against independence.
const significance = 0.05

// same is how far a product may be from the joint probability to be called equal.
const same = 1e-9

// independence holds the product of the terms' own probabilities against their joint one.
func (c *call) independence(m model.Querier, q *model.Query, a *model.Answer) (*tabularv1.Independence, error) {
	if !a.Method.Exact() {
		return nil, fault.InvalidField(c.op, "independence", "it is tested on exact probabilities, not on sampled ones")
	}
	joint, shape, err := c.cube(m, q, a)
	if err != nil {
		return nil, err
	}
	product, degrees := products(joint, shape)
	r := &tabularv1.Independence{}
	for i, p := range product {
		r.LargestDifference = max(r.LargestDifference, math.Abs(p-joint[i]))
	}
	r.Products = product
	if len(q.Event) > 0 {
		r.Products = product[:1] // of the event, all terms holding
	}
	r.Independent = r.LargestDifference <= same
	if a.Counts == nil {
		return r, nil
	}
	var g float64
	for i, p := range joint {
		if p > 0 {
			g += float64(2 * float64(float64(a.Total)*p) * tensor.LogF64(p/product[i]))
		}
	}
	g = max(0, g)
	p := 1.0
	if degrees > 0 {
		p = special.ChiSquareTail(g, float64(degrees))
	}
	r.G, r.Degrees, r.PValue = &g, int32(degrees), &p
	return r, nil
}

// cube is the joint distribution whose independence is asked for: of the targets, or of the terms of an event, each of
// which holds (0) or not (1).
func (c *call) cube(m model.Querier, q *model.Query, a *model.Answer) (joint []float64, shape []int, err error) {
	if len(q.Targets) > 0 {
		for _, t := range q.Targets {
			f := &c.schema().Fields[t]
			if f.Kind == table.Numeric {
				return nil, nil, fault.InvalidField(c.op, "independence", "%.80q is numeric; the test needs levels", f.Name)
			}
			shape = append(shape, len(f.Levels))
		}
		if len(shape) < 2 {
			return nil, nil, fault.InvalidField(c.op, "independence", "one target, want at least two")
		}
		return a.Cells, shape, nil
	}
	n := len(q.Event)
	if n < 2 || n > maxIndependent {
		return nil, nil, fault.InvalidField(c.op, "independence", "%d terms in the event, want 2 to %d", n, maxIndependent)
	}
	// holds[s] is the probability that the terms of the set s hold, whatever the others do; the cells follow by
	// inclusion and exclusion.
	holds := make([]float64, 1<<n)
	holds[0] = 1
	for set := 1; set < len(holds); set++ {
		sub := *q
		sub.Event, sub.Given = nil, slices.Clone(q.Given)
		for k := range n {
			if set>>k&1 == 1 {
				sub.Event = append(sub.Event, q.Event[k])
			} else if t := c.anything(q.Event[k].Field); !slices.ContainsFunc(q.Given, func(o model.Term) bool {
				return o.Field == t.Field
			}) {
				sub.Given = append(sub.Given, t) // all counts are of rows in which all terms are known
			}
		}
		r, err := m.Query(&sub)
		if err != nil {
			return nil, nil, err
		}
		holds[set] = r.Cells[0]
	}
	joint = make([]float64, len(holds))
	for cell := range joint { // bit n-1-k of a cell is set where term k does not hold
		must := 0
		for k := range n {
			if cell>>(n-1-k)&1 == 0 {
				must |= 1 << k
			}
		}
		var p float64
		for set := range holds {
			if set&must != must {
				continue
			}
			if bits.OnesCount(uint(set&^must))%2 == 0 {
				p += holds[set]
			} else {
				p -= holds[set]
			}
		}
		if joint[cell] = p; p < 1e-12 {
			joint[cell] = 0 // what is left of differences of equal numbers
		}
	}
	return joint, slices.Repeat([]int{2}, n), nil
}

// products are those of the marginals, cell by cell, and the degrees of freedom of a test of them.
func products(joint []float64, shape []int) (product []float64, degrees int) {
	product = slices.Repeat([]float64{1}, len(joint))
	step, cells, free := len(joint), 1, 0
	for _, n := range shape {
		step /= n
		marginal := make([]float64, n)
		for i, p := range joint {
			marginal[i/step%n] += p
		}
		used := 0
		for _, p := range marginal {
			if p > 0 {
				used++
			}
		}
		cells *= max(used, 1)
		free += max(used-1, 0)
		for i := range product {
			product[i] *= marginal[i/step%n]
		}
	}
	return product, cells - 1 - free
}

// anything is a condition that every row meets in which a field is known.
func (c *call) anything(field int) model.Term {
	t := model.Term{Field: field}
	f := &c.schema().Fields[field]
	if f.Kind == table.Numeric {
		t.Lo, t.Hi = math.Inf(-1), math.Inf(1)
		return t
	}
	for k := range f.Levels {
		t.Codes = append(t.Codes, int32(k))
	}
	return t
}
