package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"
)

// Text is one tEXt chunk of a PNG: Latin-1, the keyword of 1 to 79 bytes.
type Text struct{ Keyword, Value string }

// The keywords that Manifold writes.
const (
	KeySoftware = "Software"
	KeyModel    = "manifold:model"
	KeyDigest   = "manifold:model_digest"
	KeySeed     = "manifold:seed"
	KeyIndex    = "manifold:index"
	KeySampler  = "manifold:sampler"
	KeySteps    = "manifold:steps"
	KeyEta      = "manifold:eta"
	KeyGuidance = "manifold:guidance_scale"
	KeyLabel    = "manifold:label"
	KeyNumerics = "manifold:numerics_version"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

// maxText bounds what is kept of one chunk when reading.
const maxText = 1 << 16

var pngColour = map[int]byte{1: 0, 3: 2, 4: 6} // colour type of the PNG standard, table 11.1, by channels

// EncodePNG writes a PNG of 8 bits a sample with text chunks in the given order before the picture's data. Rows are
// filtered by the one of PNG's five filters with the least sum of absolute differences, as the standard recommends.
func EncodePNG(p *Picture, text ...Text) ([]byte, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(p.Pix)+512)
	b = append(b, pngMagic...)
	head := make([]byte, 0, 13)
	head = binary.BigEndian.AppendUint32(head, uint32(p.Width))
	head = binary.BigEndian.AppendUint32(head, uint32(p.Height))
	head = append(head, 8, pngColour[p.Channels], 0, 0, 0)
	b = chunk(b, "IHDR", head)
	for _, t := range text {
		value, ok := latin1(t.Value)
		if len(t.Keyword) < 1 || len(t.Keyword) > 79 || strings.ContainsRune(t.Keyword, 0) {
			return nil, fmt.Errorf("picture: keyword %.80q, want 1 to 79 bytes", t.Keyword)
		}
		if !ok {
			// Text outside of Latin-1 goes into an uncompressed iTXt chunk, which is UTF-8.
			b = chunk(b, "iTXt", []byte(t.Keyword+"\x00\x00\x00\x00\x00"+t.Value))
			continue
		}
		b = chunk(b, "tEXt", append([]byte(t.Keyword+"\x00"), value...))
	}
	data, err := compress(p)
	if err != nil {
		return nil, err
	}
	b = chunk(b, "IDAT", data)
	return chunk(b, "IEND", nil), nil
}

// compressors are kept, because each holds many times the picture. Higher levels take three times as long and save a
// tenth: previews are drawn while the model computes.
var compressors = sync.Pool{New: func() any {
	z, err := zlib.NewWriterLevel(nil, zlib.BestSpeed)
	if err != nil {
		panic(err) // the level is a valid one
	}
	return z
}}

// compress filters and deflates the picture's rows.
func compress(p *Picture) ([]byte, error) {
	z := compressors.Get().(*zlib.Writer)
	defer compressors.Put(z)
	var data bytes.Buffer
	z.Reset(&data)
	if err := writeRows(z, p); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

// chunk appends length, type, data and checksum.
func chunk(b []byte, kind string, data []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	begin := len(b)
	b = append(b, kind...)
	b = append(b, data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[begin:]))
}

// latin1 converts UTF-8 to Latin-1, if it can be.
func latin1(s string) ([]byte, bool) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r == 0 || r > 255 {
			return nil, false
		}
		b = append(b, byte(r))
	}
	return b, true
}

func writeRows(w io.Writer, p *Picture) error {
	n, c := p.Width*p.Channels, p.Channels
	up := make([]byte, n)
	try, best := make([]byte, n+1), make([]byte, n+1)
	for y := range p.Height {
		row := p.Pix[y*n : (y+1)*n]
		least := -1
		for f := range byte(5) {
			try[0] = f
			sum := filter(try[1:], row, up, f, c)
			if least < 0 || sum < least {
				least = sum
				best, try = try, best
			}
		}
		if _, err := w.Write(best); err != nil {
			return err
		}
		up = row
	}
	return nil
}

// filter applies one of the filters None, Sub, Up, Average and Paeth (PNG standard, section 9.2) and returns the sum
// of the absolute values of the differences. c is the distance to the sample on the left; the first c samples have
// zeros there.
func filter(dst, row, up []byte, f byte, c int) (sum int) {
	up, dst = up[:len(row)], dst[:len(row)]
	switch f {
	case 0:
		copy(dst, row)
	case 1:
		copy(dst, row[:c])
		for i := c; i < len(row); i++ {
			dst[i] = row[i] - row[i-c]
		}
	case 2:
		for i, v := range row {
			dst[i] = v - up[i]
		}
	case 3:
		for i := range c {
			dst[i] = row[i] - up[i]/2
		}
		for i := c; i < len(row); i++ {
			dst[i] = row[i] - byte((int(row[i-c])+int(up[i]))/2)
		}
	case 4:
		for i := range c {
			dst[i] = row[i] - up[i]
		}
		for i := c; i < len(row); i++ {
			dst[i] = row[i] - byte(paeth(int(row[i-c]), int(up[i]), int(up[i-c])))
		}
	}
	for _, v := range dst {
		sum += abs(int(int8(v)))
	}
	return sum
}

func paeth(a, b, c int) int {
	p := a + b - c
	pa, pb, pc := abs(p-a), abs(p-b), abs(p-c)
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

func abs(x int) int {
	if x < 0 {
		return -x
	}
	return x
}

// ReadText returns the tEXt and uncompressed iTXt chunks of a PNG, in order.
func ReadText(png []byte) ([]Text, error) {
	if !bytes.HasPrefix(png, []byte(pngMagic)) {
		return nil, fmt.Errorf("picture: not a PNG")
	}
	var all []Text
	for b := png[len(pngMagic):]; len(b) > 0; {
		if len(b) < 12 {
			return nil, fmt.Errorf("picture: the PNG is cut short")
		}
		n := int(binary.BigEndian.Uint32(b))
		if n > len(b)-12 {
			return nil, fmt.Errorf("picture: a chunk of %d bytes in a PNG with %d left", n, len(b)-12)
		}
		kind, data := string(b[4:8]), b[8:8+n]
		b = b[12+n:]
		keyword, value, ok := strings.Cut(string(data[:min(n, maxText)]), "\x00")
		if !ok {
			continue
		}
		switch kind {
		case "tEXt":
			runes := make([]rune, len(value))
			for i := range len(value) {
				runes[i] = rune(value[i])
			}
			all = append(all, Text{keyword, string(runes)})
		case "iTXt":
			if len(value) >= 2 && value[0] == 0 {
				rest := strings.SplitN(value[2:], "\x00", 3)
				all = append(all, Text{keyword, rest[len(rest)-1]})
			}
		}
	}
	return all, nil
}
