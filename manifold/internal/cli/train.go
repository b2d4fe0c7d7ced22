package cli

import (
	"context"
	"errors"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"
)

type trainCmd struct {
	Recipe   string  `arg:"" optional:"" help:"Recipe in YAML; see docs/training.md. Built-in ones can be named: mnist, glyphs."`
	Images   string  `help:"Train on this folder or zip of pictures without a recipe; sub-folders become classes." type:"path"`
	Name     string  `help:"Name of the model, with --images; default: the folder's name."`
	Minutes  float64 `default:"30" help:"How long training may take on two cores, with --images; decides the number of steps."`
	Previews string  `help:"Folder for sample pictures while it trains." type:"path"`
	Print    bool    `help:"Print the recipe and do nothing: a start for one of your own."`
}

// Help is shown below the flags.
func (trainCmd) Help() string {
	return `Examples:
  manifold train recipe.yaml
  manifold train --images ./photos --minutes 20
  manifold train --images ./photos --print > mine.yaml

A run that was stopped, also by kill -9 or a power cut, goes on where it was when the same command is given again, and
ends with the same bytes as one that was not stopped.`
}

// trainDeps is what training needs: where models go, where data lies, where checkpoints are kept.
func (g *Globals) trainDeps(runs string) (recipe.Deps, error) {
	store, err := g.store()
	if err != nil {
		return recipe.Deps{}, err
	}
	data, err := g.locator()
	if err != nil {
		return recipe.Deps{}, err
	}
	return recipe.Deps{Store: store, Data: data, Runs: runs}, nil
}

// text finds the recipe: a file, a built-in one, or one made for a folder of pictures.
func (c trainCmd) text() ([]byte, error) {
	switch {
	case (c.Recipe == "") == (c.Images == ""):
		return nil, fmt.Errorf("give a recipe, or --images DIR; built-in recipes: %s",
			strings.Join(recipeNames(), ", "))
	case c.Images != "":
		name := c.Name
		if name == "" {
			name = modelName(filepath.Base(c.Images))
		}
		return diffusion.RecipeForImages(c.Images, name, c.Minutes)
	}
	b, err := os.ReadFile(c.Recipe)
	if errors.Is(err, os.ErrNotExist) {
		if text, ok := builtIn(c.Recipe); ok {
			return text, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("recipe %s: %w; built-in recipes: %s", c.Recipe, bare(err),
			strings.Join(recipeNames(), ", "))
	}
	return b, nil
}

// modelName turns a folder's name into one that a model may have.
func modelName(s string) string {
	s = strings.ToLower(strings.TrimSuffix(s, filepath.Ext(s)))
	s = strings.Map(func(r rune) rune {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			return r
		}
		return '-'
	}, s)
	if s = strings.Trim(s, "-"); s == "" {
		return "pictures"
	}
	return s
}

// Run trains, with a bar, and publishes the model.
func (c trainCmd) Run(ctx context.Context, g *Globals) error {
	text, err := c.text()
	if err != nil {
		return err
	}
	if c.Print {
		_, err := g.out.Write(text)
		return err
	}
	f, err := familyOf(text)
	if err != nil {
		return err
	}
	deps, err := g.trainDeps(filepath.Join(g.Home, "runs"))
	if err != nil {
		return err
	}
	if c.Previews != "" {
		if err := os.MkdirAll(c.Previews, 0o755); err != nil {
			return err
		}
	}
	w := &watcher{g: g, previews: c.Previews}
	e, err := f.train(ctx, text, deps, w.event)
	if w.bar != nil {
		w.bar.close()
	}
	if err != nil {
		if ctx.Err() != nil && w.checkpoint != "" {
			fmt.Fprintln(g.err, "The same command goes on from here.")
		}
		return err
	}
	if g.JSON {
		return g.printJSON(e.Manifest)
	}
	fmt.Fprintf(g.out, "%s, digest %.12s\n", e.Ref(), e.Manifest.Digest)
	fmt.Fprintf(g.out, "Try: "+f.try+"\n", e.Manifest.Name)
	return nil
}

// watcher shows the events of a run.
type watcher struct {
	g          *Globals
	previews   string
	bar        *bar
	stage      string
	checkpoint string
}

func (w *watcher) event(ev train.Event) {
	if w.bar == nil || ev.Stage != w.stage {
		if w.bar != nil {
			w.bar.close()
		}
		w.bar, w.stage = newBar(w.g.err, ev.Steps, stageWords(ev)), ev.Stage
	}
	switch ev.Kind {
	case train.Started:
		if ev.Step == ev.Steps {
			w.bar.say("%s was done before", stageWords(ev))
		} else if ev.Step > 0 {
			w.bar.say("going on at step %d of %d", ev.Step, ev.Steps)
		}
		w.bar.set(ev.Step, "")
	case train.Stepped:
		w.bar.set(ev.Step, fmt.Sprintf("%s  epoch %.1f  lr %.1e  %.0f samples/s  %s left",
			figures(ev.Losses), ev.Epoch, ev.LearningRate, ev.PerSecond, ev.ETA.Round(1e9)))
	case train.Evaluated:
		w.bar.say("step %d: on the selection split %s", ev.Step, figures(ev.Metrics))
	case train.Reported:
		for _, a := range ev.Alarms {
			w.bar.say("step %d: alarm: %s", ev.Step, a)
		}
	case train.Previewed:
		w.save(ev)
	case train.Checkpoint:
		w.checkpoint = ev.Checkpoint
	case train.Warning:
		w.bar.say("warning: %s", words(ev.Err))
	case train.Finished:
		w.bar.set(ev.Step, figures(ev.Losses))
	}
}

// stageWords says what is being trained: "training", or with stages "training layer 2 of 3".
func stageWords(ev train.Event) string {
	switch {
	case ev.Stages == 0:
		return "training"
	case strings.HasSuffix(ev.Stage, fmt.Sprintf(" %d", ev.StageIndex+1)):
		return fmt.Sprintf("training %s of %d", ev.Stage, ev.Stages)
	}
	return fmt.Sprintf("training %s (%d of %d)", ev.Stage, ev.StageIndex+1, ev.Stages)
}

// save writes previews as files; one that cannot be written does not stop the training.
func (w *watcher) save(ev train.Event) {
	if w.previews == "" {
		return
	}
	for _, p := range ev.Previews {
		name := fmt.Sprintf("step-%07d-%s.png", ev.Step, modelName(p.Name))
		if ev.Stages > 0 {
			name = fmt.Sprintf("stage-%d-%s", ev.StageIndex+1, name)
		}
		name = filepath.Join(w.previews, name)
		f, err := os.Create(name)
		if err == nil {
			err = errors.Join(png.Encode(f, p.Image), f.Close())
		}
		if err != nil {
			w.bar.say("warning: no preview: %v", err)
			return
		}
	}
}

// figures prints losses or metrics by name.
func figures(m map[string]float64) string {
	var l []string
	for k, v := range m {
		l = append(l, fmt.Sprintf("%s %.4f", k, v))
	}
	slices.Sort(l)
	return strings.Join(l, " ")
}
