package dataset

import (
	"math/bits"
	"sync"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gobolditalic"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/gomediumitalic"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// glyphsVersion is part of a Glyphs set's hash; it changes with anything that changes a pixel.
const glyphsVersion = 1

// GlyphSpec describes a set of drawn characters. Zero fields mean the defaults.
type GlyphSpec struct {
	Size    int    // height and width of a picture, 8 to 256; default 28
	N       int    // number of pictures, up to 2^40; default 60,000
	Seed    uint64 // decides every picture
	Letters bool   // classes are 0-9 and A-Z instead of 0-9
	Colour  bool   // RGB, light on dark or dark on light, instead of white on black
}

// Glyphs is a Dataset of characters that it draws when asked: outlines of Go's own fonts in six styles, each turned,
// slanted, stretched, bent, shifted and thickened by random amounts that depend on the seed and the index alone.
// Class i mod len(Classes) is drawn as picture i, so every range is balanced.
//
// All of it is integer arithmetic, so a picture is the same on every machine.
type Glyphs struct {
	spec    GlyphSpec
	runes   []rune
	classes []string
	fonts   [][]outline // by style, by class
	pool    sync.Pool   // *canvas
	hash    string
}

// outline is a glyph's contours as closed polygons, centred, with its larger side one unit of 1<<16.
type outline [][]point

type point struct{ x, y int64 }

const unit = 1 << 16

// NewGlyphs makes a set. Errors are of kind fault.Invalid.
func NewGlyphs(s GlyphSpec) (*Glyphs, error) {
	const op = "dataset.NewGlyphs"
	if s.Size == 0 {
		s.Size = 28
	}
	if s.N == 0 {
		s.N = 60_000
	}
	if s.Size < 8 || s.Size > 256 || s.N < 1 || s.N > 1<<40 {
		return nil, fault.E(fault.Invalid, "BAD_SHAPE", op,
			"%d pictures of side %d, allowed are 1 to 2^40 pictures of side 8 to 256", s.N, s.Size)
	}
	g := &Glyphs{spec: s}
	for r := '0'; r <= '9'; r++ {
		g.runes = append(g.runes, r)
	}
	for r := 'A'; r <= 'Z' && s.Letters; r++ {
		g.runes = append(g.runes, r)
	}
	for _, r := range g.runes {
		g.classes = append(g.classes, string(r))
	}
	for _, ttf := range [][]byte{goregular.TTF, gomedium.TTF, gobold.TTF, goitalic.TTF, gomediumitalic.TTF,
		gobolditalic.TTF} {
		style, err := outlines(ttf, g.runes)
		if err != nil {
			return nil, fault.E(fault.Internal, "BAD_FONT", op, "%w", err)
		}
		g.fonts = append(g.fonts, style)
	}
	g.pool.New = func() any { return newCanvas(s.Size) }
	colour, letters := 0, 0
	if s.Colour {
		colour = 1
	}
	if s.Letters {
		letters = 1
	}
	g.hash = newDigest("glyphs", glyphsVersion, s.Size, s.N, int(s.Seed), letters, colour).sum()
	return g, nil
}

// outlines reads the outline of every rune at one unit of the font a pixel, and makes polygons of its curves.
func outlines(ttf []byte, runes []rune) ([]outline, error) {
	f, err := sfnt.Parse(ttf)
	if err != nil {
		return nil, err
	}
	var buf sfnt.Buffer
	var all []outline
	for _, r := range runes {
		index, err := f.GlyphIndex(&buf, r)
		if err != nil {
			return nil, err
		}
		segs, err := f.LoadGlyph(&buf, index, fixed.I(int(f.UnitsPerEm())), nil)
		if err != nil {
			return nil, err
		}
		all = append(all, polygons(segs).normal())
	}
	return all, nil
}

// pieces is the number of lines that stand for a curve.
const pieces = 8

func polygons(segs sfnt.Segments) outline {
	var o outline
	var at point
	p := func(a fixed.Point26_6) point { return point{int64(a.X), int64(a.Y)} }
	for _, s := range segs {
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			at = p(s.Args[0])
			o = append(o, []point{at})
			continue
		case sfnt.SegmentOpLineTo:
			at = p(s.Args[0])
			o[len(o)-1] = append(o[len(o)-1], at)
		case sfnt.SegmentOpQuadTo: // TrueType outlines have no cubic curves
			b, c := p(s.Args[0]), p(s.Args[1])
			for k := int64(1); k <= pieces; k++ {
				u, v, w := (pieces-k)*(pieces-k), 2*k*(pieces-k), k*k
				o[len(o)-1] = append(o[len(o)-1], point{
					(at.x*u + b.x*v + c.x*w) / (pieces * pieces),
					(at.y*u + b.y*v + c.y*w) / (pieces * pieces),
				})
			}
			at = c
		}
	}
	return o
}

