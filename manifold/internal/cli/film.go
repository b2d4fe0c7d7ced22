package cli

import (
	"bytes"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/shared/picture"
)

// comfortable is the width in pixels that enlarging aims at when nobody said by how much.
const comfortable = 420

// enlarge repeats every pixel; factor 0 picks one that makes the picture about comfortable pixels wide.
func enlarge(p *picture.Picture, factor int) *picture.Picture {
	if factor == 0 {
		factor = max(1, comfortable/p.Width)
	}
	if factor == 1 {
		return p
	}
	big := picture.New(p.Width*factor, p.Height*factor, p.Channels)
	row := big.Width * p.Channels
	for y := range p.Height {
		for x := range p.Width {
			px := p.Pix[(y*p.Width+x)*p.Channels:][:p.Channels]
			for k := range factor {
				copy(big.Pix[y*factor*row+(x*factor+k)*p.Channels:], px)
			}
		}
		first := big.Pix[y*factor*row:][:row]
		for k := 1; k < factor; k++ {
			copy(big.Pix[(y*factor+k)*row:], first)
		}
	}
	return big
}

// film collects the frames of an animation.
type film struct {
	scale  int
	frames []*picture.Picture
}

func (f *film) add(images []*tensorv1.Image) error {
	l, err := decodeAll(images)
	if err != nil {
		return err
	}
	grid, err := picture.Grid(l, 0, 1)
	if err != nil {
		return err
	}
	f.frames = append(f.frames, grid)
	return nil
}

// gif encodes the frames, then the finished pictures, which stay for a moment.
func (f *film) gif(last []*picture.Picture) ([]byte, error) {
	grid, err := picture.Grid(last, 0, 1)
	if err != nil {
		return nil, err
	}
	g := &gif.GIF{}
	for _, p := range append(f.frames, grid) {
		g.Image = append(g.Image, paletted(enlarge(p, f.scale)))
		g.Delay = append(g.Delay, 6)
	}
	g.Delay[len(g.Delay)-1] = 200
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// paletted maps a picture to 256 greys, exactly, or to a fixed palette of colours.
func paletted(p *picture.Picture) *image.Paletted {
	bounds := image.Rect(0, 0, p.Width, p.Height)
	if p.Channels == 1 {
		greys := make(color.Palette, 256)
		for i := range greys {
			greys[i] = color.Gray{Y: uint8(i)}
		}
		return &image.Paletted{Pix: p.Pix, Stride: p.Width, Rect: bounds, Palette: greys}
	}
	out := image.NewPaletted(bounds, palette.Plan9)
	src := p.Image()
	cache := map[color.Color]uint8{}
	for y := range p.Height {
		for x := range p.Width {
			c := src.At(x, y)
			i, ok := cache[c]
			if !ok {
				i = uint8(out.Palette.Index(c))
				cache[c] = i
			}
			out.Pix[y*out.Stride+x] = i
		}
	}
	return out
}
