package service

import (
	"fmt"
	"math"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/wire"
)

// Limits of requests, as the protobuf comments state them.
const (
	maxPictures       = 1024
	maxScored         = 256
	maxSamples        = 5000
	defaultSamples    = 50
	maxSweeps         = 10_000
	maxWalk           = 256
	defaultWalk       = 9
	maxSide           = 64
	defaultSide       = 15
	maxSpan           = 10
	defaultSpan       = 2
	minTemp, maxTemp  = 0.01, 100
	reportsOfAChain   = 100 // unless the request says how often
	chainsAndPictures = 64
	maxAnswer         = 1 << 26 // values of all pictures of an answer
)

// pictures decodes uploaded pictures into rows of values in [0, 1], fitted to the model's size.
func (c *call) pictures(field string, images []*tensorv1.Image, most int) ([]float32, error) {
	if len(images) < 1 || len(images) > most {
		return nil, fault.InvalidField(c.op, field, "%d pictures, want 1 to %d", len(images), most)
	}
	size := c.m.Model.Size()
	x := make([]float32, 0, len(images)*size.PictureLen())
	for i, m := range images {
		p, err := wire.Picture(c.op, fmt.Sprintf("%s[%d]", field, i), m, size.Channels)
		if err != nil {
			return nil, err
		}
		for _, b := range picture.Fit(p, size.Width, size.Height).Pix {
			x = append(x, float32(b)/255)
		}
	}
	return x, nil
}

// codes decodes points of the latent space; most is their largest number.
func (c *call) codes(field string, m *vaev1.Codes, most int) (z []float32, n int, err error) {
	k := c.m.Model.Size().CodeLen()
	if k == 0 {
		return nil, 0, c.unsupported("decode codes")
	}
	if m.GetValues() == nil {
		return nil, 0, fault.InvalidField(c.op, field, "missing: want a tensor of shape [1 to %d, %d]", most, k)
	}
	t, err := wire.FromTensor(c.op, field+".values", m.GetValues(), most*k)
	if err != nil {
		return nil, 0, err
	}
	shape := t.Shape()
	if len(shape) != 2 || shape[1] != k || shape[0] > most {
		return nil, 0, fault.InvalidField(c.op, field+".values.shape", "%v, want [1 to %d, %d]", shape, most, k)
	}
	for i, v := range t.F32() {
		if v-v != 0 {
			return nil, 0, fault.InvalidField(c.op, field, "the code %d has %g at dimension %d, want finite numbers", i/k, v,
				i%k)
		}
	}
	return t.F32(), shape[0], nil
}

// classes finds the classes of n rows: none given, one for all, or one each. Of a model without classes it is nil.
func (c *call) classes(labels []string, n int) ([]int32, error) {
	var bad wire.Violations
	size := c.m.Model.Size()
	if size.Classes == 0 && len(labels) > 0 && (len(labels) > 1 || labels[0] != "") {
		bad.Addf("label", "%.40q, but what model %s makes does not depend on a class", labels[0], c.ref)
		return nil, bad.Err(c.op)
	}
	if len(labels) > 1 && len(labels) != n {
		bad.Addf("labels", "%d labels for %d rows, want none, one for all, or one each", len(labels), n)
		return nil, bad.Err(c.op)
	}
	if size.Classes == 0 {
		return nil, nil
	}
	bad.Labels(labels)
	if err := bad.Err(c.op); err != nil {
		return nil, err // a label that is absurdly long is not repeated
	}
	found := bad.Classes(labels, c.m.Entry.Manifest.Labels, c.ref)
	if err := bad.Err(c.op); err != nil {
		return nil, err
	}
	all := make([]int32, n)
	for i := range all {
		switch len(found) {
		case 0:
			all[i] = wire.Unconditional
		case 1:
			all[i] = found[0]
		default:
			all[i] = found[i]
		}
	}
	return all, nil
}

// label is classes for calls with one label for everything.
func (c *call) label(label string, n int) ([]int32, error) {
	if label == "" {
		return c.classes(nil, n)
	}
	return c.classes([]string{label}, n)
}

// images encodes pictures.
func (c *call) images(pix [][]byte, encoding tensorv1.ImageEncoding) ([]*tensorv1.Image, error) {
	size := c.m.Model.Size()
	all := make([]*tensorv1.Image, 0, len(pix))
	for i, p := range pix {
		m, err := wire.Image(&picture.Picture{Width: size.Width, Height: size.Height, Channels: size.Channels, Pix: p},
			encoding, c.text(i)...)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// text says by what a picture was made.
func (c *call) text(i int) []picture.Text {
	return []picture.Text{
		{Keyword: picture.KeySoftware, Value: "Manifold"},
		{Keyword: picture.KeyModel, Value: c.ref},
		{Keyword: picture.KeyDigest, Value: c.m.Entry.Manifest.Digest},
		{Keyword: picture.KeySeed, Value: fmt.Sprint(c.seed)},
		{Keyword: picture.KeyIndex, Value: fmt.Sprint(i)},
		{Keyword: picture.KeyNumerics, Value: fmt.Sprint(tensor.NumericsVersion)},
	}
}

// codesOf is the message of n codes.
func codesOf(z []float32, n int) *vaev1.Codes {
	t := tensor.New(tensor.Float32, n, len(z)/n)
	copy(t.F32(), z)
	return &vaev1.Codes{Values: wire.Tensor(t)}
}

// whole checks an optional number and fills in its default.
func whole(bad *wire.Violations, field string, v *int32, low, top, def int) int {
	if v == nil {
		return def
	}
	if n := int(*v); n < low || n > top {
		bad.Addf(field, "%d, want %d to %d", n, low, top)
		return def
	}
	return int(*v)
}

// between is whole for real numbers; NaN is in no range.
func between(bad *wire.Violations, field string, v *float64, low, top, def float64) float64 {
	if v == nil {
		return def
	}
	if !(*v >= low && *v <= top) || math.IsNaN(*v) {
		bad.Addf(field, "%g, want %g to %g", *v, low, top)
		return def
	}
	return *v
}
