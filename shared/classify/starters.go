package classify

import (
	"embed"
	"io/fs"
)

//go:embed starters
var starters embed.FS

//go:embed recipes
var recipes embed.FS

// Starter is the classifier of handwritten digits among the Starters.
const Starter = "mnist-classifier"

// Starters are the trained classifiers that come with this project, laid out as modelstore.Root.FS wants them.
func Starters() fs.FS { return sub(starters, "starters") }

// Recipes are the texts that they were made from, <name>.json each, as Train takes them.
func Recipes() fs.FS { return sub(recipes, "recipes") }

func sub(f fs.FS, dir string) fs.FS {
	s, err := fs.Sub(f, dir)
	if err != nil {
		panic(err) // the name is constant and valid
	}
	return s
}
