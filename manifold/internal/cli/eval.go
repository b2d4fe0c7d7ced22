package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/shared/classify"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/modelstore"
)

type evalCmd struct {
	Diffusion       evalDiffusionCmd  `cmd:"" help:"Distances from real pictures, class match and speed of a diffusion model."`
	Vae             evalVaeCmd        `cmd:"" help:"Likelihoods, reconstructions and codes of Boltzmann machines and autoencoders."`
	Tabular         evalTabularCmd    `cmd:"" help:"Classifiers, networks and synthetic rows of tables."`
	Lm              evalLmCmd         `cmd:"" help:"Nats a character, labels and chains of language models."`
	Classifier      evalClassifierCmd `cmd:"" help:"Accuracy of the classifier that the other measurements rest on."`
	TrainClassifier evalTrainCmd      `cmd:"" help:"Train such a classifier from its recipe."`
}

// classifiers opens the models that this person has and the classifiers that come with the program.
func (g *Globals) classifiers() (*modelstore.Store, error) {
	cache, err := g.cache()
	if err != nil {
		return nil, err
	}
	var roots []modelstore.Root
	if g.Models != "" {
		roots = append(roots, modelstore.Root{Name: "models", Dir: g.Models})
	}
	roots = append(roots,
		modelstore.Root{Name: "user", Dir: filepath.Join(g.Home, "models")},
		modelstore.Root{Name: "classifiers", FS: classify.Starters(), Cache: filepath.Join(cache, "starters")},
	)
	return modelstore.Open(roots...)
}

// classifier loads one by name; the caller closes it.
func (g *Globals) classifier(ref string) (*classify.Classifier, error) {
	s, err := g.classifiers()
	if err != nil {
		return nil, err
	}
	e, err := s.Resolve(ref)
	if err != nil {
		return nil, err
	}
	dir, err := s.Dir(e)
	if err != nil {
		return nil, err
	}
	return classify.Load(e, dir)
}

type evalDiffusionCmd struct {
	Model      string   `default:"mnist" help:"name or name@version."`
	Dataset    string   `default:"mnist" help:"Data set whose split report the pictures are measured against."`
	Classifier string   `default:"mnist-classifier" help:"Classifier whose features measure, name or name@version."`
	Out        string   `help:"JSON file to write after every row, and to go on with where it ends." type:"path"`
	Only       []string `help:"Only these rows or groups, also if they are there: baseline, quality, steps, steps-classes, guidance, memory."`
	Fresh      bool     `help:"Forget the rows that the file holds."`
	Quick      bool     `help:"Few pictures: to see that all works, not for figures."`
	Seed       uint64   `default:"1" help:"Decides all draws."`
}

// Help is shown below the flags.
func (evalDiffusionCmd) Help() string {
	return `Examples:
  manifold eval diffusion --out mnist.json                      every row; half an hour and more on two cores
  manifold eval diffusion --out mnist.json --only guidance      these rows, again
  manifold eval diffusion --quick                               a minute

A run that was stopped goes on with the first row that the file lacks. Rows of another model, classifier, data set, size
or seed are never mixed.`
}

// Run measures, with a bar, and prints a table or the report.
func (c evalDiffusionCmd) Run(ctx context.Context, g *Globals) error {
	store, err := g.store()
	if err != nil {
		return err
	}
	data, err := g.locator()
	if err != nil {
		return err
	}
	judge, err := g.classifier(c.Classifier)
	if err != nil {
		return err
	}
	defer judge.Close()
	config := diffusion.EvalConfig{
		Store: store, Model: c.Model, Classifier: judge, Locator: data, Name: c.Dataset, Sizes: diffusion.FullEvalSizes(),
		Only: c.Only, Command: g.evalRun(),
	}
	if c.Quick {
		config.Sizes = diffusion.QuickEvalSizes()
	}
	config.Sizes.Seed = c.Seed
	if c.Out != "" {
		if config.Previous, err = diffusion.ReadEvaluation(c.Out); err != nil && !c.Fresh {
			return err
		}
		if c.Fresh {
			config.Previous = nil
		}
		config.Save = func(r *diffusion.Evaluation) error { return r.Write(c.Out) }
	}
	b := newBar(g.err, 1000, "measuring")
	config.Progress = func(p diffusion.EvalProgress) {
		if r := p.Last; r != nil {
			b.say("%s", evalLine(r))
		}
		note := fmt.Sprintf("row %d of %d, %s", min(p.Done+1, p.Of), p.Of, p.Row)
		if p.ETA > 0 {
			note += fmt.Sprintf("  %s left", p.ETA.Round(time.Second))
		}
		if p.Done == p.Of {
			b.set(1000, "")
			return
		}
		b.set(int(999*p.Share), note)
	}
	r, err := diffusion.Evaluate(ctx, config)
	b.close()
	if err != nil {
		if ctx.Err() != nil && c.Out != "" {
			fmt.Fprintln(g.err, "The same command goes on with the row that was interrupted.")
		}
		return err
	}
	if g.JSON {
		return g.printJSON(r)
	}
	return c.print(g, r)
}

// evalRun is what a report keeps of this command.
func (g *Globals) evalRun() diffusion.EvalRun {
	r := g.report(nil)
	run := diffusion.EvalRun{
		Command: r.Command, Version: r.Version, Go: r.Go, Machine: r.Machine, Kernels: r.Kernels, Threads: r.Threads,
		Date: r.Date,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				run.Commit = s.Value + run.Commit
			case s.Key == "vcs.modified" && s.Value == "true":
				run.Commit += " with changes"
			}
		}
	}
	return run
}

