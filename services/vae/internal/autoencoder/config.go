package autoencoder

import (
	"fmt"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// Config describes a model.
type Config struct {
	trunk.Config
	Likelihood likelihood.Config `json:"likelihood"`
	// Code is K, the numbers of a code, and CodeActivation their function: linear, sigmoid, relu or tanh.
	Code           int    `json:"code"`
	CodeActivation string `json:"code_activation"`
}

// Corruption kinds.
const (
	Masking  = "masking"  // numbers are set to 0 with the probability Amount
	Gaussian = "gaussian" // normal noise of deviation Amount is added
)

// Sparsity kinds.
const (
	KL = "kl" // the mean of every unit of the code is drawn to Target
	L1 = "l1" // the sum of magnitudes
)

// Penalties is what training adds to the reconstruction error. The zero value adds nothing.
type Penalties struct {
	Corruption string  `json:"corruption,omitempty"`
	Amount     float64 `json:"amount,omitempty"`

	Sparsity string  `json:"sparsity,omitempty"`
	Target   float64 `json:"target,omitempty"` // of kl
	Weight   float64 `json:"weight,omitempty"` // of the sparsity penalty

	Contraction float64 `json:"contraction,omitempty"` // weight of the encoder's squared Jacobian
	// Probes estimates the squared Jacobian by so many random projections a picture; 0 computes it exactly, at the cost
	// of a backward pass for each number of the code, or by a closed form where the encoder is one sigmoid layer.
	Probes int `json:"probes,omitempty"`
}

// MaxCode bounds the numbers of a code.
const MaxCode = 16384

// Validate names the first thing that is wrong.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return fmt.Errorf("autoencoder: %w", err)
	}
	if err := c.Likelihood.Validate(); err != nil {
		return fmt.Errorf("autoencoder: %w", err)
	}
	if c.Code < 1 || c.Code > MaxCode {
		return fmt.Errorf("autoencoder: a code of %d numbers, want 1 to %d", c.Code, MaxCode)
	}
	if _, err := trunk.Activation(c.CodeActivation); err != nil {
		return fmt.Errorf("autoencoder: the code's %w", err)
	}
	return nil
}

// Validate names the first penalty that is wrong for a code with the given activation.
func (p *Penalties) Validate(activation string) error {
	switch {
	case p.Corruption == "" && p.Amount != 0:
		return fmt.Errorf("autoencoder: an amount of corruption of %v, but no kind; want masking or gaussian", p.Amount)
	case p.Corruption == Masking && !(p.Amount > 0 && p.Amount < 1):
		return fmt.Errorf("autoencoder: masking of %v, want above 0 and below 1", p.Amount)
	case p.Corruption == Gaussian && !(p.Amount > 0 && p.Amount <= 10):
		return fmt.Errorf("autoencoder: gaussian noise of deviation %v, want above 0 and up to 10", p.Amount)
	case p.Corruption != "" && p.Corruption != Masking && p.Corruption != Gaussian:
		return fmt.Errorf("autoencoder: corruption %.40q, want masking or gaussian", p.Corruption)
	case p.Sparsity != "" && p.Sparsity != KL && p.Sparsity != L1:
		return fmt.Errorf("autoencoder: sparsity %.40q, want kl or l1", p.Sparsity)
	case p.Sparsity == "" && (p.Weight != 0 || p.Target != 0):
		return fmt.Errorf("autoencoder: a weight or target of sparsity, but no kind; want kl or l1")
	case p.Sparsity == KL && activation != "sigmoid":
		return fmt.Errorf("autoencoder: a kl sparsity target is for codes in (0, 1), want the code activation sigmoid")
	case p.Sparsity == KL && !(p.Target > 0 && p.Target < 1):
		return fmt.Errorf("autoencoder: a sparsity target of %v, want above 0 and below 1", p.Target)
	case p.Sparsity != "" && !(p.Weight > 0 && p.Weight <= 1e6):
		return fmt.Errorf("autoencoder: a sparsity weight of %v, want above 0 and up to 1e6", p.Weight)
	case !(p.Contraction >= 0 && p.Contraction <= 1e6):
		return fmt.Errorf("autoencoder: a contraction of %v, want 0 to 1e6", p.Contraction)
	case p.Probes < 0 || p.Probes > 1024:
		return fmt.Errorf("autoencoder: %d probes, want 0 to 1024", p.Probes)
	}
	return nil
}
