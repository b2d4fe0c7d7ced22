package cli

import (
	"context"

	"github.com/manifold-gen/manifold/services/tabular"
	"github.com/manifold-gen/manifold/shared/metric"
)

type evalTabularCmd struct {
	What []string `default:"fractions,classifiers,curves,trees,structures,synthetic" help:"fractions (of the Titanic's passengers), classifiers (of them, 10x10 folds), curves (naive Bayes and logistic regression from few rows to many), trees (Chow-Liu beside naive Bayes), structures (of ALARM, learned back), synthetic (Adult), speed."`
	Seed uint64   `default:"1" help:"Decides folds, rows and draws."`
	Out  string   `help:"JSON file that the figures go into; what it has of the same model and settings is replaced." type:"path"`
}

// Help is shown below the flags.
func (evalTabularCmd) Help() string {
	return `Titanic and Adult are looked for below --data (tabular/titanic.csv, tabular/adult-train.csv) and can be
downloaded.

  manifold eval tabular --what fractions,classifiers
  manifold eval tabular --out docs/results/tabular.json`
}

// Run measures and prints the figures.
func (c evalTabularCmd) Run(ctx context.Context, g *Globals) error {
	data, err := g.locator()
	if err != nil {
		return err
	}
	return g.evaluate(c.What, c.Out, func(what string) ([]metric.Figure, error) {
		return tabular.Evaluate(ctx, tabular.Eval{Data: data, What: what, Seed: c.Seed})
	})
}
