package recipe

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

// writeImages makes a folder of n pictures per class.
func writeImages(t *testing.T, size int, paint func(class, i, x, y int) color.Color, classes ...string) string {
	t.Helper()
	dir := t.TempDir()
	for c, class := range classes {
		if err := os.MkdirAll(filepath.Join(dir, class), 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range 12 {
			m := image.NewRGBA(image.Rect(0, 0, size, size))
			for y := range size {
				for x := range size {
					m.Set(x, y, paint(c, i, x, y))
				}
			}
			var b bytes.Buffer
			if err := png.Encode(&b, m); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, class, string(rune('a'+i))+".png"), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestForImages(t *testing.T) {
	grey := func(c, i, x, y int) color.Color { return color.Gray{Y: uint8(20*c + i + x + y)} }
	red := func(c, i, x, y int) color.Color { return color.RGBA{R: uint8(x * y), G: uint8(c), A: 255} }
	rows := []struct {
		name           string
		side           int
		paint          func(c, i, x, y int) color.Color
		size, channels int
	}{
		{"digits", 28, grey, 28, 1},
		{"grey", 50, grey, 32, 1},
		{"colour", 40, red, 32, 3},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			dir := writeImages(t, row.side, row.paint, "cat", "dog")
			r, err := ForImages(dir, "pets", 10)
			if err != nil {
				t.Fatal(err)
			}
			if r.Data.Size != row.size || r.Data.Channels != row.channels || r.Train.Steps < 100 {
				t.Errorf("size %d, %d channels, %d steps", r.Data.Size, r.Data.Channels, r.Train.Steps)
			}
			written, err := r.YAML()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Parse(written); err != nil {
				t.Errorf("the recipe cannot be read: %v\n%s", err, written)
			}
			p, err := r.open(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.Classes, []string{"cat", "dog"}) || p.Train.Len() != 23 || p.Selection.Len() != 1 {
				t.Errorf("classes %q, %d and %d pictures", p.Classes, p.Train.Len(), p.Selection.Len())
			}
			seen := make(map[int]bool)
			for i := range p.Train.Len() {
				seen[p.Train.Index(i)] = true
			}
			seen[p.Selection.Index(0)] = true
			if len(seen) != 24 {
				t.Errorf("the splits hold %d different pictures, want 24", len(seen))
			}
			if _, err := newTask(r, p); err != nil {
				t.Error(err)
			}
		})
	}
	_, err := ForImages(filepath.Join(t.TempDir(), "none"), "a", 10)
	wantFault(t, err, fault.NotFound)
	_, err = ForImages(t.TempDir(), "a", 10)
	wantFault(t, err, fault.Invalid, "no PNG or JPEG")
}

// TestOwnPictures trains on a folder for a few steps and looks for its path in what is published.
func TestOwnPictures(t *testing.T) {
	dir := writeImages(t, 20, func(c, i, x, y int) color.Color { return color.RGBA{R: uint8(90 * c), G: uint8(9 * x), A: 255} },
		"cat", "dog")
	r, err := ForImages(dir, "pets", 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Data.Size = 8
	r.Model = Model{Channels: []int{8}, Heads: 2, TimeDim: 16, Groups: 4}
	r.Train.Steps, r.Train.Warmup, r.Train.Batch, r.Train.Micro, r.Train.PreviewEvery = 4, 1, 8, 8, 4
	d := deps(t)
	e, err := r.Run(context.Background(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(e.Manifest.Labels, []string{"cat", "dog"}) {
		t.Errorf("labels %q", e.Manifest.Labels)
	}
	card, err := d.Store.Card(e)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"manifest": e.Manifest.Recipe, "card": card} {
		if strings.Contains(text, filepath.Dir(dir)) {
			t.Errorf("the %s shows where the pictures lie:\n%s", name, text)
		}
	}
}
