package recipe

import (
	"context"

	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesfit"
	"github.com/manifold-gen/manifold/services/tabular/internal/structure"
)

// learn finds the parents of every field.
func (n *networkModel) learn(ctx context.Context, t *training, required, forbidden [][2]int) ([][]int, error) {
	if n.Learn == "chow-liu" {
		root := 0
		if n.Root != "" {
			var err error
			if root, err = t.field("model.root", n.Root); err != nil {
				return nil, err
			}
		}
		s, err := t.data.Train()
		if err != nil {
			return nil, err
		}
		pairs, err := structure.CountPairs(until(ctx, s))
		if err != nil {
			return nil, err
		}
		parents, _, err := structure.ChowLiu(pairs, root)
		return parents, err
	}
	all, err := t.all(ctx)
	if err != nil {
		return nil, err
	}
	if n.Learn == private {
		secret, err := bayesfit.Secret()
		if err != nil {
			return nil, err
		}
		return structure.Private(all, structure.PrivateOptions{Epsilon: *n.Fit.Epsilon / 2, Degree: min(n.MaxParents, 4),
			Stream: secret, Check: ctx.Err})
	}
	score := structure.BIC
	if n.Score != "" {
		if score, err = structure.ParseScore(n.Score); err != nil {
			return nil, err
		}
	}
	if n.Learn == "hill-climb" {
		f, err := structure.HillClimb(all, structure.HillOptions{Score: score, MaxParents: n.MaxParents, Tabu: 10,
			Stream: rng.New(t.recipe.Seed), Required: required, Forbidden: forbidden, Check: ctx.Err})
		if err != nil {
			return nil, err
		}
		t.tell(map[string]float64{"negative_score": -f.Score / float64(max(1, all.Rows))})
		return f.Parents, nil
	}
	found, err := structure.PC(all, structure.PCOptions{Alpha: n.Alpha, Check: ctx.Err})
	if err != nil {
		return nil, err
	}
	parents, _, err := found.Graph.Extend()
	return parents, err
}
