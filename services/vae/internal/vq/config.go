package vq

import (
	"fmt"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// Config describes a model.
type Config struct {
	trunk.Config                   // of kind conv
	Likelihood   likelihood.Config `json:"likelihood"`
	// Vectors is V, the size of the codebook, and Size is E, the numbers of a vector.
	Vectors int `json:"vectors"`
	Size    int `json:"size"`
	// Prior is the prior over grids of indices; nil for none.
	Prior *PriorConfig `json:"prior,omitempty"`
}

// PriorConfig describes a PixelCNN.
type PriorConfig struct {
	Channels int `json:"channels"`
	Blocks   int `json:"blocks"`
}

// Learning is how the codebook is learned.
type Learning struct {
	// Commitment is beta, the weight of the distance of the encoder's vectors from the codebook's.
	Commitment float64 `json:"commitment"`
	// Decay is gamma of the moving averages that the codebook is made of (2017, appendix A.1); 0 for a codebook that
	// follows the gradient of the distance.
	Decay float64 `json:"decay,omitempty"`
	// Revive replaces a vector that no position of this many steps was nearest to; 0 for never.
	Revive int `json:"revive,omitempty"`
}

// Limits of a configuration.
const (
	MaxVectors = 65536
	MaxSize    = 4096
	MaxBlocks  = 64
)

// Validate names the first thing that is wrong.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return fmt.Errorf("vq: %w", err)
	}
	if c.Kind != trunk.Conv {
		return fmt.Errorf("vq: network %.40q, want conv: a grid of vectors needs a map", c.Kind)
	}
	if err := c.Likelihood.Validate(); err != nil {
		return fmt.Errorf("vq: %w", err)
	}
	if c.Vectors < 1 || c.Vectors > MaxVectors {
		return fmt.Errorf("vq: a codebook of %d vectors, want 1 to %d", c.Vectors, MaxVectors)
	}
	if c.Size < 1 || c.Size > MaxSize {
		return fmt.Errorf("vq: vectors of %d numbers, want 1 to %d", c.Size, MaxSize)
	}
	p := c.Prior
	if p != nil && (p.Channels < 2 || p.Channels > trunk.MaxWidth || p.Blocks < 0 || p.Blocks > MaxBlocks) {
		return fmt.Errorf("vq: a prior of %d blocks of %d channels, want 0 to %d of 2 to %d", p.Blocks, p.Channels,
			MaxBlocks, trunk.MaxWidth)
	}
	return nil
}

// Validate names the first thing that is wrong.
func (l *Learning) Validate() error {
	switch {
	case !(l.Commitment >= 0 && l.Commitment <= 1e6):
		return fmt.Errorf("vq: a commitment of %v, want 0 to 1e6", l.Commitment)
	case !(l.Decay >= 0 && l.Decay < 1):
		return fmt.Errorf("vq: a decay of %v, want 0 up to below 1", l.Decay)
	case l.Revive < 0 || l.Revive > 1<<20:
		return fmt.Errorf("vq: revival after %d steps, want 0 to %d", l.Revive, 1<<20)
	}
	return nil
}
