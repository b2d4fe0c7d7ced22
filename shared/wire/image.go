package wire

import (
	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/picture"
)

// MaxImageBytes is the largest encoded picture that Picture accepts.
const MaxImageBytes = 16 << 20

// CheckEncoding says which encoding an answer uses: PNG when none is asked for. JPEG is for uploads only.
func CheckEncoding(op, field string, e tensorv1.ImageEncoding) (tensorv1.ImageEncoding, *fault.Error) {
	switch e {
	case tensorv1.ImageEncoding_IMAGE_ENCODING_UNSPECIFIED, tensorv1.ImageEncoding_IMAGE_ENCODING_PNG:
		return tensorv1.ImageEncoding_IMAGE_ENCODING_PNG, nil
	case tensorv1.ImageEncoding_IMAGE_ENCODING_RAW:
		return e, nil
	}
	return e, fault.InvalidField(op, field, "%v, want PNG or RAW", e)
}

// Image encodes a picture as PNG with text chunks, or as raw bytes, which carry no text.
func Image(p *picture.Picture, encoding tensorv1.ImageEncoding, text ...picture.Text) (*tensorv1.Image, error) {
	m := &tensorv1.Image{
		Width: uint32(p.Width), Height: uint32(p.Height), Channels: uint32(p.Channels), Encoding: encoding, Data: p.Pix,
	}
	if encoding == tensorv1.ImageEncoding_IMAGE_ENCODING_RAW {
		return m, nil
	}
	png, err := picture.EncodePNG(p, text...)
	if err != nil {
		return nil, fault.Wrap("wire.Image", err)
	}
	m.Encoding = tensorv1.ImageEncoding_IMAGE_ENCODING_PNG
	m.Data = png
	return m, nil
}

// Picture decodes an uploaded picture and gives it the channels that are wanted. The sizes that a RAW message states
// must fit its bytes; those of PNG and JPEG are read from the file, and stated ones are ignored.
func Picture(op, field string, m *tensorv1.Image, channels int) (*picture.Picture, error) {
	if len(m.GetData()) == 0 {
		return nil, fault.InvalidField(op, field, "no picture given")
	}
	if n := len(m.GetData()); n > MaxImageBytes {
		return nil, fault.InvalidField(op, field, "%d bytes, want at most %d", n, MaxImageBytes)
	}
	if m.GetEncoding() != tensorv1.ImageEncoding_IMAGE_ENCODING_RAW {
		p, err := picture.Decode(m.GetData(), channels, picture.MaxPixels)
		if err != nil {
			return nil, fault.InvalidField(op, field, "%v", err)
		}
		return p, nil
	}
	w, h, c := uint64(m.GetWidth()), uint64(m.GetHeight()), uint64(m.GetChannels())
	if w < 1 || h < 1 || w > picture.MaxPixels || h > picture.MaxPixels || c > 4 || w*h*c != uint64(len(m.GetData())) {
		return nil, fault.InvalidField(op, field, "%d x %d x %d with %d bytes, want width x height x channels bytes", w, h,
			c, len(m.GetData()))
	}
	p := &picture.Picture{Width: int(w), Height: int(h), Channels: int(c), Pix: m.GetData()}
	if err := p.Check(); err != nil {
		return nil, fault.InvalidField(op, field, "%v", err)
	}
	return picture.Convert(p, channels), nil
}
