package kl

import (
	"fmt"
	"math"
)

// Config describes a model.
type Config struct {
	Height        int   `json:"height"`
	Width         int   `json:"width"`
	Channels      int   `json:"channels"`       // of pictures
	Latent        int   `json:"latent"`         // channels of a code
	BlockChannels []int `json:"block_channels"` // of every level, from the picture on; each but the last halves it
	Layers        int   `json:"layers"`         // residual blocks of a level of the encoder; the decoder has one more
	Groups        int   `json:"groups"`         // of the norms
	Attention     bool  `json:"attention"`      // in the middle
	Quant         bool  `json:"quant"`          // a linear map of the codes behind the encoder
	PostQuant     bool  `json:"post_quant"`     // and one before the decoder
	// Codes that are standard normal are these: shift + mean + deviation / scaling * z.
	Scaling   float64   `json:"scaling"`
	Shift     float64   `json:"shift,omitempty"`
	Mean      []float64 `json:"mean,omitempty"` // of every channel of codes; nil for 0
	Deviation []float64 `json:"deviation,omitempty"`
}

// Limits of a configuration. What it asks for is allocated before any weights are read.
const (
	MaxPixels     = 1 << 20 // numbers of a picture
	MaxParameters = 1 << 30
	MaxElements   = 1 << 28 // of the largest activation of one picture, or of its attention
)

// Validate names the first thing that is wrong.
func (c *Config) Validate() error {
	for _, v := range []struct {
		name          string
		value, lo, hi int
	}{
		{"height", c.Height, 1, MaxPixels}, {"width", c.Width, 1, MaxPixels}, {"channels", c.Channels, 1, 64},
		{"latent", c.Latent, 1, 256}, {"levels of block_channels", len(c.BlockChannels), 1, 8},
		{"layers", c.Layers, 1, 16}, {"groups", c.Groups, 1, 1024},
	} {
		if v.value < v.lo || v.value > v.hi {
			return fmt.Errorf("kl: %s is %d, want %d to %d", v.name, v.value, v.lo, v.hi)
		}
	}
	for _, ch := range c.BlockChannels {
		if ch < 1 || ch > 4096 || ch%c.Groups != 0 {
			return fmt.Errorf("kl: a level of %d channels, want 1 to 4096, in %d groups", ch, c.Groups)
		}
	}
	f := c.Factor()
	if c.Height%f != 0 || c.Width%f != 0 {
		return fmt.Errorf("kl: pictures of %dx%d, want multiples of %d", c.Height, c.Width, f)
	}
	pixels := float64(c.Height) * float64(c.Width)
	if n := pixels * float64(c.Channels); n > MaxPixels {
		return fmt.Errorf("kl: pictures of %.0f numbers, want at most %d: smaller pictures", n, MaxPixels)
	}
	for i, ch := range c.BlockChannels {
		if n := pixels * float64(ch) / math.Pow(4, float64(max(0, i-1))); n > MaxElements {
			return fmt.Errorf("kl: activations of %.0f numbers, want at most %d: smaller pictures", n, MaxElements)
		}
	}
	if t := pixels / float64(f) / float64(f); c.Attention && t*t > MaxElements {
		return fmt.Errorf("kl: attention between %.0f pixels, want at most %.0f: smaller pictures", t,
			math.Sqrt(MaxElements))
	}
	if n := c.Parameters(); n > MaxParameters {
		return fmt.Errorf("kl: %d parameters, want at most %d", n, MaxParameters)
	}
	if !(math.Abs(c.Scaling) > 1e-6 && math.Abs(c.Scaling) < 1e6 && math.Abs(c.Shift) < 1e6) {
		return fmt.Errorf("kl: codes scaled by %g and shifted by %g", c.Scaling, c.Shift)
	}
	for _, list := range [][]float64{c.Mean, c.Deviation} {
		if list != nil && len(list) != c.Latent {
			return fmt.Errorf("kl: means or deviations of %d channels of codes, want %d", len(list), c.Latent)
		}
		for _, v := range list {
			if !(math.Abs(v) < 1e6) {
				return fmt.Errorf("kl: a mean or deviation of codes of %g", v)
			}
		}
	}
	return nil
}

// Factor is how much smaller than a picture the map of a code is.
func (c *Config) Factor() int { return 1 << (len(c.BlockChannels) - 1) }

// Parameters is the number of weights.
func (c *Config) Parameters() int64 {
	conv := func(in, out int) int64 { return 9*int64(in)*int64(out) + int64(out) }
	linear := func(in, out int) int64 { return int64(in)*int64(out) + int64(out) }
	block := func(in, out int) int64 {
		n := 2*int64(in) + conv(in, out) + 2*int64(out) + conv(out, out)
		if in != out {
			n += linear(in, out)
		}
		return n
	}
	first, last := c.BlockChannels[0], c.BlockChannels[len(c.BlockChannels)-1]
	middle := 2 * block(last, last)
	if c.Attention {
		middle += 2*int64(last) + 4*linear(last, last)
	}
	n := conv(c.Channels, first) + middle + 2*int64(last) + conv(last, 2*c.Latent) // encoder
	n += conv(c.Latent, last) + middle + 2*int64(first) + conv(first, c.Channels)  // decoder
	in, up := first, last
	for i, ch := range c.BlockChannels {
		out := c.BlockChannels[len(c.BlockChannels)-1-i]
		n += block(in, ch) + int64(c.Layers-1)*block(ch, ch)
		n += block(up, out) + int64(c.Layers)*block(out, out)
		if i+1 < len(c.BlockChannels) {
			n += conv(ch, ch) + conv(out, out)
		}
		in, up = ch, out
	}
	if c.Quant {
		n += linear(2*c.Latent, 2*c.Latent)
	}
	if c.PostQuant {
		n += linear(c.Latent, c.Latent)
	}
	return n
}