// normal centres the outline and scales its larger side to one unit.
func (o outline) normal() outline {
	lo, hi := o[0][0], o[0][0]
	for _, c := range o {
		for _, p := range c {
			lo = point{min(lo.x, p.x), min(lo.y, p.y)}
			hi = point{max(hi.x, p.x), max(hi.y, p.y)}
		}
	}
	side := max(hi.x-lo.x, hi.y-lo.y)
	for _, c := range o {
		for i, p := range c {
			c[i] = point{(2*p.x - lo.x - hi.x) * unit / (2 * side), (2*p.y - lo.y - hi.y) * unit / (2 * side)}
		}
	}
	return o
}

// Len is the number of pictures.
func (g *Glyphs) Len() int { return g.spec.N }

// Shape is Size x Size x 1, or x 3 in colour.
func (g *Glyphs) Shape() (h, w, c int) {
	if g.spec.Colour {
		return g.spec.Size, g.spec.Size, 3
	}
	return g.spec.Size, g.spec.Size, 1
}

// Classes is "0" to "9", and "A" to "Z" with letters. The slice is shared and must not be changed.
func (g *Glyphs) Classes() []string { return g.classes }

// Label is i mod the number of classes.
func (g *Glyphs) Label(i int) int { return i % len(g.classes) }

// Hash names the fonts' version and the spec, which decide every pixel.
func (g *Glyphs) Hash() string { return g.hash }

// Picture draws picture i.
func (g *Glyphs) Picture(i int, dst []float32) error {
	if err := checkPicture(g, i, len(dst)); err != nil {
		return err
	}
	c := g.pool.Get().(*canvas)
	defer g.pool.Put(c)
	g.draw(c, i)
	for j := range dst {
		dst[j] = signed[c.out[j]]
	}
	return nil
}

// Bytes writes the 8-bit values of picture i to dst, which has as many elements as for Picture.
func (g *Glyphs) Bytes(i int, dst []byte) error {
	if err := checkPicture(g, i, len(dst)); err != nil {
		return err
	}
	c := g.pool.Get().(*canvas)
	defer g.pool.Put(c)
	g.draw(c, i)
	copy(dst, c.out)
	return nil
}

// draw fills c.out with picture i.
func (g *Glyphs) draw(c *canvas, i int) {
	var words [24]uint32
	rng.New(g.spec.Seed).Uint32s(words[:], uint64(i), 0, rng.Augment)
	d := &dice{words: words[:]}
	shape := g.fonts[d.below(len(g.fonts))][g.Label(i)]
	m := randomMap(d, g.spec.Size)
	c.clear()
	m.keepInside(shape, g.spec.Size)
	for _, contour := range shape {
		from := m.at(contour[len(contour)-1])
		for _, p := range contour {
			to := m.at(p)
			c.edge(from, to)
			from = to
		}
	}
	c.fill()
	for range d.below(3) { // up to a quarter of a pixel all around
		c.thicken()
	}
	c.count()
	if g.spec.Colour {
		c.colours(d)
		return
	}
	for j, n := range c.cover {
		c.out[j] = byte((int(n)*255 + sub*sub/2) / (sub * sub))
	}
}

// dice hands out random numbers from the words of one picture, in order.
type dice struct {
	words []uint32
	next  int
}

// below is uniform in 0..n-1, up to a bias of n/2^32.
func (d *dice) below(n int) int {
	hi, _ := bits.Mul32(d.words[d.next], uint32(n))
	d.next++
	return int(hi)
}

// between is uniform in lo..hi, in thousandths of a unit, as a fraction of 1<<16.
func (d *dice) between(lo, hi int) int64 { return int64(lo+d.below(hi-lo+1)) * unit / 1000 }
