package jobs

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"
)

// fileRecipe is a recipe whose text is the name of its data, or @ and a path.
type fileRecipe struct{ source recipe.Source }

func (f *fileRecipe) Source() *recipe.Source { return &f.source }

func (f *fileRecipe) Steps() int64 { return 3 }

func (f *fileRecipe) Run(_ context.Context, _ recipe.Deps, _ func(train.Event)) (modelstore.Entry, error) {
	e := modelstore.Entry{Name: filepath.Base(f.source.File) + f.source.Name, Version: "1"}
	return e, nil
}

func testFiles(t *testing.T) Files {
	t.Helper()
	dir := t.TempDir()
	folder := filepath.Join(dir, datasetsDir, "mine")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, metaFile), []byte(`{"name": "mine", "format": "csv"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	return Files{
		Dir: dir, Formats: []string{"csv", "parquet"}, Known: func() []string { return []string{"dice"} },
		Parse: func(text []byte) (FileRecipe, error) {
			if path, ok := strings.CutPrefix(string(text), "@"); ok {
				return &fileRecipe{recipe.Source{File: path}}, nil
			}
			return &fileRecipe{recipe.Source{Name: string(text)}}, nil
		},
		Count: func(context.Context, Dataset) (int64, error) { return 7, nil },
	}
}

func TestFilesFindsData(t *testing.T) {
	f := testFiles(t)
	if n, err := f.Plan(context.Background(), "dice"); err != nil || n != 3 {
		t.Errorf("a registered set: %d steps, %v", n, err)
	}
	if ref, err := f.Train(context.Background(), "mine", "", nil); err != nil || ref != "data.csv@1" {
		t.Errorf("an upload: %q, %v", ref, err)
	}
	if _, err := f.Plan(context.Background(), "@/etc/passwd"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a path: %v", err)
	}
	if _, err := f.Plan(context.Background(), "none"); fault.KindOf(err) != fault.NotFound ||
		!strings.Contains(err.Error(), "dice") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestFilesInspects(t *testing.T) {
	f := testFiles(t)
	if n, err := f.Inspect(context.Background(), Dataset{Name: "a", Format: "parquet"}); n != 7 || err != nil {
		t.Errorf("%d items, %v", n, err)
	}
	if _, err := f.Inspect(context.Background(), Dataset{Name: "dice", Format: "csv"}); fault.KindOf(err) !=
		fault.AlreadyExists {
		t.Errorf("a name that is taken: %v", err)
	}
	if _, err := f.Inspect(context.Background(), Dataset{Name: "a", Format: "zip"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a format that the family does not read: %v", err)
	}
}
