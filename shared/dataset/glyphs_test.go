package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"sync"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

func glyphs(t testing.TB, s GlyphSpec) *Glyphs {
	t.Helper()
	g, err := NewGlyphs(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// digestOf is a SHA-256 over the bytes of some pictures.
func digestOf(t testing.TB, g *Glyphs, n int) string {
	t.Helper()
	h, w, c := g.Shape()
	b := make([]byte, h*w*c)
	sum := sha256.New()
	for i := range n {
		if err := g.Bytes(i*7919%g.Len(), b); err != nil {
			t.Fatal(err)
		}
		sum.Write(b)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// TestGlyphsAreTheSameEverywhere pins the pixels: another machine, or a change of the drawing without a change of
// glyphsVersion, fails here. The sums were made by this code; they say that it is repeatable, not that it is right.
func TestGlyphsAreTheSameEverywhere(t *testing.T) {
	rows := []struct {
		spec GlyphSpec
		want string
	}{
		{GlyphSpec{}, "625991fe5c01cc31"},
		{GlyphSpec{Seed: 1, Letters: true}, "1b1dcd6d1d5f9d76"},
		{GlyphSpec{Size: 32, Letters: true, Colour: true}, "405b3a682e33c0e2"},
		{GlyphSpec{Size: 63, N: 1000}, "65906ab7828242f0"},
	}
	for _, r := range rows {
		if got := digestOf(t, glyphs(t, r.spec), 200); got != r.want {
			t.Errorf("%+v: %s, want %s", r.spec, got, r.want)
		}
	}
}

func TestGlyphsRandomAccess(t *testing.T) {
	g := glyphs(t, GlyphSpec{N: 1000})
	want := make([][]byte, 64)
	for i := range want {
		want[i] = make([]byte, 28*28)
		if err := g.Bytes(i, want[i]); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			x := make([]float32, 28*28)
			for j := range want {
				i := (j*37 + k*11) % len(want)
				if err := g.Picture(i, x); err != nil {
					t.Error(err)
				}
				for p, v := range x {
					if ToByte(v) != want[i][p] {
						t.Errorf("picture %d differs when it is drawn in another order", i)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	// The size of the set and its other pictures do not matter.
	b := make([]byte, 28*28)
	if err := glyphs(t, GlyphSpec{N: 1 << 40}).Bytes(63, b); err != nil || string(b) != string(want[63]) {
		t.Error("the number of pictures changes a picture", err)
	}
}

// TestGlyphsAreDrawn: ink in the middle, none at the border, all pictures different, and no class empty.
func TestGlyphsAreDrawn(t *testing.T) {
	g := glyphs(t, GlyphSpec{Letters: true})
	if len(g.Classes()) != 36 || g.Classes()[35] != "Z" || g.Label(71) != 35 {
		t.Fatal(g.Classes())
	}
	seen := map[string]bool{}
	b := make([]byte, 28*28)
	for i := range 36 * 30 {
		if err := g.Bytes(i, b); err != nil {
			t.Fatal(err)
		}
		ink, border := 0, 0
		for p, v := range b {
			ink += int(v)
			if p < 28 || p >= 27*28 || p%28 == 0 || p%28 == 27 {
				border += int(v)
			}
		}
		if share := float64(ink) / (255 * 28 * 28); share < 0.02 || share > 0.5 {
			t.Errorf("picture %d (%s): %v of it is ink", i, g.Classes()[g.Label(i)], share)
		}
		if border > 0 {
			t.Errorf("picture %d touches the border", i)
		}
		seen[string(b)] = true
	}
	if len(seen) != 36*30 {
		t.Errorf("%d different pictures of %d", len(seen), 36*30)
	}
}

func TestSinCos(t *testing.T) {
	for x := int64(-unit / 2); x <= unit/2; x += 97 {
		s, c := sinCos(x)
		f := float64(x) / unit
		if math.Abs(float64(s)/unit-math.Sin(f)) > 1e-3 || math.Abs(float64(c)/unit-math.Cos(f)) > 1e-3 {
			t.Fatalf("%v: %v %v", f, float64(s)/unit, float64(c)/unit)
		}
	}
}

func TestHue(t *testing.T) {
	for h, want := range map[int][3]int{0: {255, 0, 0}, 256: {255, 255, 0}, 512: {0, 255, 0}, 1024: {0, 0, 255}} {
		if got := hue(h, 255, 255); got != want {
			t.Errorf("hue %d: %v, want %v", h, got, want)
		}
	}
	if got := hue(700, 200, 0); got != [3]int{200, 200, 200} {
		t.Error(got)
	}
}

func TestGlyphsRefuse(t *testing.T) {
	for _, s := range []GlyphSpec{{Size: 7}, {Size: 257}, {N: -1}, {N: 1<<40 + 1}, {Size: -1}} {
		_, err := NewGlyphs(s)
		wantFault(t, "spec", err, fault.Invalid, "allowed are")
	}
	g := glyphs(t, GlyphSpec{N: 10})
	wantFault(t, "index", g.Picture(10, make([]float32, 784)), fault.Invalid, "allowed are 0 to 9")
	wantFault(t, "bytes", g.Bytes(0, make([]byte, 3)), fault.Invalid, "784")
	if glyphs(t, GlyphSpec{N: 10, Seed: 1}).Hash() == g.Hash() {
		t.Error("the seed is not in the hash")
	}
}

func BenchmarkGlyph(b *testing.B) {
	g := glyphs(b, GlyphSpec{})
	x := make([]float32, 784)
	b.ReportAllocs()
	for i := range b.N {
		if err := g.Picture(i%g.Len(), x); err != nil {
			b.Fatal(err)
		}
	}
}
