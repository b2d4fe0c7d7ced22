package dataset

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

func TestRegistryIsWhole(t *testing.T) {
	names := Names()
	if !slices.IsSorted(names) || len(names) != len(slices.Compact(slices.Clone(names))) {
		t.Error("names are not sorted or not unique", names)
	}
	for _, e := range entries() {
		if e.Title == "" || e.Licence == "" || e.Citation == "" || !strings.HasPrefix(e.Homepage, "http") || e.open == nil {
			t.Errorf("%s lacks something: %+v", e.Name, e)
		}
		at := 0
		for i, name := range []string{"train", "select", "report"} {
			if s := e.Splits[i]; s.Name != name || s.From != at || s.To <= s.From {
				t.Errorf("%s: split %+v", e.Name, s)
			}
			at = e.Splits[i].To
		}
		for _, s := range e.Sources {
			if len(s.SHA256) != 64 || !strings.HasPrefix(s.URL, "https://") || strings.HasPrefix(s.Path, "/") {
				t.Errorf("%s: %+v", e.Name, s)
			}
			if (s.Packing == Archive) != (e.sel != nil) {
				t.Errorf("%s: an archive and no selection, or the other way round", e.Name)
			}
		}
	}
	_, err := Lookup("mnits")
	wantFault(t, "unknown", err, fault.NotFound, "there are cifar10-jpg, glyphs")
}

func TestOpenDrawn(t *testing.T) {
	l := &Locator{}
	whole, err := l.Open(t.Context(), Request{Name: "glyphs"})
	if err != nil {
		t.Fatal(err)
	}
	part, err := l.Open(t.Context(), Request{Name: "glyphs", Split: "report"})
	if err != nil || part.Len() != 5000 {
		t.Fatal(err)
	}
	a, b := make([]float32, 784), make([]float32, 784)
	if err := whole.Picture(55_003, a); err != nil {
		t.Fatal(err)
	}
	if err := part.Picture(3, b); err != nil || !slices.Equal(a, b) || part.Label(3) != whole.Label(55_003) {
		t.Error("the split is not a range of the whole", err)
	}
	big, err := l.Open(t.Context(), Request{Name: "glyphs-colour", Format: Format{Height: 40, Width: 40, Channels: 3}})
	if err != nil {
		t.Fatal(err)
	}
	if h, w, c := big.Shape(); h != 40 || w != 40 || c != 3 {
		t.Error(h, w, c)
	}
	_, err = l.Open(t.Context(), Request{Name: "glyphs", Split: "test"})
	wantFault(t, "split", err, fault.NotFound, "there are all, train, select, report")
	_, err = l.Open(t.Context(), Request{Name: "mnist"})
	wantFault(t, "nowhere", err, fault.NotFound, "https://storage.googleapis.com/")
}

// TestRegisteredData opens the real sets and compares them with their registered sums, sizes and a label or two.
func TestRegisteredData(t *testing.T) {
	dir := os.Getenv("MANIFOLD_DATA")
	if dir == "" {
		if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
			t.Fatal("MANIFOLD_DATA is not set")
		}
		t.Skip("MANIFOLD_DATA is not set")
	}
	l := &Locator{Dirs: []string{dir}, Offline: true}
	rows := []struct {
		name    string
		n, c    int
		size    int
		classes int
	}{
		{"mnist", 60_000, 1, 28, 10}, {"noto-emoji", 3_583, 3, 32, 9}, {"cifar10-jpg", 20_000, 3, 32, 10},
	}
	for _, r := range rows {
		d, err := l.Open(t.Context(), Request{Name: r.name})
		if err != nil {
			t.Error(err)
			continue
		}
		if h, w, c := d.Shape(); d.Len() != r.n || h != r.size || w != r.size || c != r.c || len(d.Classes()) != r.classes {
			t.Errorf("%s: %d pictures of %dx%dx%d in %d classes", r.name, d.Len(), h, w, c, len(d.Classes()))
		}
		e, err := Lookup(r.name)
		if err != nil || e.Splits[2].To != r.n {
			t.Error("the splits do not cover the set", err)
		}
	}
	m, err := l.Open(t.Context(), Request{Name: "mnist", Split: "train"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{5, 0, 4, 1, 9} { // the well-known first digits
		if m.Label(i) != want {
			t.Errorf("digit %d is labelled %d", i, m.Label(i))
		}
	}
}

func TestEmojiGroups(t *testing.T) {
	for i, e := range emojiRanges {
		if e.to < e.from || (i > 0 && emojiRanges[i-1].to >= e.from) {
			t.Errorf("range %d (%x to %x) is out of order", i, e.from, e.to)
		}
	}
	for name, want := range map[string]string{
		"emoji_u1f600.png":              "faces",
		"emoji_u1f468_200d_1f52c.png":   "people",
		"emoji_u1f408_200d_2b1b.png":    "animals and nature",
		"emoji_u1f355.png":              "food and drink",
		"emoji_u1f697.png":              "travel and places",
		"emoji_u26bd.png":               "activities",
		"emoji_u1f4a1.png":              "objects",
		"emoji_u1f3f4_200d_2620.png":    "flags",
		"emoji_u2764.png":               "symbols",
		"emoji_u0023_20e3.png":          "symbols",
		"emoji_unknown.png":             "symbols",
		"emoji_u1f9d1_1f3fb_200d_1.png": "people",
	} {
		if got, ok := selectEmoji("noto-emoji-2.048/png/32/" + name); !ok || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"png/72/emoji_u1f600.png", "png/32/readme.txt", "apng/32/x.png", "x.png"} {
		if _, ok := selectEmoji(name); ok {
			t.Errorf("%s was taken", name)
		}
	}
}
