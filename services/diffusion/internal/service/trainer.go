package service

import (
	"context"

	"github.com/manifold-gen/manifold/services/diffusion/internal/recipe"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	sharedrecipe "github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"
	"github.com/manifold-gen/manifold/shared/wire/jobs"
)

// Trainer runs recipes as training jobs, on registered and on uploaded data sets. It implements jobs.Trainer.
type Trainer struct {
	Store *modelstore.Store // takes the finished models
	Data  *dataset.Locator
	Dir   string // of the jobs, where uploads lie
}

// Plan checks a recipe. Paths on this machine are refused: whoever calls from afar must not read its files.
func (t Trainer) Plan(_ context.Context, text string) (steps int64, err error) {
	r, _, err := t.parse(text)
	if err != nil {
		return 0, err
	}
	return int64(r.Train.Steps), nil
}

// parse reads a recipe and finds its data; file is the path of an upload, or "".
func (t Trainer) parse(text string) (r *recipe.Recipe, file string, err error) {
	const op = "diffusion.Recipe"
	r, err = recipe.Parse([]byte(text))
	if err != nil {
		return nil, "", err
	}
	if r.Data.Images != "" {
		return nil, "", fault.InvalidField(op, "recipe",
			"data.images names files on the server; upload a data set and give its name as data.name")
	}
	d, ok, err := jobs.FindDataset(t.Dir, r.Data.Name)
	if err != nil {
		return nil, "", err
	}
	if ok {
		return r, d.Path, nil
	}
	if _, err := dataset.Lookup(r.Data.Name); err != nil {
		return nil, "", fault.Wrap(op, err)
	}
	return r, "", nil
}

// Train runs a recipe in dir and publishes the model.
func (t Trainer) Train(ctx context.Context, text, dir string, events func(train.Event)) (model string, err error) {
	r, file, err := t.parse(text)
	if err != nil {
		return "", err
	}
	if file != "" {
		r.Data.Name, r.Data.Images = "", file
	}
	e, err := r.Run(ctx, sharedrecipe.Deps{Store: t.Store, Data: t.Data, Runs: dir}, events)
	if err != nil {
		return "", err
	}
	return e.Ref(), nil
}

// Inspect opens an upload as pictures.
func (t Trainer) Inspect(ctx context.Context, d jobs.Dataset) (items int64, err error) {
	const op = "diffusion.Upload"
	if _, err := dataset.Lookup(d.Name); err == nil {
		return 0, fault.E(fault.AlreadyExists, "DATASET_EXISTS", op, "%s is a registered data set; choose another name",
			d.Name)
	}
	req := dataset.Request{Path: d.Path}
	if d.Format == "zip" {
		// A small size that pictures of mixed sizes are brought to, only to see that each of them opens; the other
		// formats have one size for all.
		req.Format = dataset.Format{Height: 32, Width: 32}
	}
	set, err := new(dataset.Locator).Open(ctx, req)
	if err != nil {
		return 0, fault.Wrap(op, err)
	}
	return int64(set.Len()), nil
}
