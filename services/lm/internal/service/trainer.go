package service

import (
	"context"
	"os"

	"github.com/manifold-gen/manifold/services/lm/internal/recipe"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/wire/jobs"
)

// Trainer runs recipes that come from afar. dir is where uploads lie; "" for nowhere.
func Trainer(store *modelstore.Store, data *dataset.Locator, dir string) jobs.Files {
	return jobs.Files{
		Store: store, Data: data, Dir: dir, Formats: []string{"txt"}, Known: dataset.TextNames,
		Parse: func(text []byte) (jobs.FileRecipe, error) { return recipe.Parse(text) },
		Count: func(_ context.Context, d jobs.Dataset) (int64, error) {
			f, err := os.Open(d.Path)
			if err != nil {
				return 0, err
			}
			defer func() { _ = f.Close() }() // opened for reading
			data, err := text.Read(f, text.MaxCorpus)
			if err != nil {
				return 0, err
			}
			docs, err := text.Documents(data, text.Lines, text.Words)
			return int64(len(docs)), err
		},
	}
}
