package jobs

import (
	"context"

	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/train"
)

// Recipe is a recipe of a family, parsed.
type Recipe interface {
	// Pictures are what it trains on, to be changed where they are an upload; nil for a recipe about something else,
	// which must name no files of this machine.
	Pictures() *recipe.Data
	// Steps is their number over all stages, 0 where it is not known yet.
	Steps() int64
	// Run trains, or goes on training, and publishes the model.
	Run(ctx context.Context, deps recipe.Deps, events func(train.Event)) (modelstore.Entry, error)
}

// Pictures is the Trainer of a family whose recipes are about pictures, on registered and on uploaded data sets.
type Pictures struct {
	Store *modelstore.Store // takes the finished models
	Data  *dataset.Locator
	Dir   string // of the jobs, where uploads lie
	Parse func(text []byte) (Recipe, error)
}

// Register opens the jobs in cfg.Dir and puts TrainingService on a server, before Run. Logger and Loss are the
// server's.
func Register(s *serve.Server, trainer Trainer, cfg Config) error {
	losses, family := s.Metrics().TrainingLoss, s.Metrics().Family()
	cfg.Logger = s.Logger()
	cfg.Loss = func(name string, v float64) { losses.WithLabelValues(family, name).Set(v) }
	svc, err := Open(trainer, cfg)
	if err != nil {
		return err
	}
	trainingv1.RegisterTrainingServiceServer(s, svc)
	s.OnHandOver(svc.HandOver)
	s.OnClose(svc.Close)
	return nil
}

// Plan checks a recipe. Paths on this machine are refused: whoever calls from afar must not read its files.
func (t Pictures) Plan(_ context.Context, text string) (steps int64, err error) {
	r, err := t.parse(text)
	if err != nil {
		return 0, err
	}
	return r.Steps(), nil
}

// parse reads a recipe and finds its data; an upload takes the place of its name.
func (t Pictures) parse(text string) (Recipe, error) {
	const op = "jobs.Recipe"
	r, err := t.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	data := r.Pictures()
	if data == nil {
		return r, nil
	}
	if data.Images != "" {
		return nil, fault.InvalidField(op, "recipe",
			"data.images names files on the server; upload a data set and give its name as data.name")
	}
	d, ok, err := FindDataset(t.Dir, data.Name)
	if err != nil {
		return nil, err
	}
	if ok {
		data.Name, data.Images = "", d.Path
		return r, nil
	}
	if _, err := dataset.Lookup(data.Name); err != nil {
		return nil, fault.Wrap(op, err)
	}
	return r, nil
}

// Train runs a recipe in dir and publishes the model.
func (t Pictures) Train(ctx context.Context, text, dir string, events func(train.Event)) (model string, err error) {
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

// Inspect opens an upload as pictures.
func (t Pictures) Inspect(ctx context.Context, d Dataset) (items int64, err error) {
	const op = "jobs.Upload"
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
