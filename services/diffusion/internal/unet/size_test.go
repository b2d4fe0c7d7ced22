package unet

import (
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

func TestParametersCountsEveryWeight(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"digits":       func(*Config) {},
		"no classes":   func(c *Config) { c.Classes = 0 },
		"one level":    func(c *Config) { c.Channels = []int{40} },
		"more blocks":  func(c *Config) { c.Blocks = 3 },
		"attention":    func(c *Config) { c.Channels, c.AttentionLevels = []int{40, 80}, []int{0, 1} },
		"three levels": func(c *Config) { c.ImageSize, c.PatchSize, c.Channels = 32, 1, []int{8, 16, 40} },
		"colour":       func(c *Config) { c.InChannels = 3 },
	} {
		c := MNIST()
		change(&c)
		u, err := New(c)
		if err != nil {
			t.Fatal(name, err)
		}
		if got, want := c.Parameters(), int64(nn.Count(u)); got != want {
			t.Errorf("%s: %d parameters, the network has %d", name, got, want)
		}
	}
}

// What is too large is refused before anything is allocated.
func TestTooLargeIsRefused(t *testing.T) {
	for _, row := range []struct {
		change func(c *Config)
		want   string
	}{
		{func(c *Config) { c.Channels = []int{1_000_000} }, "level 0 has 1000000 channels, want 1 to 4096"},
		{func(c *Config) { c.Channels, c.Blocks = []int{4096, 4096}, 16 }, "parameters, want at most 2147483648"},
		{func(c *Config) { c.ImageSize, c.Channels = 1024, []int{2000, 80} }, "activations, want at most 268435456"},
		{func(c *Config) { c.ImageSize, c.Channels = 1024, []int{40} }, "attention of one picture of 1024x1024"},
		{func(c *Config) { c.ImageSize, c.Channels, c.AttentionLevels = 512, []int{40, 40, 40, 40, 40}, []int{0} },
			"attention of one picture of 512x512"},
	} {
		c := MNIST()
		row.change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("error %v, want one with %q", err, row.want)
		}
	}
}
