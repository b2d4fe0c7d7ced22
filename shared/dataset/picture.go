package dataset

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Format says how packed pictures become elements of a set. The zero Format keeps the size of the first picture,
// takes RGB, and puts transparent pictures on white.
type Format struct {
	Height, Width int         // size of every picture; 0 takes the first picture's, and all must have it
	Channels      int         // 1 gray, 3 RGB (also for 0), 4 RGBA
	Background    color.Color // what lies behind transparent pixels unless Channels is 4; nil is white
	Limits        Limits
}

func (f Format) orDefault() (Format, error) {
	if f.Channels == 0 {
		f.Channels = 3
	}
	if f.Background == nil {
		f.Background = color.White
	}
	f.Limits = f.Limits.orDefault()
	if f.Channels != 1 && f.Channels != 3 && f.Channels != 4 {
		return f, fault.E(fault.Invalid, "BAD_SHAPE", "dataset.Format", "%d channels, allowed are 1, 3 and 4", f.Channels)
	}
	if f.Height < 0 || f.Width < 0 || f.Height > maxSide || f.Width > maxSide || (f.Height == 0) != (f.Width == 0) {
		return f, fault.E(fault.Invalid, "BAD_SHAPE", "dataset.Format", "size %dx%d, allowed are 1 to %d for both sides",
			f.Height, f.Width, maxSide)
	}
	return f, nil
}

// Decode unpacks one PNG or JPEG as height x width x channels bytes. Its size is checked before its pixels are
// unpacked. A picture of another size than f's is cropped about its centre to f's proportions and then resized
// (Catmull-Rom, which averages where it shrinks). Errors are of kind fault.Corrupt.
func Decode(file []byte, f Format) (pixels []byte, h, w int, err error) {
	f, err = f.orDefault()
	if err != nil {
		return nil, 0, 0, err
	}
	img, err := decode(file, f.Limits)
	if err != nil {
		return nil, 0, 0, err
	}
	h, w = f.Height, f.Width
	if h == 0 {
		h, w = img.Bounds().Dy(), img.Bounds().Dx()
	}
	return pack(fit(img, h, w), f), h, w, nil
}

func decode(file []byte, limits Limits) (image.RGBA64Image, error) {
	const op = "dataset.Decode"
	var cfg image.Config
	var err error
	unpack := png.Decode
	switch {
	case int64(len(file)) > limits.File:
		return nil, corrupt(op, "a file of %d bytes, at most %d are allowed", len(file), limits.File)
	case bytes.HasPrefix(file, []byte("\x89PNG\r\n\x1a\n")):
		cfg, err = png.DecodeConfig(bytes.NewReader(file))
	case bytes.HasPrefix(file, []byte("\xff\xd8")):
		cfg, err = jpeg.DecodeConfig(bytes.NewReader(file))
		unpack = jpeg.Decode
	default:
		return nil, corrupt(op, "neither PNG nor JPEG: begins with % x", file[:min(len(file), 8)])
	}
	if err != nil {
		return nil, corrupt(op, "bad header: %w", err)
	}
	// Eight bytes a pixel is what 16-bit RGBA takes.
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxSide || cfg.Height > maxSide ||
		int64(cfg.Width)*int64(cfg.Height)*8 > max(limits.File, 1<<20) {
		return nil, corrupt(op, "a picture of %dx%d, allowed are sides of 1 to %d and %d bytes unpacked", cfg.Height,
			cfg.Width, maxSide, limits.File)
	}
	img, err := unpack(bytes.NewReader(file))
	if err != nil {
		return nil, corrupt(op, "bad picture: %w", err)
	}
	deep, ok := img.(image.RGBA64Image)
	if !ok {
		return nil, corrupt(op, "pixels of type %T", img) // no decoder here makes such
	}
	return deep, nil
}

// fit crops img about its centre to the proportions h:w and resizes what is left. A picture of the right size is
// returned as it is, one with the right proportions is not cropped.
func fit(img image.RGBA64Image, h, w int) image.RGBA64Image {
	b := img.Bounds()
	if b.Dy() == h && b.Dx() == w {
		return img
	}
	ch, cw := b.Dy(), b.Dx()
	if ch*w > cw*h {
		ch = max(1, (cw*h+w/2)/w)
	} else {
		cw = max(1, (ch*w+h/2)/h)
	}
	x, y := b.Min.X+(b.Dx()-cw)/2, b.Min.Y+(b.Dy()-ch)/2
	dst := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.CatmullRom.Scale(dst, dst.Bounds(), img, image.Rect(x, y, x+cw, y+ch), draw.Src, nil)
	return dst
}

// pack turns img into bytes of f's channels.
func pack(img image.RGBA64Image, f Format) []byte {
	b := img.Bounds()
	out := make([]byte, 0, b.Dx()*b.Dy()*f.Channels)
	br, bg, bb, _ := f.Background.RGBA()
	// over puts a premultiplied value on the background, to the nearest 8-bit value, as 16 bits. Opaque values keep
	// the upper byte that Go's decoders mean.
	over := func(v uint16, back, a uint32) uint32 {
		if a == 0xffff {
			return uint32(v)
		}
		return ((uint32(v)+back*(0xffff-a)/0xffff)*255 + 0x7fff) / 0xffff * 257
	}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if f.Channels == 4 {
				p := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
				out = append(out, p.R, p.G, p.B, p.A)
				continue
			}
			c := img.RGBA64At(x, y)
			a := uint32(c.A)
			r, g, b := over(c.R, br, a), over(c.G, bg, a), over(c.B, bb, a)
			if f.Channels == 1 {
				out = append(out, byte((19595*r+38470*g+7471*b+1<<15)>>24)) // as color.GrayModel
				continue
			}
			out = append(out, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return out
}
