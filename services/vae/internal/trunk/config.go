package trunk

import (
	"fmt"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Kinds of networks.
const (
	MLP  = "mlp"
	Conv = "conv"
)

// Config describes both networks.
type Config struct {
	Height   int `json:"height"`
	Width    int `json:"width"`
	Channels int `json:"channels"`
	// Kind is mlp or conv.
	Kind string `json:"network"`
	// Hidden is the width of each layer of an mlp, from the picture to the code, or the channels of each convolution,
	// all of which halve height and width, rounding up.
	Hidden []int `json:"hidden"`
	// Activation is relu, tanh, sigmoid, silu or gelu.
	Activation string `json:"activation"`
	// Classes that both networks are told; 0 for none.
	Classes int `json:"classes,omitempty"`
}

var activations = map[string]tensor.Activation{
	"relu": tensor.ActReLU, "tanh": tensor.ActTanh, "sigmoid": tensor.ActSigmoid, "silu": tensor.ActSiLU,
	"gelu": tensor.ActGELU, "linear": tensor.ActNone,
}

// Activation is the function of a name; linear is none.
func Activation(name string) (tensor.Activation, error) {
	a, ok := activations[name]
	if !ok {
		return 0, fmt.Errorf("activation %.40q, want relu, tanh, sigmoid, silu, gelu or linear", name)
	}
	return a, nil
}

// Limits of a configuration: what is larger would not fit the memory of a server.
const (
	MaxWidth  = 16384
	MaxLayers = 16
	MaxPixels = 1 << 20
)

// Pixels is the numbers of a picture.
func (c *Config) Pixels() int { return c.Height * c.Width * c.Channels }

// Validate names the first thing that is wrong.
func (c *Config) Validate() error {
	if c.Height < 1 || c.Width < 1 || c.Channels < 1 || c.Height > MaxPixels || c.Width > MaxPixels ||
		c.Channels > MaxPixels || float64(c.Height)*float64(c.Width)*float64(c.Channels) > MaxPixels {
		return fmt.Errorf("pictures of %dx%dx%d, want 1 to %d numbers", c.Height, c.Width, c.Channels, MaxPixels)
	}
	if c.Kind != MLP && c.Kind != Conv {
		return fmt.Errorf("network %.40q, want mlp or conv", c.Kind)
	}
	if _, err := Activation(c.Activation); err != nil {
		return err
	}
	if len(c.Hidden) > MaxLayers || c.Kind == Conv && len(c.Hidden) == 0 {
		return fmt.Errorf("%d hidden layers, want up to %d, and at least one of a conv network", len(c.Hidden), MaxLayers)
	}
	for _, n := range c.Hidden {
		if n < 1 || n > MaxWidth {
			return fmt.Errorf("a hidden layer of %d, want 1 to %d", n, MaxWidth)
		}
	}
	if c.Kind == Conv && len(c.Hidden) > depth(min(c.Height, c.Width)) {
		return fmt.Errorf("%d halvings of pictures of %dx%d, want at most %d", len(c.Hidden), c.Height, c.Width,
			depth(min(c.Height, c.Width)))
	}
	if c.Classes < 0 || c.Classes > MaxWidth {
		return fmt.Errorf("%d classes, want 0 to %d", c.Classes, MaxWidth)
	}
	return nil
}

// depth is how often a side can be halved until it is 1.
func depth(n int) int { return int(math.Ceil(math.Log2(float64(n)))) }

// Map is the smallest map of a conv network: its height, width and channels.
func (c *Config) Map() (h, w, ch int) {
	h, w = c.Height, c.Width
	for range c.Hidden {
		h, w = (h+1)/2, (w+1)/2
	}
	return h, w, c.Hidden[len(c.Hidden)-1]
}

// Features is the number of features next to the code.
func (c *Config) Features() int {
	if c.Kind == Conv {
		h, w, ch := c.Map()
		return h * w * ch
	}
	if len(c.Hidden) == 0 {
		return c.Pixels()
	}
	return c.Hidden[len(c.Hidden)-1]
}

// Equal says whether two configurations are the same.
func (c *Config) Equal(o *Config) bool {
	return c.Height == o.Height && c.Width == o.Width && c.Channels == o.Channels && c.Kind == o.Kind &&
		slices.Equal(c.Hidden, o.Hidden) && c.Activation == o.Activation && c.Classes == o.Classes
}
