package bayesnet

import "slices"

// eliminate is variable elimination: the product of all factors, summed over every field that is not in keep
// (ascending, none of them known). Fields go in the order of plan; each goes by multiplying the factors that have it.
func (n *Network) eliminate(op string, e *evidence, fs []*factor, keep []int) (*factor, error) {
	card := func(v int) int { return n.card(e, v) }
	scopes := make([][]int, len(fs))
	for i, f := range fs {
		scopes[i] = f.vars
	}
	keepCard := make([]int, len(keep))
	last := 1.0
	for i, v := range keep {
		keepCard[i] = card(v)
		last *= float64(keepCard[i])
	}
	steps := plan(scopes, keep, card)
	if err := affordable(op, steps, last); err != nil {
		return nil, err
	}
	for _, s := range steps {
		var has []*factor
		fs = slices.DeleteFunc(fs, func(f *factor) bool {
			if slices.Contains(f.vars, s.field) {
				has = append(has, f)
				return true
			}
			return false
		})
		restCard := make([]int, len(s.rest))
		for i, v := range s.rest {
			restCard[i] = card(v)
		}
		rest, restCard := cover(has, s.rest, restCard)
		fs = append(fs, multiply(has, rest, restCard, []int{s.field}, []int{card(s.field)}, plus))
	}
	return multiply(fs, keep, keepCard, nil, nil, plus), nil
}

// cover leaves of rest what a factor has: edges among the kept fields make the plan's cliques larger than the tables.
func cover(fs []*factor, rest, card []int) (vars, cards []int) {
	for i, v := range rest {
		for _, f := range fs {
			if slices.Contains(f.vars, v) {
				vars, cards = append(vars, v), append(cards, card[i])
				break
			}
		}
	}
	return vars, cards
}

// relevant marks the fields that an answer about targets under evidence depends on: they and what is given, with all
// their ancestors. The others sum to 1.
func (n *Network) relevant(e *evidence, targets []int) []bool {
	mark := make([]bool, len(n.nodes))
	for _, v := range targets {
		mark[v] = true
	}
	for v := range n.nodes {
		if e.codes[v] != nil || e.given[v] {
			mark[v] = true
		}
	}
	for i := len(n.order) - 1; i >= 0; i-- {
		if v := n.order[i]; mark[v] {
			for _, p := range n.nodes[v].Parents {
				mark[p] = true
			}
		}
	}
	return mark
}

// factors are those of the relevant categorical fields, and one for every group of numeric fields in which something is
// given.
func (n *Network) factors(op string, e *evidence, mark []bool) ([]*factor, error) {
	var fs []*factor
	for v := range n.nodes {
		if mark[v] && n.categorical(v) {
			fs = append(fs, n.tableFactor(e, v))
		}
	}
	for g := range n.groups {
		f, err := n.groupFactor(op, e, g)
		if err != nil {
			return nil, err
		}
		if f != nil {
			fs = append(fs, f)
		}
	}
	return fs, nil
}
