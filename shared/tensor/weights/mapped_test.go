//go:build unix

package weights

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// TestTruncatedUnderTheMapping cuts a mapped file and reads beyond its new end.
func TestTruncatedUnderTheMapping(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := Write(path, map[string]*tensor.Tensor{"w": tensor.New(tensor.Float32, 1<<20)}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	w, err := f.Tensor("w")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	sum := float32(0)
	defer func() {
		// An emulator of another CPU may report the fault without its address; then Guard cannot know the file.
		r := recover()
		_, known := r.(interface{ Addr() uintptr })
		if _, ok := r.(runtime.Error); r != nil && (!ok || known) {
			panic(r)
		}
	}()
	err = Guard(func() error {
		for _, v := range w.F32() {
			sum += v
		}
		return nil
	})
	var e *Error
	if !errors.As(err, &e) || e.File != path || !strings.Contains(e.Msg, "shorter") {
		t.Fatal(err)
	}
	dst := make([]float32, w.Len())
	err = Guard(func() error {
		copy(dst, w.F32()) // memmove is assembly
		return nil
	})
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
}

// TestTruncatedUnderTheKernels cuts a mapped file whose tensor is being read by several threads.
func TestTruncatedUnderTheKernels(t *testing.T) {
	defer tensor.SetThreads(0)
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := Write(path, map[string]*tensor.Tensor{"w": tensor.New(tensor.Float32, 1024, 4096)}, nil); err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{1, 2, 4} {
		tensor.SetThreads(threads)
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		w, err := f.Tensor("w")
		if err != nil {
			t.Fatal(err)
		}
		whole, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 1<<20); err != nil {
			t.Fatal(err)
		}
		y := tensor.New(tensor.Float32, 1024, 4096)
		func() {
			defer func() {
				// As above: an emulator may hide the address of the fault.
				r := recover()
				_, known := r.(interface{ Addr() uintptr })
				if _, ok := r.(runtime.Error); r != nil && (!ok || known) {
					panic(r)
				}
			}()
			err := Guard(func() error { tensor.SiLU(y, w); return nil })
			var e *Error
			if !errors.As(err, &e) || e.File != path {
				t.Errorf("%d threads: %v", threads, err)
			}
		}()
		if err := os.Truncate(path, whole.Size()); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGuardLeavesOtherPanicsAlone(t *testing.T) {
	for name, f := range map[string]func(){
		"value":  func() { panic("x") },
		"nil":    func() { var p *[1 << 20]int; p[1<<19]++ },
		"bounds": func() { var s []int; _ = s[len(s)] },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: the panic was swallowed", name)
				}
			}()
			_ = Guard(func() error { f(); return nil })
		}()
	}
	want := errors.New("x")
	if err := Guard(func() error { return want }); !errors.Is(err, want) {
		t.Error(err)
	}
}

func writeShards(t *testing.T, index string) string {
	t.Helper()
	dir := t.TempDir()
	one := map[string]*tensor.Tensor{"a": tensor.FromFloat32([]float32{1}, 1), "z": tensor.FromFloat32([]float32{2}, 1)}
	two := map[string]*tensor.Tensor{"m": tensor.FromFloat32([]float32{3}, 1)}
	if err := Write(filepath.Join(dir, "one.safetensors"), one, nil); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "two.safetensors"), two, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "three.safetensors"), one, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.safetensors.index.json")
	if err := os.WriteFile(path, []byte(index), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestShards(t *testing.T) {
	good := `"a":"one.safetensors","z":"one.safetensors","m":"two.safetensors"`
	meta := `"metadata":{"total_size":12.0,"x":[null,true,{"y":-1e3}]}`
	f, err := Open(writeShards(t, " {"+meta+`,"weight_map":{`+good+"}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if names := strings.Join(f.Names(), " "); names != "a m z" || f.Metadata["format"] != "pt" {
		t.Fatal(names, f.Metadata)
	}
	for name, want := range map[string]float32{"a": 1, "m": 3, "z": 2} {
		if x, err := f.Tensor(name); err != nil || x.F32()[0] != want {
			t.Errorf("%s: %v %v", name, x, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	rows := map[string][2]string{
		"no map":       {`{"metadata":{}}`, "no weight_map"},
		"map twice":    {`{"weight_map":{},"weight_map":{}}`, "there twice"},
		"not in shard": {`{"weight_map":{` + good + `,"n":"two.safetensors"}}`, `tensor "n": in the index, but not in`},
		"not in index": {`{"weight_map":{"a":"one.safetensors","m":"two.safetensors"}}`, `tensor "z": in the shard, but`},
		"two shards": {`{"weight_map":{` + good + `,"a":"three.safetensors","z":"three.safetensors"}}`,
			"in two shards"},
		"no such file": {`{"weight_map":{"a":"four.safetensors"}}`, "no such file"},
		"parent":       {`{"weight_map":{"a":"../one.safetensors"}}`, "beside the index"},
		"absolute":     {`{"weight_map":{"a":"/etc/passwd"}}`, "beside the index"},
		"empty name":   {`{"weight_map":{"a":""}}`, "beside the index"},
		"a number":     {`{"weight_map":{"a":1}}`, `expected '"'`},
		"deep":         {`{"metadata":` + strings.Repeat("[", 1<<16) + `}`, "too deep"},
		"bad value":    {`{"metadata":nope,"weight_map":{}}`, "bad value"},
		"cut short":    {`{"weight_map":{"a"`, "expected ':'"},
	}
	for name, r := range rows {
		if _, err := Open(writeShards(t, r[0])); err == nil || !strings.Contains(err.Error(), r[1]) {
			t.Errorf("%s: %v, want %q", name, err, r[1])
		}
	}
}
