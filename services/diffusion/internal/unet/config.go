package unet

import (
	"fmt"
	"slices"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
)

// Config describes a network and what it was trained to predict. It is stored as JSON in the model's
// manifest.
type Config struct {
	ImageSize  int `json:"image_size"`  // height and width in pixels
	InChannels int `json:"in_channels"` // of the picture: 1 for grey, 3 for colour
	// PatchSize 2 folds 2x2 pixels into channels before the first convolution and unfolds them after
	// the last; 1 does not.
	PatchSize int `json:"patch_size"`
	// Channels of each level; every level has half the height and width of the one before.
	Channels []int `json:"channels"`
	// Blocks is the number of residual blocks of a level, on the way down and again on the way up.
	Blocks int `json:"blocks"`
	// AttentionLevels lists the levels whose blocks are each followed by self-attention. The middle, at
	// the last level's size, always has attention.
	AttentionLevels []int `json:"attention_levels,omitempty"`
	Heads           int   `json:"heads"`    // of attention; divides the channels of its levels
	TimeDim         int   `json:"time_dim"` // width of the time and class embedding
	Groups          int   `json:"groups"`   // of every group norm; divides all channels
	Classes         int   `json:"classes"`  // 0 for a network without classes
	// Prediction is "epsilon", "x0" or "v".
	Prediction string `json:"prediction"`
	// Schedule is "cosine", "linear" or "scaled_linear", over Steps training timesteps.
	Schedule string `json:"schedule"`
	Steps    int    `json:"steps"`
}

// MNIST is the configuration for handwritten digits of 28x28 grey pixels: 0.09 GF a picture.
func MNIST() Config {
	return Config{
		ImageSize: 28, InChannels: 1, PatchSize: 2, Channels: []int{32, 80}, Blocks: 1, Heads: 5, TimeDim: 128,
		Groups: 8, Classes: 10, Prediction: "v", Schedule: "cosine", Steps: 1000,
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if err := c.CheckLimits(); err != nil {
		return err
	}
	if unit := c.PatchSize << (len(c.Channels) - 1); c.ImageSize%unit != 0 {
		return fmt.Errorf("unet: image_size %d is no multiple of %d: patch_size %d and %d levels halve it",
			c.ImageSize, unit, c.PatchSize, len(c.Channels))
	}
	for level, ch := range c.Channels {
		if ch%c.Groups != 0 {
			return fmt.Errorf("unet: level %d has %d channels, want a multiple of %d groups", level, ch, c.Groups)
		}
		if c.attends(level) && ch%c.Heads != 0 {
			return fmt.Errorf("unet: level %d has attention over %d channels, no multiple of %d heads",
				level, ch, c.Heads)
		}
	}
	if last := c.Channels[len(c.Channels)-1]; last%c.Heads != 0 {
		return fmt.Errorf("unet: the middle has attention over %d channels, no multiple of %d heads", last, c.Heads)
	}
	for i, level := range c.AttentionLevels {
		if level < 0 || level >= len(c.Channels) || slices.Contains(c.AttentionLevels[:i], level) {
			return fmt.Errorf("unet: attention_levels %v, want different levels of 0 to %d",
				c.AttentionLevels, len(c.Channels)-1)
		}
	}
	if _, err := schedule.ParsePrediction(c.Prediction); err != nil {
		return fmt.Errorf("unet: %w", err)
	}
	if _, err := schedule.Parse(c.Schedule, c.Steps); err != nil {
		return fmt.Errorf("unet: %w", err)
	}
	return nil
}

func (c Config) attends(level int) bool { return slices.Contains(c.AttentionLevels, level) }

// FLOPs counts the multiplications and additions, as two, of all products and convolutions in a forward
// pass of one picture. Taps that fall on padding count; norms, activations and softmaxes do not.
func (c Config) FLOPs() int64 {
	side := c.ImageSize / c.PatchSize
	patch := c.InChannels * c.PatchSize * c.PatchSize
	last := len(c.Channels) - 1
	macs := 2 * c.TimeDim * c.TimeDim
	macs += side * side * 9 * patch * c.Channels[0] * 2 // first and last convolution
	attention := func(px, ch int) int { return 4*px*ch*ch + 2*px*px*ch }
	block := func(px, in, out int) int {
		n := px*9*(in*out+out*out) + c.TimeDim*out
		if in != out {
			n += px * in * out
		}
		return n
	}
	for level, ch := range c.Channels {
		px := (side >> level) * (side >> level)
		macs += c.Blocks * (block(px, ch, ch) + block(px, 2*ch, ch))
		if c.attends(level) {
			macs += 2 * c.Blocks * attention(px, ch)
		}
		if level < last {
			// One convolution down, a quarter of the pixels, and one up.
			macs += 9 * ch * c.Channels[level+1] * (px/4 + px)
		} else {
			macs += 2*block(px, ch, ch) + attention(px, ch)
		}
	}
	return 2 * int64(macs)
}
