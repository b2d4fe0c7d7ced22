package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular"
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

// tabularFigure is a figure with the command that made it.
type tabularFigure struct {
	tabular.Figure
	Command string `json:"command"`
	Version string `json:"version"`
}

// tabularReport is the file of figures.
type tabularReport struct {
	report
	Results []tabularFigure `json:"results"`
}

// Run measures and prints the figures.
func (c evalTabularCmd) Run(ctx context.Context, g *Globals) error {
	data, err := g.locator()
	if err != nil {
		return err
	}
	all := tabularReport{report: g.report(nil)}
	if c.Out != "" {
		if err := writable(c.Out); err != nil {
			return err
		}
		if err := all.read(c.Out); err != nil {
			return err
		}
	}
	var made []tabularFigure
	for _, what := range c.What {
		figures, err := tabular.Evaluate(ctx, tabular.Eval{Data: data, What: what, Seed: c.Seed})
		if err != nil {
			return err
		}
		for _, f := range figures {
			made = append(made, tabularFigure{f, all.Command, all.Version})
			if !g.JSON {
				fmt.Fprintln(g.out, tabularLine(f))
			}
		}
	}
	if c.Out != "" {
		all.replace(made)
		text, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		if err := writeFile(c.Out, append(text, '\n')); err != nil {
			return err
		}
	}
	if g.JSON {
		return g.printJSON(made)
	}
	return nil
}

// read takes up the figures of a file that is there.
func (r *tabularReport) read(name string) error {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", name, bare(err))
	}
	var old tabularReport
	if err := json.Unmarshal(text, &old); err != nil {
		return fmt.Errorf("%s is no report of this command; name another file: %w", name, err)
	}
	r.Results = old.Results
	return nil
}

// replace puts new figures in the place of those of the same model and settings, or behind the others.
func (r *tabularReport) replace(made []tabularFigure) {
	for _, f := range made {
		i := slices.IndexFunc(r.Results, func(o tabularFigure) bool {
			return o.Model == f.Model && o.Data == f.Data && o.Settings == f.Settings && o.What == f.What
		})
		if i < 0 {
			r.Results = append(r.Results, f)
		} else {
			r.Results[i] = f
		}
	}
}

func tabularLine(f tabular.Figure) string {
	line := fmt.Sprintf("%s on %s: %s %.6g", f.Model, f.Data, f.What, f.Value)
	if f.Half > 0 {
		line += fmt.Sprintf(" +- %.2g", f.Half)
	}
	if f.Unit != "" {
		line += " " + f.Unit
	}
	if f.Baseline != nil {
		line += fmt.Sprintf(" [%s: %.6g]", f.Against, *f.Baseline)
	}
	if f.Settings != "" {
		line += " (" + f.Settings + ")"
	}
	return line
}
