package bayesnet

import (
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// MaxStates is the most assignments of the unknown categorical fields that enumeration goes through.
const MaxStates = 1 << 20

// enumerate calls visit with every assignment of the categorical fields that evidence allows and its probability, the
// density of what is known of numeric fields included: the definition of the joint distribution, with nothing clever.
func (n *Network) enumerate(op string, e *evidence, visit func(value []int, p float64)) error {
	states := 1.0
	for v := range n.nodes {
		if n.categorical(v) {
			states *= float64(n.card(e, v))
		}
	}
	if states > MaxStates {
		return fault.E(fault.Overloaded, "TOO_MANY_STATES", op,
			"enumeration would go through %.3g assignments, at most %d: "+
				"ask for variable elimination", states, MaxStates)
	}
	var densities []*factor
	for g := range n.groups {
		f, err := n.groupFactor(op, e, g)
		if err != nil {
			return err
		}
		if f != nil {
			densities = append(densities, f)
		}
	}
	codes, value := make([]int32, len(n.nodes)), make([]int, len(n.nodes))
	for {
		p := 1.0
		for v := range n.nodes {
			if n.categorical(v) {
				codes[v] = int32(e.code(v, value[v])) //nolint:gosec // a level
			}
		}
		for v := range n.nodes {
			if n.categorical(v) {
				p *= n.probability(v, codes)
			}
		}
		for _, f := range densities {
			at := 0
			for j, v := range f.vars {
				at = at*f.card[j] + value[v]
			}
			p *= f.cells[at] * tensor.ExpF64(f.log)
		}
		visit(value, p)
		v := len(n.nodes) - 1
		for ; v >= 0; v-- {
			if !n.categorical(v) {
				continue
			}
			if value[v]++; value[v] < n.card(e, v) {
				break
			}
			value[v] = 0
		}
		if v < 0 {
			return nil
		}
	}
}

// byEnumeration answers from all assignments.
func (k *question) byEnumeration(op string) (*model.Answer, error) {
	n := k.net
	if len(k.Event) > 0 {
		return k.eventBy(model.Enumeration, func(e *evidence) (float64, error) {
			var sum float64
			if err := n.enumerate(op, e, func(_ []int, p float64) { sum += p }); err != nil {
				return 0, err
			}
			if sum == 0 {
				return 0, errZero
			}
			return tensor.LogF64(sum), nil
		})
	}
	categorical, numeric := k.split()
	scopes := [][]int{n.unknown(k.e, categorical)}
	var views []*view
	for _, v := range numeric {
		w, err := n.view(op, k.e, n.groupOf[v], n.relevant(k.e, []int{v}))
		if err != nil {
			return nil, err
		}
		views, scopes = append(views, w), append(scopes, w.vars)
	}
	fs := make([]*factor, len(scopes))
	for i, vars := range scopes {
		fs[i] = &factor{vars: vars}
		for _, v := range vars {
			fs[i].card = append(fs[i].card, n.card(k.e, v))
		}
		fs[i].cells = make([]float64, size(fs[i].card))
	}
	var sum float64
	err := n.enumerate(op, k.e, func(value []int, p float64) {
		sum += p
		for _, f := range fs {
			at := 0
			for j, v := range f.vars {
				at = at*f.card[j] + value[v]
			}
			f.cells[at] += p
		}
	})
	if err != nil {
		return nil, err
	}
	if sum == 0 {
		return nil, errZero
	}
	a := &model.Answer{Method: model.Enumeration, Evidence: tensor.LogF64(sum)}
	if len(categorical) > 0 {
		a.Cells = n.spread(k.e, fs[0], categorical)
	}
	if len(numeric) > 0 {
		k.numbers(a)
	}
	for i, v := range numeric {
		j := slices.Index(k.Targets, v)
		a.Mean[j], a.Variance[j] = views[i].mixture(fs[i+1], slices.Index(views[i].fields, v))
	}
	return a, nil
}
