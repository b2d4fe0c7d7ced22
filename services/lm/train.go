package lm

import (
	"context"
	"embed"
	"io/fs"

	"github.com/manifold-gen/manifold/services/lm/internal/recipe"
	"github.com/manifold-gen/manifold/services/lm/recipes"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	shared "github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"
)

//go:embed starters
var starters embed.FS

// Starters are the models that the binary brings along, laid out as a modelstore.Root wants them.
func Starters() fs.FS {
	sub, err := fs.Sub(starters, "starters")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return sub
}

// OpenStore opens the models in folders, in the order of precedence, and the starters behind them; see
// modelstore.OpenFolders.
func OpenStore(cache string, folders ...string) (*modelstore.Store, error) {
	return modelstore.OpenFolders(folders, cache, Starters())
}

// Recipes lists the recipes that the binary brings along.
func Recipes() []string { return recipes.Names() }

// Recipe is the text of a recipe that the binary brings along.
func Recipe(name string) ([]byte, error) {
	text, ok := recipes.Get(name)
	if !ok {
		return nil, fault.E(fault.NotFound, "RECIPE_NOT_FOUND", "lm.Recipe", "no recipe %.80q; known recipes: %q",
			name, recipes.Names())
	}
	return text, nil
}

// Train runs a recipe and publishes the model. events may be
// nil; it is called from the training goroutine.
func Train(ctx context.Context, text []byte, deps shared.Deps, events func(train.Event)) (modelstore.Entry, error) {
	r, err := recipe.Parse(text)
	if err != nil {
		return modelstore.Entry{}, err
	}
	return r.Run(ctx, deps, events)
}
