package diffusion

import (
	"context"
	"embed"
	"io/fs"

	"github.com/manifold-gen/manifold/services/diffusion/internal/recipe"
	"github.com/manifold-gen/manifold/services/diffusion/recipes"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	sharedrecipe "github.com/manifold-gen/manifold/shared/recipe"
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

// TrainDeps is what training needs from its surroundings.
type TrainDeps = sharedrecipe.Deps

// Recipes lists the recipes that the binary brings along.
func Recipes() []string { return recipes.Names() }

// Recipe is the text of a recipe that the binary brings along.
func Recipe(name string) ([]byte, error) {
	text, ok := recipes.Get(name)
	if !ok {
		return nil, fault.E(fault.NotFound, "RECIPE_NOT_FOUND", "diffusion.Recipe", "no recipe %.80q; known recipes: %q",
			name, recipes.Names())
	}
	return text, nil
}

// RecipeForImages writes a recipe for a folder or zip archive of pictures, sized to train for about that many minutes
// on two cores.
func RecipeForImages(path, name string, minutes float64) ([]byte, error) {
	r, err := recipe.ForImages(path, name, minutes)
	if err != nil {
		return nil, err
	}
	return r.YAML()
}

// Train runs a recipe, or goes on with it where an earlier run was stopped, and publishes the model. events may be
// nil; it is called from the training goroutine.
func Train(ctx context.Context, text []byte, deps TrainDeps, events func(train.Event)) (modelstore.Entry, error) {
	return recipe.Run(ctx, text, deps, events)
}

// OpenStore opens the models in folders, in the order of precedence, and the starters behind them; empty names are
// left out. Trained models go to the first folder. Starters are copied below cache when they are first used, so that
// they can be mapped.
func OpenStore(cache string, folders ...string) (*modelstore.Store, error) {
	return modelstore.OpenFolders(folders, cache, Starters())
}
