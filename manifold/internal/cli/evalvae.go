package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/manifold-gen/manifold/services/vae"
)

type evalVaeCmd struct {
	Model   string   `default:"vae-mnist" help:"name or name@version."`
	What    []string `default:"bounds" help:"bounds (of models with codes; a lower bound and reconstructions beside PCA), likelihood (of restricted Boltzmann machines, by annealed importance sampling), features (logistic regression on codes), finetune (of deep belief networks), neighbours (nearest codes, principal components and pixels: error, time, memory), molecules (valid, unique and new ones that a model of SMILES writes, beside a Markov chain's)."`
	Dataset string   `default:"mnist" help:"Data set whose split report is measured on."`
	Size    int      `help:"Height and width of the pictures; 0: the set's own."`
	Binary  bool     `help:"Bounds of pictures made binary."`
	Samples int      `help:"Importance samples of the bound; 0: only the ELBO."`
	Labels  int      `help:"Training pictures of finetune; 0: all."`
	Strings int      `help:"Strings that are written for molecules; 0: 10,000."`
	Seed    uint64   `default:"1" help:"Decides all draws."`
	Out     string   `help:"JSON file that the figures go into; what it has of the same model and settings is replaced." type:"path"`
}

// Help is shown below the flags.
func (evalVaeCmd) Help() string {
	return `Examples:
  manifold eval vae --model vae-mnist --samples 500
  manifold eval vae --model rbm-mnist --what likelihood,features --out vae-mnist.json
  manifold eval vae --model dbn-mnist --what finetune --labels 100
  manifold eval vae --model ae-mnist --what neighbours
  manifold eval vae --model smiles-qm9 --what molecules`
}

// vaeFigure is a figure with the command that made it.
type vaeFigure struct {
	vae.Figure
	Command string `json:"command"`
	Version string `json:"version"`
}

// vaeReport is the file of figures.
type vaeReport struct {
	report
	Results []vaeFigure `json:"results"`
}

// Run measures, with a bar, and prints the figures.
func (c evalVaeCmd) Run(ctx context.Context, g *Globals) error {
	store, err := g.store()
	if err != nil {
		return err
	}
	data, err := g.locator()
	if err != nil {
		return err
	}
	all := vaeReport{report: g.report(nil)}
	if c.Out != "" {
		if err := writable(c.Out); err != nil {
			return err
		}
		if err := all.read(c.Out); err != nil {
			return err
		}
	}
	var made []vaeFigure
	for _, what := range c.What {
		p := parts{g: g}
		figures, err := vae.Evaluate(ctx, vae.Eval{
			Store: store, Data: data, Model: c.Model, Name: c.Dataset, Size: c.Size, What: what, Binary: c.Binary,
			Samples: c.Samples, Labels: c.Labels, Strings: c.Strings, Seed: c.Seed, Progress: p.set,
		})
		p.close()
		if err != nil {
			return err
		}
		for _, f := range figures {
			made = append(made, vaeFigure{f, all.Command, all.Version})
			if !g.JSON {
				fmt.Fprintln(g.out, figureLine(f))
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
	}
	if g.JSON {
		return g.printJSON(made)
	}
	return nil
}

// parts shows the parts of a measurement one after another, each with a bar of its own.
type parts struct {
	g    *Globals
	bar  *bar
	what string
}

// set moves the bar of a part to done.
func (p *parts) set(what string, done, of int) {
	if p.bar == nil || p.what != what || p.bar.of != of {
		p.close()
		p.bar, p.what = newBar(p.g.err, of, "measuring"), what
	}
	p.bar.set(min(done, of), what)
}

func (p *parts) close() {
	if p.bar != nil {
		p.bar.close()
	}
}

// read takes up the figures of a file that is there.
func (r *vaeReport) read(name string) error {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", name, bare(err))
	}
	var old vaeReport
	if err := json.Unmarshal(text, &old); err != nil {
		return fmt.Errorf("%s is no report of this command; name another file: %w", name, err)
	}
	r.Results = old.Results
	return nil
}

// replace puts new figures in the place of those of the same model and settings, or behind the others.
func (r *vaeReport) replace(made []vaeFigure) {
	for _, f := range made {
		i := slices.IndexFunc(r.Results, func(o vaeFigure) bool {
			return o.Model == f.Model && o.Data == f.Data && o.Settings == f.Settings && o.What == f.What
		})
		if i < 0 {
			r.Results = append(r.Results, f)
		} else {
			r.Results[i] = f
		}
	}
}

func figureLine(f vae.Figure) string {
	line := fmt.Sprintf("%s: %s %.6g", f.Model, f.What, f.Value)
	if f.Error > 0 {
		line += fmt.Sprintf(" +- %.2g", f.Error)
	}
	line += " " + f.Unit
	if f.Baseline != nil {
		line += fmt.Sprintf(" [%s: %.6g]", f.Against, *f.Baseline)
	}
	return line + " (" + f.Settings + ")"
}
