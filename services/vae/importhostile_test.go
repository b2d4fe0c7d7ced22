package vae

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

// torchFile is an archive as torch.save writes it, with one storage of the given bytes.
func torchFile(t *testing.T, pickle string, storage int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range []struct {
		name string
		data []byte
	}{
		{"m/data.pkl", []byte(pickle)}, {"m/byteorder", []byte("little")}, {"m/data/0", make([]byte, storage)},
		{"m/version", []byte("3\n")},
	} {
		f, err := w.CreateHeader(&zip.FileHeader{Name: e.name})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pickledText is the operation of a pickle that pushes text.
func pickledText(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// pickledInts are the operations that push numbers.
func pickledInts(n ...int64) string {
	var b strings.Builder
	for _, v := range n {
		b.WriteString("\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(v))))
	}
	return b.String()
}

// pickledTensor is a tensor of storage 0, which claims n floats, with the same stride along every axis.
func pickledTensor(n, stride int64, sizes ...int64) string {
	strides := make([]int64, len(sizes))
	for i := range strides {
		strides[i] = stride
	}
	return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickledText("storage") + "ctorch\nFloatStorage\n" + pickledText("0") +
		pickledText("cpu") + pickledInts(n) + "tQ" + pickledInts(0) + "(" + pickledInts(sizes...) + "t(" +
		pickledInts(strides...) + "t\x89ccollections\nOrderedDict\n)RtR"
}

// TestImportHostile gives Import files that are made to harm: each is refused in words, at once, in little memory, with
// nothing run and nothing left behind.
func TestImportHostile(t *testing.T) {
	s, dir := importStore(t)
	ran := filepath.Join(t.TempDir(), "ran")
	system := "cos\nsystem\n" + pickledText("touch "+ran) + "\x85R"
	name := pickledText("fc1.weight")
	plain := "\x80\x02}(" + name + pickledTensor(4, 1, 4) + "u."
	whole := torchFile(t, plain, 16)
	const huge = 2_500_000_000 // floats: 10 GB
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"a command", torchFile(t, "\x80\x02"+system+".", 0), `"os.system"`},
		{"a command behind a tensor", torchFile(t, "\x80\x02}("+name+pickledTensor(4, 1, 4)+pickledText("x")+system+"u.", 16),
			`"os.system"`},
		{"a command within dicts", torchFile(t, "\x80\x02}"+pickledText("a")+"}"+pickledText("b")+"]"+system+"ass.", 0),
			`"os.system"`},
		{"a command as the key of a dict", torchFile(t, "\x80\x02}"+system+"Ns.", 0), `"os.system"`},
		{"a pickle in a pickle", torchFile(t, "\x80\x02cpickle\nloads\n"+pickledText(plain)+"\x85R.", 0), `"pickle.loads"`},
		{"eval", torchFile(t, "\x80\x02cbuiltins\neval\n"+pickledText("1")+"\x85R.", 0), `"builtins.eval"`},
		{"dicts a thousand deep", torchFile(t, "\x80\x02"+strings.Repeat("}"+pickledText("a"), 1000)+"}"+
			strings.Repeat("s", 1000)+".", 0), "deep within"},
		{"10 GB of storage", torchFile(t, "\x80\x02}("+name+pickledTensor(huge, 1, huge)+"u.", 16), "has 16 bytes"},
		{"10 GB by strides of 0", torchFile(t, "\x80\x02}("+name+pickledTensor(4, 0, 50_000, 50_000)+"u.", 16),
			"more than the file has"},
		{"text of 4 GB", torchFile(t, "\x80\x02X\xff\xff\xff\xffab", 0), "cut short"},
		{"cut in the directory", whole[:len(whole)-30], "cut short"},
		{"cut in half", whole[:len(whole)/2], ""},
		{"cut in the pickle", torchFile(t, plain[:len(plain)-1], 16), "cut short"},
		{"empty", nil, ""},
		{"sound, and no model", whole, "fc1.weight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "evil.pth")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Import(context.Background(), path, ImportOptions{Store: s})
			runtime.ReadMemStats(&after)
			if err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v of kind %v, want %q", err, fault.KindOf(err), c.want)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("the message shows too much: %.2000s", err)
			}
			if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 16 {
				t.Errorf("%d MiB were allocated for a file of %d bytes", n, len(c.file))
			}
		})
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a command of a file was run")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