// evalLine is a finished row in one line.
func evalLine(r *diffusion.EvalRow) string {
	l := []string{fmt.Sprintf("%-15s n %d", r.ID, r.N)}
	if r.Frechet != nil {
		l = append(l, fmt.Sprintf("Frechet %.3f (%.3f to %.3f)", r.Frechet.Value, r.Frechet.Low, r.Frechet.High))
	}
	if r.ClassMatch != nil {
		l = append(l, fmt.Sprintf("class match %.1f %%", 100*r.ClassMatch.Share))
	}
	if n := r.Nearest; n != nil {
		l = append(l, fmt.Sprintf("nearest training picture at %.2f, of real pictures %.2f", n.Generated.Mean, n.Real.Mean))
	}
	if r.Draw != nil {
		l = append(l, fmt.Sprintf("%.1f pictures/s", r.Draw.PerSecond))
	}
	return strings.Join(l, "  ")
}

func (c evalDiffusionCmd) print(g *Globals, r *diffusion.Evaluation) error {
	w := tabwriter.NewWriter(g.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ROW\tWHAT\tN\tFRECHET\tKID x1000\tPRECISION\tRECALL\tCLASS MATCH\tPICTURES/S")
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Frechet == nil {
			continue
		}
		match, speed := "", ""
		if row.ClassMatch != nil {
			match = fmt.Sprintf("%.1f %%", 100*row.ClassMatch.Share)
		}
		if row.Draw != nil {
			speed = fmt.Sprintf("%.1f", row.Draw.PerSecond)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%.3f\t%.3f\t%.3f\t%.3f\t%s\t%s\n", row.ID, row.Title, row.N, row.Frechet.Value,
			1000*row.KID.Mean, *row.Precision, *row.Recall, match, speed)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range r.Rows {
		if r.Rows[i].Nearest != nil {
			fmt.Fprintln(g.out, evalLine(&r.Rows[i]))
		}
	}
	if c.Out != "" {
		fmt.Fprintf(g.out, "written to %s\n", c.Out)
	}
	return nil
}

type evalClassifierCmd struct {
	Classifier string `arg:"" default:"mnist-classifier" help:"name or name@version."`
	Dataset    string `default:"mnist" help:"Data set."`
	Split      string `default:"report" help:"Split of it."`
}

// Run counts right answers.
func (c evalClassifierCmd) Run(ctx context.Context, g *Globals) error {
	judge, err := g.classifier(c.Classifier)
	if err != nil {
		return err
	}
	defer judge.Close()
	data, err := g.locator()
	if err != nil {
		return err
	}
	set, err := data.Open(ctx, dataset.Request{Name: c.Dataset, Split: c.Split})
	if err != nil {
		return err
	}
	begun := time.Now()
	s, err := judge.Accuracy(ctx, set)
	if err != nil {
		return err
	}
	seconds := time.Since(begun).Seconds()
	lo, hi := s.Interval()
	e := judge.Entry
	if g.JSON {
		return g.printJSON(g.report(map[string]any{
			"classifier": e.Ref(), "digest": e.Manifest.Digest, "dataset": c.Dataset, "split": c.Split, "hits": s.Hits,
			"n": s.N, "accuracy": s.Value(), "low": lo, "high": hi, "pictures_per_second": float64(s.N) / seconds,
		}))
	}
	fmt.Fprintf(g.out, "%s, digest %.12s: %.2f %% of %d pictures of %s/%s (95 %%: %.2f to %.2f), %.0f pictures/s\n",
		e.Ref(), e.Manifest.Digest, 100*s.Value(), s.N, c.Dataset, c.Split, 100*lo, 100*hi, float64(s.N)/seconds)
	return nil
}

type evalTrainCmd struct {
	Recipe string `arg:"" default:"mnist-classifier" help:"Recipe in JSON, or the name of a built-in one."`
	Out    string `help:"Folder of models to publish into; default: your own models." type:"path"`
	Print  bool   `help:"Print the recipe and do nothing."`
}

// text finds the recipe.
func (c evalTrainCmd) text() ([]byte, error) {
	text, err := os.ReadFile(c.Recipe)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	if text, err := fs.ReadFile(classify.Recipes(), c.Recipe+".json"); err == nil {
		return text, nil
	}
	names, _ := fs.Glob(classify.Recipes(), "*.json")
	return nil, fmt.Errorf("no file and no built-in recipe %q; built-in: %s", c.Recipe,
		strings.ReplaceAll(strings.Join(names, ", "), ".json", ""))
}

// Run trains, with a bar, and publishes the classifier.
func (c evalTrainCmd) Run(ctx context.Context, g *Globals) error {
	text, err := c.text()
	if err != nil {
		return err
	}
	if c.Print {
		_, err := g.out.Write(text)
		return err
	}
	data, err := g.locator()
	if err != nil {
		return err
	}
	if c.Out == "" {
		c.Out = filepath.Join(g.Home, "models")
	}
	store, err := modelstore.Open(modelstore.Root{Name: "models", Dir: c.Out, Writable: true})
	if err != nil {
		return err
	}
	w := &watcher{g: g}
	deps := classify.Deps{Store: store, Data: data, Runs: filepath.Join(g.Home, "runs")}
	e, err := classify.Train(ctx, text, deps, w.event)
	if w.bar != nil {
		w.bar.close()
	}
	if err != nil {
		return err
	}
	if g.JSON {
		return g.printJSON(e.Manifest)
	}
	fmt.Fprintf(g.out, "%s, digest %.12s: %.2f %% of the split report\n", e.Ref(), e.Manifest.Digest,
		100*e.Manifest.Metrics["report_accuracy"])
	return nil
}
