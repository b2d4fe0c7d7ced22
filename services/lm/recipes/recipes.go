// Package recipes embeds the recipes that come with the lm service.
package recipes

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names lists the recipes, sorted.
func Names() []string {
	list, _ := fs.Glob(files, "*.yaml") // the pattern is well formed
	for i, name := range list {
		list[i] = strings.TrimSuffix(name, ".yaml")
	}
	return list
}

// Get is the text of a recipe; ok is false when there is none of that name.
func Get(name string) (text []byte, ok bool) {
	text, err := files.ReadFile(name + ".yaml")
	return text, err == nil
}
