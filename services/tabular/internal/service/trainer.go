package service

import (
	"context"
	"os"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/wire/jobs"

	"github.com/manifold-gen/manifold/services/tabular/internal/recipe"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// Trainer runs recipes that come from afar. dir is where uploads lie; "" for nowhere.
func Trainer(store *modelstore.Store, data *dataset.Locator, dir string) jobs.Files {
	return jobs.Files{
		Store: store, Data: data, Dir: dir, Formats: []string{"csv", "parquet"}, Known: recipe.Names,
		Parse: func(text []byte) (jobs.FileRecipe, error) { return recipe.Parse(text) },
		Count: count,
	}
}

// files is what recipes need of the trainer.
func (s *Service) files() recipe.Files {
	f := s.cfg.Files
	return recipe.Files{Store: f.Store, Data: f.Data, Resolve: f.Resolve}
}

// count reads an upload from end to end, so that what is wrong with it is said before anybody uses it.
func count(ctx context.Context, d jobs.Dataset) (rows int64, err error) {
	f, err := os.Open(d.Path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	t, err := table.Open(f, d.Size, table.Options{})
	if err != nil {
		return 0, err
	}
	found, err := t.Infer(table.Declaration{})
	if err != nil {
		return 0, err
	}
	return found.Rows, ctx.Err()
}
