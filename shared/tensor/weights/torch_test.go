package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestTorchGoldens reads what torch wrote in both formats: every element type, views of shared storages, nested dicts.
func TestTorchGoldens(t *testing.T) {
	want, err := Open("testdata/torch_want.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = want.Close() }()
	for _, name := range []string{"torch.pt", "torch_legacy.pt"} {
		got, err := OpenTorch(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Names(), want.Names()) {
			t.Fatalf("%s: %q, want %q", name, got.Names(), want.Names())
		}
		for _, w := range want.Infos() {
			g, _ := got.Info(w.Name)
			a, _ := got.Bytes(w.Name)
			b, _ := want.Bytes(w.Name)
			if g.DType != w.DType || !slices.Equal(g.Shape, w.Shape) || g.Bytes != w.Bytes || !bytes.Equal(a, b) {
				t.Errorf("%s: %q: %v %v, want %v %v", name, w.Name, g, a, w, b)
			}
		}
		meta := map[string]string{"epoch": "3", "best": "91.75", "name": "näme", "done": "true", "big": "1099511627776",
			"negative": "-5", "optimizer.param_groups.0.lr": "0.1", "none": ""}
		for key, w := range meta {
			if got.Metadata[key] != w {
				t.Errorf("%s: metadata %s is %q, want %q", name, key, got.Metadata[key], w)
			}
		}
		x, err := got.Tensor("views.turned")
		if err != nil || x.F32()[1] != float32(6)/7 {
			t.Errorf("%s: %v %v", name, x, err)
		}
		if err := got.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTorchPublished compares published checkpoints with what torch reads in them.
func TestTorchPublished(t *testing.T) {
	dir := os.Getenv("MANIFOLD_MODELS")
	if dir == "" {
		if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
			t.Fatal("MANIFOLD_MODELS is not set")
		}
		t.Skip("MANIFOLD_MODELS is not set")
	}
	b, err := os.ReadFile("testdata/torch_models.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		Tensors int
		SHA256  string
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	for name, w := range want {
		f, err := OpenTorch(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		h := sha256.New()
		for _, info := range f.Infos() {
			data, err := f.Bytes(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(h, "%s\x00%s\x00%v\x00", info.Name, info.DType, info.Shape) // a hash takes every write
			h.Write(data)
		}
		if sum := hex.EncodeToString(h.Sum(nil)); len(f.Infos()) != w.Tensors || sum != w.SHA256 {
			t.Errorf("%s: %d tensors with digest %s, torch finds %d with %s", name, len(f.Infos()), sum, w.Tensors, w.SHA256)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTorchBindsAndConverts goes the way of an import: bind to a model, write as safetensors.
func TestTorchBindsAndConverts(t *testing.T) {
	f, err := OpenTorch("testdata/torch.pt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	raws := map[string]Raw{}
	for _, info := range f.Infos() {
		data, err := f.Bytes(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		raws[info.Name] = Raw{DType: info.DType, Shape: info.Shape, Data: data}
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := WriteRaw(path, raws, nil); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if x, err := again.Tensor("types.f64"); err != nil || !math.IsInf(x.F64()[2], 1) {
		t.Error(x, err)
	}
}

func TestIsTorch(t *testing.T) {
	for _, name := range []string{"torch.pt", "torch_legacy.pt"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if !IsTorch(b) {
			t.Error(name)
		}
	}
	if b, err := os.ReadFile("testdata/reference.safetensors"); err != nil || IsTorch(b) {
		t.Error("a safetensors file", err)
	}
}
