package recipe

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/modelstore"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
)

// energyConfig is what the manifests of Boltzmann machines and deep belief networks say.
type energyConfig struct {
	Height    int        `json:"height"`
	Width     int        `json:"width"`
	Channels  int        `json:"channels"`
	Hidden    []int      `json:"hidden"` // units of the hidden layers, from the picture up
	Units     string     `json:"units,omitempty"`
	Levels    int        `json:"levels,omitempty"`
	Labels    int        `json:"labels,omitempty"`
	Partition *partition `json:"partition,omitempty"` // of the top machine
}

// check refuses sizes that no recipe gives, before memory is taken for them.
func (c *energyConfig) check() error {
	pixels := c.Height * c.Width * c.Channels
	bad := c.Height < 1 || c.Width < 1 || c.Channels < 1 || c.Height > 1024 || c.Width > 1024 || c.Channels > 4 ||
		c.Levels < 0 || c.Labels < 0 || pixels*max(1, c.Levels)+c.Labels > maxVisible || len(c.Hidden) > maxLayers
	for _, h := range c.Hidden {
		bad = bad || h < 0 || h > maxHidden
	}
	if bad {
		return fmt.Errorf("%dx%dx%d pixels of %d levels, %d labels, hidden layers %v", c.Height, c.Width, c.Channels,
			c.Levels, c.Labels, c.Hidden)
	}
	return nil
}

// partition is rbm.Partition in a manifest.
type partition struct {
	LogZ  float64  `json:"log_z"`
	Low   *float64 `json:"low,omitempty"` // absent where the bar of three sigma reaches down to Z = 0
	High  float64  `json:"high"`
	Exact bool     `json:"exact"`
}

func partitionOf(p *rbm.Partition) *partition {
	if p == nil {
		return nil
	}
	out := &partition{LogZ: p.LogZ, High: p.High, Exact: p.Exact}
	if !math.IsInf(p.Low, 0) {
		out.Low = &p.Low
	}
	return out
}

func (p *partition) rbm() *rbm.Partition {
	if p == nil {
		return nil
	}
	out := &rbm.Partition{LogZ: p.LogZ, Low: math.Inf(-1), High: p.High, Exact: p.Exact}
	if p.Low != nil {
		out.Low = *p.Low
	}
	return out
}

// words are for the card.
func (p *partition) words() []string {
	switch {
	case p == nil:
		return []string{"Nobody has estimated its partition function: it gives free energies, but no likelihoods."}
	case p.Exact:
		return []string{fmt.Sprintf("The logarithm of its partition function is %.3f, by enumeration.", p.LogZ)}
	}
	low := "-infinity"
	if p.Low != nil {
		low = fmt.Sprintf("%.3f", *p.Low)
	}
	return []string{fmt.Sprintf(
		"The logarithm of its partition function is about %.3f, by annealed importance sampling: %s to %.3f at three "+
			"sigma.", p.LogZ, low, p.High)}
}

// words describe a way of learning.
func (l *learning) words() string {
	switch l.Method {
	case methodPCD:
		return fmt.Sprintf("%d persistent chains", l.Chains)
	case methodTempered:
		return fmt.Sprintf("persistent chains at %d temperatures", l.Temperatures)
	}
	return fmt.Sprintf("contrastive divergence of %d", l.Sweeps)
}

// scoreEnergy is the kind of score of a machine, and of a network whose top machine it is.
func scoreEnergy(m *modelstore.Manifest) model.ScoreKind {
	var c energyConfig
	switch err := configOf(m, &c); {
	case err != nil || c.Partition == nil:
		return model.NoScore
	case len(c.Hidden) > 1:
		return model.LowerBound
	case c.Partition.Exact:
		return model.Exact
	}
	return model.AISEstimate
}
