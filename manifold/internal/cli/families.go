package cli

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/services/lm"
	"github.com/manifold-gen/manifold/services/tabular"
	"github.com/manifold-gen/manifold/services/vae"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/train"
)

// family is one kind of model that this binary knows.
type family struct {
	name     string
	starters func() fs.FS
	recipes  func() []string
	recipe   func(name string) ([]byte, error)
	train    func(ctx context.Context, text []byte, deps recipe.Deps, events func(train.Event)) (modelstore.Entry, error)
	register func(s *serve.Server, c familyConfig) error
	try      string // a command to try a model of the family with, whose name stands for %s
}

// familyConfig is what a family's services need besides a server.
type familyConfig struct {
	store   *modelstore.Store
	data    *dataset.Locator
	jobs    string // directory of training jobs; empty: no training
	preload []string
}

// families are all kinds of models, the first one being that of recipes that name none.
var families = []family{
	{
		name: diffusion.Family, starters: diffusion.Starters, recipes: diffusion.Recipes, recipe: diffusion.Recipe,
		train: diffusion.Train, try: "manifold generate diffusion --model %s",
		register: func(s *serve.Server, c familyConfig) error {
			return diffusion.Register(s, diffusion.Config{Store: c.store, Data: c.data, Jobs: c.jobs, Preload: c.preload})
		},
	},
	{
		name: vae.Family, starters: vae.Starters, recipes: vae.Recipes, recipe: vae.Recipe, train: vae.Train,
		try: "manifold generate vae --model %s",
		register: func(s *serve.Server, c familyConfig) error {
			return vae.Register(s, vae.Config{Store: c.store, Data: c.data, Jobs: c.jobs, Preload: c.preload})
		},
	},
	{
		name: tabular.Family, starters: tabular.Starters, recipes: tabular.Recipes, recipe: tabular.Recipe,
		train: tabular.Train, try: "manifold table profile --model %s",
		register: func(s *serve.Server, c familyConfig) error {
			return tabular.Register(s, tabular.Config{Store: c.store, Data: c.data, Jobs: c.jobs, Preload: c.preload})
		},
	},
	{
		name: lm.Family, starters: lm.Starters, recipes: lm.Recipes, recipe: lm.Recipe, train: lm.Train,
		try: "manifold generate text --model %s",
		register: func(s *serve.Server, c familyConfig) error {
			return lm.Register(s, lm.Config{Store: c.store, Data: c.data, Jobs: c.jobs, Preload: c.preload})
		},
	},
}

// familyNames lists the families.
func familyNames() string {
	var l []string
	for _, f := range families {
		l = append(l, f.name)
	}
	return strings.Join(l, ", ")
}

// familyOf finds the family that a recipe is for.
func familyOf(text []byte) (family, error) {
	name := recipe.Family(text)
	if name == "" {
		return families[0], nil
	}
	for _, f := range families {
		if f.name == name {
			return f, nil
		}
	}
	return family{}, fmt.Errorf("the recipe is for the family %.80q; known are %s", name, familyNames())
}

// recipeNames lists the recipes of all families.
func recipeNames() []string {
	var l []string
	for _, f := range families {
		l = append(l, f.recipes()...)
	}
	return l
}

// builtIn is the text of a recipe that the binary brings along.
func builtIn(name string) ([]byte, bool) {
	for _, f := range families {
		if text, err := f.recipe(name); err == nil {
			return text, true
		}
	}
	return nil, false
}

// starters are the models that the binary brings along.
func starters() []fs.FS {
	var l []fs.FS
	for _, f := range families {
		l = append(l, f.starters())
	}
	return l
}

// preloads divides models that are to be in memory among their families.
func preloads(store *modelstore.Store, refs []string) (map[string][]string, error) {
	all := make(map[string][]string)
	for _, ref := range refs {
		if ref == diffusion.Auto {
			for _, f := range families {
				all[f.name] = append(all[f.name], ref)
			}
			continue
		}
		e, err := store.Resolve(ref)
		if err != nil {
			return nil, err
		}
		all[e.Manifest.Family] = append(all[e.Manifest.Family], ref)
	}
	return all, nil
}
