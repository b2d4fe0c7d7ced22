package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
)

// MaxPixels is the limit that Decode is usually given: 16 million.
const MaxPixels = 1 << 24

// Decode reads a PNG or JPEG, told apart by its first bytes, of at most maxPixels pixels, and gives it the channels
// that are wanted.
func Decode(data []byte, channels, maxPixels int) (*Picture, error) {
	var config func() (image.Config, error)
	var decode func() (image.Image, error)
	switch {
	case bytes.HasPrefix(data, []byte(pngMagic)):
		config = func() (image.Config, error) { return png.DecodeConfig(bytes.NewReader(data)) }
		decode = func() (image.Image, error) { return png.Decode(bytes.NewReader(data)) }
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		config = func() (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(data)) }
		decode = func() (image.Image, error) { return jpeg.Decode(bytes.NewReader(data)) }
	default:
		return nil, fmt.Errorf("picture: neither a PNG nor a JPEG")
	}
	c, err := config()
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return nil, fmt.Errorf("picture: %d x %d pixels, at most %d in all", c.Width, c.Height, maxPixels)
	}
	m, err := decode()
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return fromImage(m, channels), nil
}

// Convert returns the picture with other channels; one that fits already is returned itself.
func Convert(p *Picture, channels int) *Picture {
	if p.Channels == channels {
		return p
	}
	return fromImage(p.Image(), channels)
}

// Fit returns the picture scaled to width x height without keeping its proportions: every sample is the mean, by
// area, of what it covers, in integers, halves up. One that fits already is returned itself.
func Fit(p *Picture, width, height int) *Picture {
	if p.Width == width && p.Height == height {
		return p
	}
	c := p.Channels
	// Columns first: wide holds sums of samples weighted in units of 1/width of a source pixel.
	wide := make([]uint64, p.Height*width*c)
	for y := range p.Height {
		for x := range width {
			for k := range c {
				wide[(y*width+x)*c+k] = cover(p.Width, width, x, func(i int) uint64 {
					return uint64(p.Pix[(y*p.Width+i)*c+k])
				})
			}
		}
	}
	f := New(width, height, c)
	area := uint64(p.Width) * uint64(p.Height)
	for y := range height {
		for x := range width {
			for k := range c {
				sum := cover(p.Height, height, y, func(i int) uint64 { return wide[(i*width+x)*c+k] })
				f.Pix[(y*width+x)*c+k] = byte((sum + area/2) / area)
			}
		}
	}
	return f
}

// cover sums at(i) over the source pixels that target pixel t covers, weighted by the covered part of each in units
// of 1/to; the weights of one target sum to from.
func cover(from, to, t int, at func(int) uint64) (sum uint64) {
	begin, end := t*from, (t+1)*from // in units where a source pixel is to long
	for i := begin / to; i*to < end; i++ {
		part := min(end, (i+1)*to) - max(begin, i*to)
		sum += uint64(part) * at(i)
	}
	return sum
}
