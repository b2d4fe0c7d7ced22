package rules

import (
	"embed"
	"path"
)

//go:embed samples/*.yaml
var samples embed.FS

// Samples are the rule files that come with Manifold, by name.
func Samples() (names []string, texts [][]byte) {
	entries, err := samples.ReadDir("samples")
	if err != nil {
		panic(err) // what is embedded can be read
	}
	for _, e := range entries {
		text, err := samples.ReadFile(path.Join("samples", e.Name()))
		if err != nil {
			panic(err)
		}
		names = append(names, e.Name()[:len(e.Name())-len(".yaml")])
		texts = append(texts, text)
	}
	return names, texts
}
