package classify

import (
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// Config describes a network. It is stored as JSON in the model's manifest.
type Config struct {
	ImageSize  int   `json:"image_size"`  // height and width in pixels
	InChannels int   `json:"in_channels"` // of the picture: 1 for grey, 3 for colour
	Channels   []int `json:"channels"`    // of each stage; the last is the number of features
	Groups     int   `json:"groups"`      // of every group norm; divides all channels
	Classes    int   `json:"classes"`
}

// Validate says what is wrong with the configuration; errors are of kind Invalid.
func (c Config) Validate() error {
	const op = "classify.Config"
	for _, v := range []struct {
		name            string
		value, min, max int
	}{
		{"image_size", c.ImageSize, 4, 1024}, {"in_channels", c.InChannels, 1, 4},
		{"stages of channels", len(c.Channels), 1, 8}, {"groups", c.Groups, 1, 1024}, {"classes", c.Classes, 2, 100_000},
	} {
		if v.value < v.min || v.value > v.max {
			return fault.E(fault.Invalid, "BAD_MODEL", op, "%s is %d, want %d to %d", v.name, v.value, v.min, v.max)
		}
	}
	for i, ch := range c.Channels {
		if ch < 1 || ch > 4096 || ch%c.Groups != 0 {
			return fault.E(fault.Invalid, "BAD_MODEL", op,
				"stage %d has %d channels, want 1 to 4096 and a multiple of %d groups", i, ch, c.Groups)
		}
	}
	return nil
}

// Features is D, the number of features a picture.
func (c Config) Features() int { return c.Channels[len(c.Channels)-1] }

// CNN is an all-convolutional network (Springenberg et al., "Striving for Simplicity", 2015, with group norm of Wu and
// He, 2018): stages that halve the picture, features that are means over its last pixels, and a linear layer.
//
//	stage:    x -> SiLU(norm(conv of stride 2)) -> SiLU(norm(conv))
//	features: mean over pixels of the last stage                        [N, D]
//	logits:   features W + b                                            [N, K]
//
// The first convolution sees 5x5 pixels, the others 3x3.
type CNN struct {
	Config Config

	Stages []*Stage   `weights:"stages"`
	Head   *nn.Linear `weights:"head"`
}

// Stage works at half the size of the one before.
type Stage struct {
	Down  *nn.Conv2D    `weights:"down"`
	Norm1 *nn.GroupNorm `weights:"norm1"`
	Conv  *nn.Conv2D    `weights:"conv"`
	Norm2 *nn.GroupNorm `weights:"norm2"`
}

const normEps = 1e-5

// New returns a network whose weights nn.Init or nn.Bind has still to fill.
func New(cfg Config) (*CNN, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Channels = slices.Clone(cfg.Channels)
	c := &CNN{Config: cfg, Head: nn.NewLinear(cfg.Features(), cfg.Classes, true)}
	in, kernel := cfg.InChannels, 5
	for _, ch := range cfg.Channels {
		c.Stages = append(c.Stages, &Stage{
			Down:  nn.NewConv2D(in, ch, kernel, 2),
			Norm1: nn.NewGroupNorm(cfg.Groups, ch, normEps),
			Conv:  nn.NewConv2D(ch, ch, 3, 1),
			Norm2: nn.NewGroupNorm(cfg.Groups, ch, normEps),
		})
		in, kernel = ch, 3
	}
	return c, nil
}

// Forward maps pictures x [N, H, W, C] to features [N, D] and logits [N, K]. It panics with *tensor.Error on pictures
// of another size.
func (c *CNN) Forward(t *autograd.Tape, x *autograd.Value) (features, logits *autograd.Value) {
	if n, h, w, ch := x.Dims4(); h != c.Config.ImageSize || w != c.Config.ImageSize || ch != c.Config.InChannels {
		panic(&tensor.Error{Op: "CNN", Shapes: [][]int{{n, h, w, ch}}, Msg: "the pictures are not of the configured size"})
	}
	h := x
	for _, s := range c.Stages {
		h = s.forward(t, h) // [N, H/2, W/2, Ci]
	}
	features = autograd.Mean(h, 1, 2) // [N, D]
	return features, c.Head.Forward(t, features)
}

// forward maps [N, h, w, In] to [N, h/2, w/2, Out]; what it makes itself it gives back as soon as it is read.
func (s *Stage) forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	a := s.Down.Forward(t, x)
	b := s.Norm1.ForwardSiLU(t, a)
	t.Done(a)
	a = s.Conv.Forward(t, b)
	t.Done(b)
	b = s.Norm2.ForwardSiLU(t, a)
	t.Done(a)
	return b
}
