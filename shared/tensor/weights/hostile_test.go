package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// raw is a file with the given header and n bytes of data.
func raw(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func openBytes(t testing.TB, b []byte) (*File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return Open(path)
}

type headerRow struct {
	Name   string
	Header string
	Data   int
}

func headerRows(t testing.TB, file string) []headerRow {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var rows []headerRow
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestSameVerdictAsTheReference opens what tools/reference/weights/goldens.py asked the reference about.
func TestSameVerdictAsTheReference(t *testing.T) {
	for _, r := range headerRows(t, "refused.json") {
		_, err := openBytes(t, raw(r.Header, r.Data))
		var e *Error
		if !errors.As(err, &e) || e.File == "" {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	for _, r := range headerRows(t, "accepted.json") {
		f, err := openBytes(t, raw(r.Header, r.Data))
		// The format says that a header begins with '{'; the reference does not check it.
		if stricter := r.Name == "leading space"; (err != nil) != stricter {
			t.Errorf("%s: %v", r.Name, err)
		}
		if err == nil {
			_ = f.Close()
		}
	}
}

// TestRefusals covers what the reference implementation lets through, and what the message says.
func TestRefusals(t *testing.T) {
	one := `{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`
	empty := `{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`
	rows := []struct {
		name string
		file []byte
		want string
	}{
		{"no bytes", nil, "0 bytes"},
		{"seven bytes", make([]byte, 7), "7 bytes"},
		{"no header", make([]byte, 8), "begin with '{'"},
		{"header of 2^64-1", bytes.Repeat([]byte{255}, 16), "18446744073709551615 bytes, at most"},
		{"header of 2^63", append(make([]byte, 7), 0x80, '{', '}'), "at most"},
		{"header longer than the file", append(raw("{}", 0)[:8], '{'), "a header of 2 bytes in a file of 9"},
		{"the same name twice", raw(`{"a":`+empty+`,"b":`+one+`,"a":`+empty+`}`, 4), `tensor "a": the name is there twice`},
		{"the same name, escaped", raw(`{"a":`+empty+`,"\u0061":`+one+`}`, 4), "the name is there twice"},
		{"metadata twice", raw(`{"__metadata__":{},"__metadata__":{}}`, 0), "__metadata__ is there twice"},
		{"metadata key twice", raw(`{"__metadata__":{"k":"1","k":"2"}}`, 0), `key "k" is there twice`},
		{"unknown key", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}`, 4), `unknown key "x"`},
		{"dtype we do not read", raw(`{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}`, 4),
			`tensor "a": unsupported dtype "F8_E4M3"`},
		{"not UTF-8", raw("{\"\xff\":"+one+"}", 4), "not UTF-8"},
		{"65 axes", raw(`{"a":{"dtype":"F32","shape":[1`+strings.Repeat(",1", 64)+`],"data_offsets":[0,4]}}`, 4),
			"more than 64 numbers"},
		{"deep", raw(`{"a":{"dtype":"F32","shape":`+strings.Repeat("[", 1<<20)+`}}`, 4), "non-negative integer"},
		{"deep object", raw(strings.Repeat(`{"a":`, 1<<18), 0), "unknown key"},
		{"cut short", raw(`{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, 9),
			`tensor "w": data_offsets [0, 16] go beyond`},
		{"NUL behind", raw("{}\x00", 0), "more after the value"},
	}
	for _, r := range rows {
		_, err := openBytes(t, r.file)
		var e *Error
		if !errors.As(err, &e) || e.File == "" || !strings.Contains(err.Error(), r.want) {
			t.Errorf("%s: %v, want %q", r.name, err, r.want)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s: a message of %d bytes", r.name, len(err.Error()))
		}
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestRefusalCostsLessThanTheFile measures what the parser allocates on headers made to be expensive.
func TestRefusalCostsLessThanTheFile(t *testing.T) {
	var names, keys strings.Builder
	names.WriteString(`{`)
	keys.WriteString(`{"__metadata__":{`)
	for i := range 40_000 {
		fmt.Fprintf(&names, `"%x":{"dtype":"U8","shape":[],"data_offsets":[%d,%d]},`, i, i, i+1)
		fmt.Fprintf(&keys, `"%x":"",`, i)
	}
	rows := map[string]string{
		"many tensors, then a duplicate": names.String() + `"0":{"dtype":"U8","shape":[],"data_offsets":[40000,40001]}}`,
		"many keys, then a duplicate":    keys.String() + `"0":""}}`,
		"markers without entries":        `{` + strings.Repeat(`"data_offsets"`, 100_000),
		"a long name":                    `{"` + strings.Repeat("x", 1<<20) + `":1}`,
	}
	for name, header := range rows {
		h := []byte(header)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := parseHeader(h, 40_001)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if cost := after.TotalAlloc - before.TotalAlloc; cost > uint64(len(h)) {
			t.Errorf("%s: %d bytes allocated for a header of %d", name, cost, len(h))
		}
	}
}

// TestHugeEmptyShape is accepted by the format, but cannot become a tensor.
func TestHugeEmptyShape(t *testing.T) {
	f, err := openBytes(t, raw(`{"a":{"dtype":"F32","shape":[9007199254740992,0],"data_offsets":[0,0]}}`, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Tensor("a"); err == nil {
		t.Fatal("made a tensor of 2^53 rows")
	}
}

// TestReference reads the file that the reference implementation wrote.
func TestReference(t *testing.T) {
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		Kind, Hex string
		Shape     []int
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	f, err := Open("testdata/reference.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if f.Metadata["format"] != "np" || len(f.Names()) != len(want) {
		t.Fatalf("metadata %v names %q", f.Metadata, f.Names())
	}
	for name, w := range want {
		info, _ := f.Info(name)
		if fmt.Sprint(info.Shape) != fmt.Sprint(w.Shape) {
			t.Errorf("%q: shape %v, want %v", name, info.Shape, w.Shape)
		}
		var got []byte
		switch w.Kind {
		case "f32":
			x, err := f.Float32(name)
			if err != nil {
				t.Fatal(err)
			}
			got = littleEndian(x)
		case "f64":
			x, err := f.Tensor(name)
			if err != nil {
				t.Fatal(err)
			}
			got = littleEndian(x)
		case "i64":
			xs, err := f.Ints(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range xs {
				got = binary.LittleEndian.AppendUint64(got, uint64(x))
			}
		}
		if hex.EncodeToString(got) != w.Hex {
			t.Errorf("%q: %x, want %s", name, got, w.Hex)
		}
	}
	for _, bad := range []func() error{
		func() error { _, err := f.Float32("f64"); return err },
		func() error { _, err := f.Tensor("f16"); return err },
		func() error { _, err := f.Ints("f32"); return err },
		func() error { _, err := f.Tensor("nothing"); return err },
	} {
		var e *Error
		if err := bad(); !errors.As(err, &e) || e.Tensor == "" {
			t.Errorf("%v", err)
		}
	}
}

// TestHalves checks narrowing against widening for all 65536 patterns, and the rounding of ties and neighbours.
func TestHalves(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f, b := F16ToFloat32(h), BF16ToFloat32(h)
		if f == f && Float32ToF16(f) != h || b == b && Float32ToBF16(b) != h {
			t.Fatalf("%04x does not survive", h)
		}
		back := BF16ToFloat32(Float32ToBF16(b))
		if f != f && !isNaN16(Float32ToF16(f)) || b != b && back == back {
			t.Fatalf("NaN %04x is lost", h)
		}
		if next := F16ToFloat32(h + 1); f == f && next == next && h&0x7fff < 0x7bff {
			mid := float32((float64(f) + float64(next)) / 2) // exact: one more bit than binary16
			if want := h + h&1; Float32ToF16(mid) != want {
				t.Fatalf("the tie above %04x goes to %04x", h, Float32ToF16(mid))
			}
			away := math.Nextafter32(mid, next)
			if Float32ToF16(away) != h+1 || Float32ToF16(math.Nextafter32(mid, f)) != h {
				t.Fatalf("neighbours of the tie above %04x", h)
			}
		}
	}
	inf := float32(math.Inf(1))
	for _, r := range []struct {
		f       float32
		h, bf16 uint16
	}{
		{65519.996, 0x7bff, 0x4780}, {65520, 0x7c00, 0x4780}, {-1e30, 0xfc00, 0xf14a}, {inf, 0x7c00, 0x7f80},
		{math.MaxFloat32, 0x7c00, 0x7f80}, {math.SmallestNonzeroFloat32, 0, 0}, {1 + 1.0/256, 0x3c04, 0x3f80},
		{1 + 3.0/256, 0x3c0c, 0x3f82},
	} {
		if Float32ToF16(r.f) != r.h || Float32ToBF16(r.f) != r.bf16 {
			t.Errorf("%v: %04x %04x, want %04x %04x", r.f, Float32ToF16(r.f), Float32ToBF16(r.f), r.h, r.bf16)
		}
	}
}

func isNaN16(h uint16) bool { return h&0x7c00 == 0x7c00 && h&0x3ff != 0 }

// TestWriteErrors fails the disk at the first write and after the data.
func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	if err := Write(path, sample(), nil); err != nil {
		t.Fatal(err)
	}
	old, _ := os.ReadFile(path)
	for _, n := range []int{0, 1, 3 << 20} {
		err := writeAtomic(path, func(w io.Writer) error {
			if _, err := w.Write(make([]byte, n)); err != nil {
				return err
			}
			return syscall.ENOSPC
		})
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	if b, _ := os.ReadFile(path); !bytes.Equal(b, old) {
		t.Error("the old file was changed")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Error("a temporary file is left")
	}
	if err := Write(filepath.Join(dir, "no", "m"), sample(), nil); err == nil {
		t.Error("wrote into a folder that is not there")
	}
}

// FuzzSafetensors: no input makes Open panic, and what it accepts can be read and written again, equal.
func FuzzSafetensors(f *testing.F) {
	for _, file := range []string{"refused.json", "accepted.json"} {
		for _, r := range headerRows(f, file) {
			f.Add(raw(r.Header, r.Data))
		}
	}
	if b, err := os.ReadFile("testdata/reference.safetensors"); err == nil {
		f.Add(b)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(dir, "in.safetensors")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := Open(path)
		if err != nil {
			return
		}
		defer func() { _ = in.Close() }()
		raws := map[string]Raw{}
		for _, info := range in.Infos() {
			data, err := in.Bytes(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			raws[info.Name] = Raw{info.DType, info.Shape, data}
			switch {
			case info.DType == F64:
				_, _ = in.Tensor(info.Name)
			case info.DType.Float():
				_, _ = in.Float32(info.Name)
			default:
				_, _ = in.Ints(info.Name)
			}
		}
		again := filepath.Join(dir, "out.safetensors")
		if err := WriteRaw(again, raws, in.Metadata); err != nil {
			t.Fatal(err)
		}
		out, err := Open(again)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = out.Close() }()
		if len(out.Names()) != len(raws) || len(out.Metadata) != len(in.Metadata) {
			t.Fatal("tensors or metadata lost")
		}
		for name, r := range raws {
			if data, err := out.Bytes(name); err != nil || !bytes.Equal(data, r.Data) {
				t.Fatalf("%q changed: %v", name, err)
			}
		}
	})
}
