package jobs

import (
	"context"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"
)

// FileRecipe is a recipe of a family that reads one file, parsed.
type FileRecipe interface {
	// Source is where its data come from, to be changed where they are an upload; nil for a recipe without data.
	Source() *recipe.Source
	// Steps is their number, 0 where it is not known yet.
	Steps() int64
	// Run trains and publishes the model.
	Run(ctx context.Context, deps recipe.Deps, events func(train.Event)) (modelstore.Entry, error)
}

// Files is the Trainer of a family whose recipes read a file: a table or a text.
type Files struct {
	Store   *modelstore.Store // takes the finished models
	Data    *dataset.Locator
	Dir     string   // of the jobs, where uploads lie
	Formats []string // of uploads
	// Known lists the data that are registered or drawn; their names are not free for uploads.
	Known func() []string
	Parse func(text []byte) (FileRecipe, error)
	// Count opens an upload and returns the rows, lines or documents in it.
	Count func(ctx context.Context, d Dataset) (items int64, err error)
}

// Plan checks a recipe. Paths on this machine are refused: whoever calls from afar must not read its files.
func (t Files) Plan(_ context.Context, text string) (steps int64, err error) {
	r, err := t.parse(text)
	if err != nil {
		return 0, err
	}
	return r.Steps(), nil
}

// parse reads a recipe and finds its data.
func (t Files) parse(text string) (FileRecipe, error) {
	r, err := t.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	if s := r.Source(); s != nil {
		return r, t.Resolve(s)
	}
	return r, nil
}

// Resolve finds the data that a caller from afar names; an upload takes the place of its name.
func (t Files) Resolve(s *recipe.Source) error {
	const op = "jobs.Source"
	if s.File != "" {
		return fault.InvalidField(op, "recipe",
			"data.file names a file on the server; upload a data set and give its name as data.name")
	}
	if t.Dir != "" {
		d, ok, err := FindDataset(t.Dir, s.Name)
		if err != nil {
			return err
		}
		if ok {
			s.Name, s.File = "", d.Path
			return nil
		}
	}
	if known := t.Known(); !slices.Contains(known, s.Name) {
		return fault.E(fault.NotFound, "DATASET_NOT_FOUND", op, "no data set %.80q was uploaded, and none is registered "+
			"under that name; there are %s", s.Name, strings.Join(known, ", "))
	}
	return nil
}

// Train runs a recipe in dir and publishes the model.
func (t Files) Train(ctx context.Context, text, dir string, events func(train.Event)) (model string, err error) {
	r, err := t.parse(text)
	if err != nil {
		return "", err
	}
	e, err := r.Run(ctx, recipe.Deps{Store: t.Store, Data: t.Data, Runs: dir}, events)
	if err != nil {
		return "", err
	}
	return e.Ref(), nil
}

// Inspect opens an upload.
func (t Files) Inspect(ctx context.Context, d Dataset) (items int64, err error) {
	const op = "jobs.Upload"
	if slices.Contains(t.Known(), d.Name) {
		return 0, fault.E(fault.AlreadyExists, "DATASET_EXISTS", op, "%s is a registered data set; choose another name",
			d.Name)
	}
	if !slices.Contains(t.Formats, d.Format) {
		return 0, fault.InvalidField(op, "header.format", "%.40q, want one of %s", d.Format, strings.Join(t.Formats, ", "))
	}
	items, err = t.Count(ctx, d)
	return items, fault.Wrap(op, err)
}
