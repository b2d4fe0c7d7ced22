package recipe

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

func TestNoFusedMultiplyAdd(t *testing.T) {
	fusedtest.Check(t, nil, ".", "../profile", "../report", "../service")
}

// made publishes a recipe's model and returns its folder.
func made(t *testing.T, text string) (modelstore.Entry, string) {
	t.Helper()
	store, err := modelstore.OpenFolders([]string{t.TempDir()}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e, err := Run(t.Context(), []byte(text), recipe.Deps{Store: store, Runs: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := store.Dir(e)
	if err != nil {
		t.Fatal(err)
	}
	return e, dir
}

var kinds = map[string]string{
	"counting":    "data: {name: dice}\n",
	"naive-bayes": "data: {name: titanic-like}\nmodel: {target: Survived}\n",
	"logistic":    "data: {name: titanic-like}\nmodel: {target: Survived}\n",
	"bayes-net":   "data: {name: titanic-1912}\nmodel: {learn: chow-liu}\n",
	"copula":      "data: {name: titanic-like}\n",
}

// TestDamagedModels: a tensor that is missing, added, or of another shape is refused, and so is a config with a field
// too much; nothing panics.
func TestDamagedModels(t *testing.T) {
	for kind, rest := range kinds {
		e, dir := made(t, "name: x\nfamily: tabular\narchitecture: "+kind+"\n"+rest)
		f, err := weights.OpenRead(filepath.Join(dir, modelstore.WeightsFile))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(e.Manifest, f); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		raws := map[string]weights.Raw{}
		for _, info := range f.Infos() {
			b, err := f.Bytes(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			raws[info.Name] = weights.Raw{DType: info.DType, Shape: info.Shape, Data: b}
		}
		try := func(what string, change map[string]weights.Raw) {
			path := filepath.Join(t.TempDir(), "model.safetensors")
			if err := weights.WriteRaw(path, change, nil); err != nil {
				t.Fatal(err)
			}
			g, err := weights.OpenRead(path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = g.Close() }() // read already
			if _, _, err := Open(e.Manifest, g); err == nil {
				t.Errorf("%s: %s is accepted", kind, what)
			}
		}
		for name, raw := range raws {
			without := copyOf(raws)
			delete(without, name)
			try("without "+name, without)
			if n := len(raw.Data); n > 0 {
				short := copyOf(raws)
				size := raw.DType.Size()
				short[name] = weights.Raw{DType: raw.DType, Shape: []int{n/size - 1}, Data: raw.Data[:n-size]}
				if len(raw.Shape) == 1 && strings.HasSuffix(name, "rows") {
					continue
				}
				try("a shorter "+name, short)
			}
		}
		more := copyOf(raws)
		more["more"] = weights.Raw{DType: weights.U8, Shape: []int{1}, Data: []byte{1}}
		try("a tensor too much", more)
		m := *e.Manifest
		m.Config = json.RawMessage(`{"nonsense": 1}`)
		if _, _, err := Open(&m, f); err == nil {
			t.Errorf("%s: a config with a field too much is accepted", kind)
		}
		_ = f.Close()
	}
}

func copyOf(raws map[string]weights.Raw) map[string]weights.Raw {
	all := map[string]weights.Raw{}
	for k, v := range raws {
		all[k] = v
	}
	return all
}

// TestPublishedRecipesAreTheirOwn: what a manifest holds is a recipe that gives the same digest, without paths.
func TestPublishedRecipesAreTheirOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("a,b\n"+strings.Repeat("x,1.5\ny,2.5\nx,3.25\n", 20)), 0o600); err != nil {
		t.Fatal(err)
	}
	e, _ := made(t, "name: own\nfamily: tabular\narchitecture: copula\ndata: {file: "+file+"}\n")
	if strings.Contains(e.Manifest.Recipe, filepath.Dir(file)) || !strings.Contains(e.Manifest.Recipe, "rows.csv") {
		t.Errorf("the recipe is\n%s", e.Manifest.Recipe)
	}
	for _, name := range []string{"counting", "naive-bayes"} {
		e, _ := made(t, "name: x\nfamily: tabular\narchitecture: "+name+"\nseed: 3\n"+kinds[name])
		again, _ := made(t, e.Manifest.Recipe)
		if again.Manifest.Digest != e.Manifest.Digest {
			t.Errorf("%s: the published recipe gives another digest", name)
		}
	}
}

// TestHoldOut: what is held out depends on the seed alone, and training and selection share no row.
func TestHoldOut(t *testing.T) {
	share := 0.25
	d := Data{Source: recipe.Source{Name: "titanic-1912"}, Select: &share}
	a, err := d.Open(t.Context(), nil, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Open(t.Context(), nil, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := a.HeldOut(); n < 450 || n > 650 || n == b.HeldOut() && same(a.held, b.held) {
		t.Errorf("%d rows of 2201 are held out", n)
	}
	s, err := a.Selection()
	if err != nil || s.Rows != a.HeldOut() {
		t.Errorf("%d rows, %v", s.Rows, err)
	}
}

func same(a, b []bool) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestBadData: what is wrong with a file is said with line and column.
func TestBadData(t *testing.T) {
	dir := t.TempDir()
	for text, says := range map[string]string{
		"a,b\n1,2\n3\n": "line 3", "a,b\n": "no rows", "a\n1\nx\n\x00\n": "NUL",
	} {
		file := filepath.Join(dir, "rows.csv")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d := Data{Source: recipe.Source{File: file}}
		_, err := d.Open(t.Context(), nil, 0, nil)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %v", text, err)
		}
	}
	d := Data{Source: recipe.Source{File: filepath.Join(dir, "none.csv")}}
	if _, err := d.Open(t.Context(), nil, 0, nil); fault.KindOf(err) != fault.NotFound || strings.Contains(err.Error(), dir) {
		t.Errorf("no file: %v", err)
	}
	d.File = dir
	if _, err := d.Open(t.Context(), nil, 0, nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a folder: %v", err)
	}
}
