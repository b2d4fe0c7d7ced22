package unet

import "fmt"

// Limits of one network. A configuration comes from a file or a caller, and what it asks for is allocated before any
// weights are read: these bounds keep a few bytes of text from taking all memory.
const (
	MaxParameters = 1 << 31 // 8 GiB as float32
	MaxElements   = 1 << 28 // of one picture's activations that are alive at a time, or of its attention: 1 GiB
)

// CheckLimits says which number of the configuration is out of its range, or that the network would be too large. It
// is Validate without what the numbers have to do with each other.
func (c Config) CheckLimits() error {
	for _, v := range []struct {
		name            string
		value, min, max int
	}{
		{"image_size", c.ImageSize, 1, 1024}, {"in_channels", c.InChannels, 1, 64}, {"patch_size", c.PatchSize, 1, 2},
		{"levels of channels", len(c.Channels), 1, 8}, {"blocks", c.Blocks, 1, 16}, {"heads", c.Heads, 1, 64},
		{"time_dim", c.TimeDim, 2, 4096}, {"groups", c.Groups, 1, 1024}, {"classes", c.Classes, 0, 100_000},
		{"steps", c.Steps, 1, 1_000_000},
	} {
		if v.value < v.min || v.value > v.max {
			return fmt.Errorf("unet: %s is %d, want %d to %d", v.name, v.value, v.min, v.max)
		}
	}
	for level, ch := range c.Channels {
		if ch < 1 || ch > 4096 {
			return fmt.Errorf("unet: level %d has %d channels, want 1 to 4096", level, ch)
		}
	}
	if n := c.Parameters(); n > MaxParameters {
		return fmt.Errorf("unet: the network has %d parameters, want at most %d: fewer channels, blocks or levels", n,
			int64(MaxParameters))
	}
	if n := c.Elements(); n > MaxElements {
		return fmt.Errorf("unet: one picture of %dx%d takes %d activations, want at most %d: fewer channels or blocks "+
			"at the upper levels, or smaller pictures", c.ImageSize, c.ImageSize, n, MaxElements)
	}
	if n := c.attentionElements(); n > MaxElements {
		return fmt.Errorf("unet: the attention of one picture of %dx%d takes %d weights, want at most %d: attention "+
			"only at smaller levels, more levels or fewer heads", c.ImageSize, c.ImageSize, n, MaxElements)
	}
	return nil
}

// Parameters is the number of weights of the network.
func (c Config) Parameters() int64 {
	linear := func(in, out int) int64 { return int64(in)*int64(out) + int64(out) }
	conv := func(in, out int) int64 { return 9*int64(in)*int64(out) + int64(out) }
	norm := func(ch int) int64 { return 2 * int64(ch) }
	attention := func(ch int) int64 { return norm(ch) + 4*linear(ch, ch) }
	block := func(in, out int) int64 {
		n := norm(in) + conv(in, out) + linear(c.TimeDim, out) + norm(out) + conv(out, out)
		if in != out {
			n += linear(in, out)
		}
		return n
	}
	patch := c.InChannels * c.PatchSize * c.PatchSize
	first, last := c.Channels[0], c.Channels[len(c.Channels)-1]
	n := 2*linear(c.TimeDim, c.TimeDim) + conv(patch, first) + norm(first) + conv(first, patch)
	n += 2*block(last, last) + attention(last)
	if c.Classes > 0 {
		n += int64(c.Classes+1) * int64(c.TimeDim)
	}
	for level, ch := range c.Channels {
		n += int64(c.Blocks) * (block(ch, ch) + block(2*ch, ch))
		if c.attends(level) {
			n += 2 * int64(c.Blocks) * attention(ch)
		}
		if level+1 < len(c.Channels) {
			n += conv(ch, c.Channels[level+1]) + conv(c.Channels[level+1], ch)
		}
	}
	return n
}

// Elements is about the number of activations that inference keeps of one picture at a time: the results that wait for
// the way up, and the buffers of the widest block.
func (c Config) Elements() int64 {
	side := c.ImageSize / c.PatchSize
	kept, widest := int64(0), int64(side)*int64(side)*int64(c.InChannels*c.PatchSize*c.PatchSize)
	for level, ch := range c.Channels {
		n := int64(side>>level) * int64(side>>level) * int64(ch)
		kept += int64(c.Blocks) * n
		widest = max(widest, n)
	}
	return kept + 8*widest
}

// attentionElements is the number of attention weights of one picture at the largest level that has attention.
func (c Config) attentionElements() int64 {
	side := c.ImageSize / c.PatchSize
	most := int64(0)
	for level := range c.Channels {
		if c.attends(level) || level == len(c.Channels)-1 {
			px := int64(side>>level) * int64(side>>level)
			most = max(most, px*px*int64(c.Heads))
		}
	}
	return most
}
