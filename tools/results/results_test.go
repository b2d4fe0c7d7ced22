package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The committed tables are what their JSON says, and every table has its JSON.
func TestCommittedTablesAreCurrent(t *testing.T) {
	const root = "../.."
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, f := range files {
		made[f.name] = true
		old, err := os.ReadFile(filepath.Join(root, f.name))
		if err != nil {
			t.Error(err)
		} else if string(old) != string(f.text) {
			t.Errorf("%s is not what its JSON says: run go run ./tools/results", f.name)
		}
	}
	pages, err := filepath.Glob(filepath.Join(root, dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if name := dir + "/" + filepath.Base(p); filepath.Base(p) != "README.md" && !made[name] {
			t.Errorf("%s has no JSON", name)
		}
	}
}

// The pages of small reports: testdata/<name>.json gives <name>.md, both read by a person once.
func TestPages(t *testing.T) {
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	for _, path := range names {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		p, err := render(name, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := os.ReadFile(filepath.Join("testdata", name+".md"))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.full + "\nIn README.md:\n\n" + p.short; got != string(want) {
			t.Errorf("%s is now\n%s", name, got)
		}
	}
}

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 1.23456: "1.235", 0.012345: "0.01235", 123456.7: "123457", -99.996: "-100.00", 1e-9: "1e-09", 12345678: "1.235e+07",
	} {
		if got := number(x); got != want {
			t.Errorf("number(%g) = %s, want %s", x, got, want)
		}
	}
}

func TestRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                                "EOF",
		`{} {}`:                            "follows",
		`[]`:                               "object",
		`{"kind": "diffusion-evaluation"}`: "without rows",
		`{"kind": "peers"}`:                "without rows",
		`{"kind": "peers", "results": [{"name": "a", "load": [1, 2]}]}`: `"a" lacks a range`,
	} {
		if _, err := render("x", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestFill(t *testing.T) {
	short := map[string]string{"a": "1\n", "b": "2\n"}
	got, err := fill("x\n<!-- figures: a -->\nold\n<!-- end -->\ny\n<!-- figures: b -->\n<!-- end -->\n", short)
	const want = "x\n<!-- figures: a -->\n1\n<!-- end -->\ny\n<!-- figures: b -->\n2\n<!-- end -->\n"
	if err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	for text, want := range map[string]string{
		"<!-- figures: c -->\n<!-- end -->": "no docs/results/c.json",
		"<!-- figures: a -->\nold":          "have no",
		"<!-- figures: a":                   "without its end",
	} {
		if _, err := fill(text, short); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestRun(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(dir+"/a.json", `{"command": "c", "results": [{"x": 1}]}`)
	write("README.md", "<!-- figures: a -->\n<!-- end -->\n")
	if err := run(root, true); err == nil || !strings.Contains(err.Error(), "a.md, README.md") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(root, dir, "a.md")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a check wrote a file")
	}
	for _, check := range []bool{false, true} {
		if err := run(root, check); err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil || string(text) != "<!-- figures: a -->\n| x |\n|--:|\n| 1 |\n<!-- end -->\n" {
		t.Errorf("%q, %v", text, err)
	}
}
