package vae

import (
	"fmt"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// Config describes a model.
type Config struct {
	trunk.Config
	Likelihood likelihood.Config `json:"likelihood"`
	// Latent is K, the numbers of a code.
	Latent int `json:"latent"`
	// Second is the second stage, a VAE of codes; nil for none.
	Second *SecondConfig `json:"second,omitempty"`
}

// SecondConfig describes a second stage: an mlp whose code has as many numbers as the first stage's.
type SecondConfig struct {
	Hidden     []int  `json:"hidden"`
	Activation string `json:"activation"`
}

// MaxLatent bounds the numbers of a code.
const MaxLatent = 4096

// Validate names the first thing that is wrong.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return fmt.Errorf("vae: %w", err)
	}
	if err := c.Likelihood.Validate(); err != nil {
		return fmt.Errorf("vae: %w", err)
	}
	if c.Latent < 1 || c.Latent > MaxLatent {
		return fmt.Errorf("vae: a code of %d numbers, want 1 to %d", c.Latent, MaxLatent)
	}
	if c.Second == nil {
		return nil
	}
	second := c.Stage2()
	if err := second.Validate(); err != nil {
		return fmt.Errorf("vae: the second stage: %w", err)
	}
	return nil
}

// Stage2 is the configuration of the second stage: its pictures are codes, with a Gaussian likelihood whose variance
// is learned.
func (c *Config) Stage2() Config {
	return Config{
		Config: trunk.Config{
			Height: 1, Width: c.Latent, Channels: 1, Kind: trunk.MLP, Hidden: c.Second.Hidden,
			Activation: c.Second.Activation, Classes: c.Classes,
		},
		Likelihood: likelihood.Config{Kind: likelihood.Gaussian},
		Latent:     c.Latent,
	}
}
