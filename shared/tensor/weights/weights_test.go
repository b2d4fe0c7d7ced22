package weights

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// sample returns tensors of both dtypes, a scalar, and an empty one.
func sample() map[string]*tensor.Tensor {
	return map[string]*tensor.Tensor{
		"b.weight":                tensor.FromFloat32([]float32{1, -2, 3.5, float32(math.Inf(1)), 0, 6}, 2, 3),
		"a.bias":                  tensor.FromFloat32([]float32{7}, 1),
		"step":                    tensor.FromFloat64([]float64{math.Pi}),
		"empty":                   tensor.FromFloat32(nil, 0, 4),
		"näme \"x\"<>&\u2028\x01": tensor.FromFloat64([]float64{1, 2}, 2),
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	meta := map[string]string{"format": "pt", "ключ": "a\"b\n"}
	want := sample()
	if err := Write(path, want, meta); err != nil {
		t.Fatal(err)
	}
	for _, open := range []func(string) (*File, error){Open, OpenRead} {
		f, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Names()) != len(want) || f.Metadata["format"] != "pt" || f.Metadata["ключ"] != "a\"b\n" {
			t.Fatalf("names %q metadata %q", f.Names(), f.Metadata)
		}
		for name, w := range want {
			got, err := f.Tensor(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(littleEndian(got), littleEndian(w)) || got.Rank() != w.Rank() {
				t.Errorf("%q: got %v want %v", name, got, w)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal("second Close:", err)
		}
	}
}

func TestWriteIsDeterministicAndAligned(t *testing.T) {
	dir := t.TempDir()
	var first []byte
	for i := range 8 {
		path := filepath.Join(dir, "m.safetensors")
		if err := Write(path, sample(), map[string]string{"a": "1", "b": "2", "c": "3"}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Fatal("two writes differ")
		}
	}
	if n := int(first[0]) + int(first[1])<<8; (n+8)%align != 0 {
		t.Fatalf("the data begin at %d", n+8)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Fatal("a temporary file is left")
	}
}

func TestWriteFailureKeepsTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	rows := map[string]map[string]Raw{
		"bad size":  {"x": {DType: F32, Shape: []int{2}, Data: make([]byte, 4)}},
		"bad dtype": {"x": {Shape: []int{0}}},
		"bad shape": {"x": {DType: F32, Shape: []int{-1}}},
		"overflow":  {"x": {DType: F32, Shape: []int{1 << 62, 4}}},
		"reserved":  {metadataKey: {DType: F32, Shape: []int{0}}},
		"not UTF-8": {"\xff": {DType: F32, Shape: []int{0}}},
	}
	for name, raws := range rows {
		var e *Error
		if err := WriteRaw(path, raws, nil); !errors.As(err, &e) || e.Tensor == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := WriteRaw(path, nil, map[string]string{"k": "\xff"}); err == nil {
		t.Error("metadata that is not UTF-8 was written")
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Fatal("the old file was changed")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Fatal("a temporary file is left")
	}
}

func TestBindReportsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := Write(path, sample(), nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	w := tensor.New(tensor.Float32, 3, 2)
	params := []Param{
		{"b.weight", w},
		{"step", tensor.New(tensor.Float32)},
		{"c", tensor.New(tensor.Float32, 1)},
		{"empty", tensor.New(tensor.Float32, 0, 4)},
	}
	err = Bind(f, params, Mapping{Ignore: func(n string) bool { return strings.HasPrefix(n, "n") }})
	var be *BindError
	if !errors.As(err, &be) {
		t.Fatal(err)
	}
	want := []Problem{
		{"c", "missing"},
		{"b.weight", "shape [2 3], the model has [3 2]"},
		{"step", "dtype F64, the model has F32"},
		{"a.bias", "unused"},
	}
	if len(be.Problems) != len(want) {
		t.Fatal(err)
	}
	for i := range want {
		if be.Problems[i] != want[i] {
			t.Errorf("%v, want %v", be.Problems[i], want[i])
		}
	}
	if w.F32()[0] != 0 {
		t.Error("a failed Bind changed the model")
	}
}

func TestBindViewsAndCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	half, err := Encode(tensor.FromFloat32([]float32{1, -2, 0.5}, 3), BF16)
	if err != nil {
		t.Fatal(err)
	}
	full, err := Encode(tensor.FromFloat32([]float32{4, 5}, 2), F32)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteRaw(path, map[string]Raw{"x.h": half, "x.f": full}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, cp := range []bool{true, false} {
		h, w := tensor.New(tensor.Float32, 3), tensor.New(tensor.Float32, 2)
		old := w.F32()
		m := Mapping{Copy: cp, Rename: func(n string) string { return "x." + n }}
		if err := Bind(f, []Param{{"h", h}, {"f", w}}, m); err != nil {
			t.Fatal(err)
		}
		if h.F32()[1] != -2 || h.F32()[2] != 0.5 || w.F32()[1] != 5 {
			t.Fatal(h, w)
		}
		if (&old[0] == &w.F32()[0]) != cp {
			t.Errorf("copy %v: own memory %v", cp, !cp)
		}
	}
	err = Bind(f, []Param{{"h", tensor.New(tensor.Float32, 3)}, {"h", tensor.New(tensor.Float32, 3)}}, Mapping{
		Rename: func(string) string { return "x.h" }, Ignore: func(string) bool { return true }})
	if err == nil || !strings.Contains(err.Error(), "two parameters") {
		t.Error(err)
	}
}
