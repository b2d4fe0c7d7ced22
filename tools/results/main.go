package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	check := len(os.Args) == 2 && os.Args[1] == "check"
	if len(os.Args) > 1 && !check {
		fmt.Fprintln(os.Stderr, "usage: results [check], in the root of the repository")
		os.Exit(2)
	}
	if err := run(".", check); err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
}

// run makes all files below root, or compares them.
func run(root string, check bool) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	var stale []string
	for _, f := range files {
		old, err := os.ReadFile(filepath.Join(root, f.name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil && bytes.Equal(old, f.text) {
			continue
		}
		stale = append(stale, f.name)
		if check {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, f.name), f.text, 0o644); err != nil {
			return err
		}
	}
	if check && len(stale) > 0 {
		return fmt.Errorf("not what their JSON says: %s; run go run ./tools/results", strings.Join(stale, ", "))
	}
	return nil
}

// dir holds the results.
const dir = "docs/results"

// output is a file to be.
type output struct {
	name string // below the root
	text []byte
}

// generate makes every file from the JSON files of docs/results.
func generate(root string) ([]output, error) {
	names, err := filepath.Glob(filepath.Join(root, dir, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var files []output
	short := map[string]string{}
	for _, path := range names {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		p, err := render(name, text)
		if err != nil {
			return nil, fmt.Errorf("%s.json: %w", name, err)
		}
		files = append(files, output{dir + "/" + name + ".md", []byte(p.full)})
		short[name] = p.short
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if errors.Is(err, fs.ErrNotExist) {
		return files, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := fill(string(readme), short)
	if err != nil {
		return nil, fmt.Errorf("README.md: %w", err)
	}
	return append(files, output{"README.md", []byte(text)}), nil
}

// page is what one JSON file gives.
type page struct {
	full  string // the .md file
	short string // the figures for README.md
}

// render tells the kinds of files apart.
func render(name string, text []byte) (page, error) {
	v, err := parse(text)
	if err != nil {
		return page{}, err
	}
	if k := v.get("kind"); k != nil {
		switch k.text {
		case diffusionKind:
			return diffusion(name, text)
		case peersKind:
			return peers(name, text)
		}
	}
	return generic(name, v)
}

const (
	opening = "<!-- figures: "
	closing = "<!-- end -->"
)

// fill replaces what lies between the marks of a text.
func fill(text string, short map[string]string) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, opening)
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, rest, ok := strings.Cut(rest, " -->\n")
		if !ok {
			return "", fmt.Errorf("a mark %q without its end", opening)
		}
		figures, ok := short[name]
		if !ok {
			return "", fmt.Errorf("figures of %q are asked for, there is no %s/%s.json", name, dir, name)
		}
		_, after, ok := strings.Cut(rest, closing)
		if !ok {
			return "", fmt.Errorf("the figures of %q have no %q", name, closing)
		}
		fmt.Fprintf(&b, "%s%s -->\n%s%s", opening, name, figures, closing)
		text = after
	}
}
