package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/manifold-gen/manifold/shared/metric"
)

// evaluate measures what was asked for, prints it, and puts it into a file of figures where one is named.
func (g *Globals) evaluate(whats []string, out string, measure func(what string) ([]metric.Figure, error)) error {
	all := figureReport{report: g.report(nil)}
	if out != "" {
		if err := writable(out); err != nil {
			return err
		}
		if err := all.read(out); err != nil {
			return err
		}
	}
	var made []madeFigure
	for _, what := range whats {
		figures, err := measure(what)
		if err != nil {
			return err
		}
		for _, f := range figures {
			made = append(made, madeFigure{f, all.Command, all.Version})
			if !g.JSON {
				fmt.Fprintln(g.out, lineOf(f))
			}
		}
	}
	if out != "" {
		all.replace(made)
		text, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		if err := writeFile(out, append(text, '\n')); err != nil {
			return err
		}
	}
	if g.JSON {
		return g.printJSON(made)
	}
	return nil
}

// madeFigure is a figure with the command that made it.
type madeFigure struct {
	metric.Figure
	Command string `json:"command"`
	Version string `json:"version"`
}

// figureReport is the file of figures.
type figureReport struct {
	report
	Results []madeFigure `json:"results"`
}

// read takes up the figures of a file that is there.
func (r *figureReport) read(name string) error {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", name, bare(err))
	}
	var old figureReport
	if err := json.Unmarshal(text, &old); err != nil {
		return fmt.Errorf("%s is no report of this command; name another file: %w", name, err)
	}
	r.Results = old.Results
	return nil
}

// replace puts new figures in the place of those of the same model and settings, or behind the others.
func (r *figureReport) replace(made []madeFigure) {
	for _, f := range made {
		i := slices.IndexFunc(r.Results, func(o madeFigure) bool {
			return o.Model == f.Model && o.Data == f.Data && o.Settings == f.Settings && o.What == f.What
		})
		if i < 0 {
			r.Results = append(r.Results, f)
		} else {
			r.Results[i] = f
		}
	}
}

func lineOf(f metric.Figure) string {
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
