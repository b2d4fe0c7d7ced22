package dataset

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

// wantFault checks the kind of an error and a part of its text.
func wantFault(t *testing.T, name string, err error, kind fault.Kind, text string) {
	t.Helper()
	if fault.KindOf(err) != kind || err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v (%v), want %v with %q", name, err, fault.KindOf(err), kind, text)
	}
}

func four(t *testing.T) *Pictures {
	t.Helper()
	data := make([]byte, 4*2*3)
	for i := range data {
		data[i] = byte(i * 11)
	}
	p, err := NewPictures(data, 2, 3, 1, []int32{0, 1, 1, 0}, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPictures(t *testing.T) {
	p := four(t)
	h, w, c := p.Shape()
	if p.Len() != 4 || h != 2 || w != 3 || c != 1 || p.Label(2) != 1 || len(p.Classes()) != 2 {
		t.Fatal("shape or labels")
	}
	dst := make([]float32, 6)
	if err := p.Picture(3, dst); err != nil {
		t.Fatal(err)
	}
	for i, v := range dst {
		if b := p.Bytes(3)[i]; v != float32(2*int(b)-255)/255 || ToByte(v) != b {
			t.Errorf("byte %d became %v", b, v)
		}
	}
	wantFault(t, "index", p.Picture(4, dst), fault.Invalid, "picture 4")
	wantFault(t, "index", p.Picture(-1, dst), fault.Invalid, "picture -1")
	wantFault(t, "length", p.Picture(0, dst[:5]), fault.Invalid, "into 5 numbers")
	rows := map[string]func() error{
		"no height":    func() error { _, err := NewPictures(nil, 0, 1, 1, nil, nil); return err },
		"two channels": func() error { _, err := NewPictures(nil, 1, 1, 2, nil, nil); return err },
		"ragged":       func() error { _, err := NewPictures(make([]byte, 5), 2, 2, 1, nil, nil); return err },
		"labels": func() error {
			_, err := NewPictures(make([]byte, 4), 2, 2, 1, []int32{0, 0}, []string{"a"})
			return err
		},
		"class": func() error { _, err := NewPictures(make([]byte, 4), 2, 2, 1, []int32{1}, []string{"a"}); return err },
	}
	for name, f := range rows {
		wantFault(t, name, f(), fault.Invalid, "")
	}
}

func TestBytesAndNumbers(t *testing.T) {
	if signed[0] != -1 || signed[255] != 1 || signed[127] != -signed[128] {
		t.Error("the range is not symmetric")
	}
	for b := range 256 {
		if ToByte(signed[b]) != byte(b) {
			t.Errorf("%d does not survive", b)
		}
	}
	nan := float32(math.NaN())
	for x, want := range map[float32]byte{-2: 0, 2: 255, 0: 128, nan: 0, float32(math.Inf(1)): 255} {
		if ToByte(x) != want {
			t.Errorf("ToByte(%v) = %d, want %d", x, ToByte(x), want)
		}
	}
	u := []float32{-1, 0, 1}
	if ToUnit(u); u[0] != 0 || u[1] != 0.5 || u[2] != 1 {
		t.Error(u)
	}
}

func TestHashNamesContent(t *testing.T) {
	p := four(t)
	same, _ := NewPictures(append([]byte(nil), p.data...), 2, 3, 1, []int32{0, 1, 1, 0}, []string{"a", "b"})
	if same.Hash() != p.Hash() || len(p.Hash()) != 64 {
		t.Error("equal sets, different hashes")
	}
	other := append([]byte(nil), p.data...)
	other[23]++
	seen := map[string]string{p.Hash(): "itself"}
	add := func(name string, d Dataset, err error) {
		if err != nil {
			t.Fatal(name, err)
		}
		if was, ok := seen[d.Hash()]; ok {
			t.Errorf("%s has the hash of %s", name, was)
		}
		seen[d.Hash()] = name
	}
	d, err := NewPictures(other, 2, 3, 1, []int32{0, 1, 1, 0}, []string{"a", "b"})
	add("another pixel", d, err)
	d, err = NewPictures(p.data, 3, 2, 1, []int32{0, 1, 1, 0}, []string{"a", "b"})
	add("another shape", d, err)
	d, err = NewPictures(p.data, 2, 3, 1, []int32{0, 1, 1, 1}, []string{"a", "b"})
	add("another label", d, err)
	d, err = NewPictures(p.data, 2, 3, 1, []int32{0, 1, 1, 0}, []string{"a", "c"})
	add("another class", d, err)
	d, err = NewPictures(p.data, 2, 3, 1, nil, nil)
	add("no labels", d, err)
	add("shuffled", p.shuffled(), nil)
	for _, r := range [][2]int{{0, 3}, {1, 4}, {1, 3}} {
		s, err := Range(p, r[0], r[1])
		add("range", s, err)
	}
	s, err := Pad(p, 4, 4, -1)
	add("padded", s, err)
	s, err = Pad(p, 4, 4, 0)
	add("padded with gray", s, err)
}

func TestRange(t *testing.T) {
	p := four(t)
	r, err := Range(p, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	got, want := make([]float32, 6), make([]float32, 6)
	if r.Len() != 2 || r.Label(1) != p.Label(2) {
		t.Error("length or label")
	}
	if err := errors.Join(r.Picture(1, got), p.Picture(2, want)); err != nil || got[5] != want[5] {
		t.Error(got, want, err)
	}
	wantFault(t, "beyond the range", r.Picture(2, got), fault.Invalid, "allowed are 0 to 1")
	for _, bad := range [][2]int{{-1, 2}, {3, 2}, {0, 5}} {
		_, err := Range(p, bad[0], bad[1])
		wantFault(t, "range", err, fault.Invalid, "of a set of 4")
	}
	if whole, _ := Range(p, 0, 4); whole != Dataset(p) {
		t.Error("the whole set was wrapped")
	}
}

func TestPad(t *testing.T) {
	p := four(t)
	for _, size := range [][2]int{{2, 3}, {2, 4}, {3, 3}, {5, 6}, {9, 3}, {2, 9}} {
		d, err := Pad(p, size[0], size[1], 0.25)
		if err != nil {
			t.Fatal(err)
		}
		h, w, _ := d.Shape()
		got, src := make([]float32, h*w), make([]float32, 6)
		if err := errors.Join(d.Picture(2, got), p.Picture(2, src)); err != nil {
			t.Fatal(err)
		}
		top, left := (h-2)/2, (w-3)/2
		for y := range h {
			for x := range w {
				want := float32(0.25)
				if y >= top && y < top+2 && x >= left && x < left+3 {
					want = src[(y-top)*3+x-left]
				}
				if got[y*w+x] != want {
					t.Fatalf("%dx%d at %d,%d: %v, want %v", h, w, y, x, got[y*w+x], want)
				}
			}
		}
	}
	_, err := Pad(p, 1, 3, 0)
	wantFault(t, "smaller", err, fault.Invalid, "larger")
	_, err = Pad(p, 4, 4, 2)
	wantFault(t, "value", err, fault.Invalid, "-1 to 1")
}

func TestShuffledKeepsPairs(t *testing.T) {
	p := four(t)
	q := p.shuffled()
	seen := 0
	for i := range 4 {
		for j := range 4 {
			if string(q.Bytes(i)) == string(p.Bytes(j)) {
				seen++
				if q.Label(i) != p.Label(j) {
					t.Error("a label left its picture")
				}
			}
		}
	}
	if seen != 4 || q.Hash() != p.shuffled().Hash() {
		t.Error("not a fixed permutation")
	}
}

// writeFile writes a file below dir and returns its path.
func writeFile(t testing.TB, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUnitPicture compares with Picture and ToUnit, for pictures in memory and a range of them.
func TestUnitPicture(t *testing.T) {
	data := make([]byte, 3*256)
	for i := range data {
		data[i] = byte(i * 7)
	}
	p, err := NewPictures(data, 16, 16, 1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	part, err := Range(p, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []Dataset{p, part} {
		got, want := make([]float32, 256), make([]float32, 256)
		for i := range d.Len() {
			if err := UnitPicture(d, i, got); err != nil {
				t.Fatal(err)
			}
			if err := d.Picture(i, want); err != nil {
				t.Fatal(err)
			}
			ToUnit(want)
			if !slices.Equal(got, want) {
				t.Errorf("picture %d: %v, want %v", i, got, want)
			}
		}
		if UnitPicture(d, d.Len(), got) == nil || UnitPicture(d, 0, got[:5]) == nil {
			t.Error("a wrong index or length was taken")
		}
	}
}
