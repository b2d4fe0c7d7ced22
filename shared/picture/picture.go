package picture

import (
	"fmt"
	"image"
	"image/color"
)

// Picture is a picture with 8 bits a sample.
type Picture struct {
	Width, Height, Channels int
	Pix                     []byte // Height * Width * Channels, row-major
}

// New makes a black picture; alpha, where there is one, is 0.
func New(width, height, channels int) *Picture {
	return &Picture{Width: width, Height: height, Channels: channels, Pix: make([]byte, width*height*channels)}
}

// Check says what is wrong with the sizes.
func (p *Picture) Check() error {
	switch {
	case p.Channels != 1 && p.Channels != 3 && p.Channels != 4:
		return fmt.Errorf("picture: %d channels, want 1, 3 or 4", p.Channels)
	case p.Width < 1 || p.Height < 1:
		return fmt.Errorf("picture: %d x %d, want at least 1 x 1", p.Width, p.Height)
	case len(p.Pix) != p.Width*p.Height*p.Channels:
		return fmt.Errorf("picture: %d bytes for %d x %d x %d, want %d", len(p.Pix), p.Width, p.Height, p.Channels,
			p.Width*p.Height*p.Channels)
	}
	return nil
}

// Quantise maps samples from [-1, 1] to 0..255, halves up: floor(127.5 x + 128), limited to the range. NaN gives 0.
// dst and x have one length.
func Quantise(dst []byte, x []float32) {
	x = x[:len(dst)]
	for i, v := range x {
		q := float32(127.5*v) + 128
		switch {
		case q >= 255:
			dst[i] = 255
		case q > 0:
			dst[i] = byte(q)
		default:
			dst[i] = 0
		}
	}
}

// Dequantise maps 0..255 to [-1, 1]: (2p-255)/255, as data sets do. dst and pix have one length.
func Dequantise(dst []float32, pix []byte) {
	pix = pix[:len(dst)]
	for i, p := range pix {
		dst[i] = float32(2*int(p)-255) / 255
	}
}

// FromSamples makes a picture of height x width x channels samples in [-1, 1].
func FromSamples(x []float32, width, height, channels int) *Picture {
	p := New(width, height, channels)
	Quantise(p.Pix, x)
	return p
}

// Image is the picture as the standard library's type; it shares the bytes of gray and RGBA pictures.
func (p *Picture) Image() image.Image {
	r := image.Rect(0, 0, p.Width, p.Height)
	switch p.Channels {
	case 1:
		return &image.Gray{Pix: p.Pix, Stride: p.Width, Rect: r}
	case 4:
		return &image.NRGBA{Pix: p.Pix, Stride: 4 * p.Width, Rect: r}
	}
	m := image.NewNRGBA(r)
	for i, j := 0, 0; i < len(p.Pix); i, j = i+3, j+4 {
		copy(m.Pix[j:j+3], p.Pix[i:i+3])
		m.Pix[j+3] = 255
	}
	return m
}

// FromImage copies an image, gray with 1 channel, anything else with 3.
func FromImage(m image.Image) *Picture {
	if m.ColorModel() == color.GrayModel {
		return fromImage(m, 1)
	}
	return fromImage(m, 3)
}

// fromImage copies an image into a picture with the given channels: colour becomes gray by the standard library's
// integer luma, transparency is put on black where there is no alpha channel.
func fromImage(m image.Image, channels int) *Picture {
	b := m.Bounds()
	p := New(b.Dx(), b.Dy(), channels)
	i := 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := m.At(x, y)
			switch channels {
			case 1:
				p.Pix[i] = color.GrayModel.Convert(c).(color.Gray).Y
			case 4:
				n := color.NRGBAModel.Convert(c).(color.NRGBA)
				p.Pix[i], p.Pix[i+1], p.Pix[i+2], p.Pix[i+3] = n.R, n.G, n.B, n.A
			default:
				r, g, bl, _ := c.RGBA()
				p.Pix[i], p.Pix[i+1], p.Pix[i+2] = byte(r>>8), byte(g>>8), byte(bl>>8)
			}
			i += channels
		}
	}
	return p
}

// Grid lays pictures of one size out in rows of columns, in order, with gap black pixels between them. columns below
// 1 means about as many as rows.
func Grid(pictures []*Picture, columns, gap int) (*Picture, error) {
	if len(pictures) == 0 {
		return nil, fmt.Errorf("picture: a grid of no pictures")
	}
	first := pictures[0]
	if columns < 1 {
		for columns = 1; columns*columns < len(pictures); columns++ {
		}
	}
	columns = min(columns, len(pictures))
	rows := (len(pictures) + columns - 1) / columns
	c := first.Channels
	g := New(columns*(first.Width+gap)-gap, rows*(first.Height+gap)-gap, c)
	for i, p := range pictures {
		if p.Width != first.Width || p.Height != first.Height || p.Channels != c {
			return nil, fmt.Errorf("picture: picture %d of a grid is %d x %d x %d, the first %d x %d x %d", i,
				p.Width, p.Height, p.Channels, first.Width, first.Height, c)
		}
		x0, y0 := i%columns*(p.Width+gap), i/columns*(p.Height+gap)
		for y := range p.Height {
			copy(g.Pix[((y0+y)*g.Width+x0)*c:], p.Pix[y*p.Width*c:(y+1)*p.Width*c])
		}
	}
	return g, nil
}
