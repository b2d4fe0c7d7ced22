package bayesnet

import (
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Do is the network after interventions (Pearl, "Causality", 2000): each field that a term sets loses its parents and
// has that value for certain. A term names one level, or one number.
func (n *Network) Do(do []model.Term) (*Network, error) {
	const op = "bayesnet.Do"
	if len(do) == 0 {
		return n, nil
	}
	m := &Network{schema: n.schema, nodes: slices.Clone(n.nodes)}
	set := make([]bool, len(n.nodes))
	for i := range do {
		t := &do[i]
		if err := n.addTerm(op, n.noEvidence(), t); err != nil {
			return nil, err
		}
		f := &n.schema.Fields[t.Field]
		if set[t.Field] {
			return nil, fault.E(fault.Invalid, "INVALID_TERM", op, "field %q is set twice", f.Name)
		}
		set[t.Field] = true
		if !n.categorical(t.Field) {
			if t.Lo != t.Hi {
				return nil, fault.E(fault.Invalid, "INVALID_TERM", op,
					"an intervention sets %q to one number, not to the interval [%v, %v)", f.Name, t.Lo, t.Hi)
			}
			m.nodes[t.Field] = Node{Mean: []float64{t.Lo}, Variance: []float64{0}}
			continue
		}
		if len(t.Codes) != 1 {
			return nil, fault.E(fault.Invalid, "INVALID_TERM", op,
				"an intervention sets %q to one level, not to %d", f.Name, len(t.Codes))
		}
		certain := make([]float64, len(f.Levels))
		certain[t.Codes[0]] = 1
		m.nodes[t.Field] = Node{Table: certain}
	}
	if err := m.link(); err != nil {
		return nil, err
	}
	for v := range set {
		m.fixed[v] = n.fixed[v] || set[v] && !n.categorical(v)
	}
	m.groupFields()
	return m, nil
}

// prepare is the network after interventions, and evidence on it.
func (n *Network) prepare(op string, given, do []model.Term) (*Network, *evidence, error) {
	m, err := n.Do(do)
	if err != nil {
		return nil, nil, err
	}
	e, err := m.observe(op, given)
	return m, e, err
}
