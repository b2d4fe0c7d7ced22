package schedule

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Schedule is a noise schedule over T training timesteps.
type Schedule struct {
	// AlphaBar[t] is the product of 1-beta_s for s = 0..t: how much of the picture's variance is left
	// after t+1 Markov steps. It falls from almost 1 to almost 0.
	AlphaBar []float64
}

// Names lists the schedules that Parse knows.
func Names() []string { return []string{"cosine", "linear", "scaled_linear"} }

// Parse returns a schedule of T timesteps by name: "linear" from 1e-4 to 0.02 (Ho et al., section 4),
// "scaled_linear" from 0.00085 to 0.012 (Rombach et al. 2022, appendix), or "cosine". The betas of the
// first two belong to T = 1000 and are used unscaled for any T, as diffusers does.
func Parse(name string, T int) (*Schedule, error) {
	if T < 1 || T > 1_000_000 {
		return nil, fmt.Errorf("schedule: %d training timesteps, want 1 to 1000000", T)
	}
	switch name {
	case "linear":
		return Linear(T, 1e-4, 0.02), nil
	case "scaled_linear":
		return ScaledLinear(T, 0.00085, 0.012), nil
	case "cosine":
		return Cosine(T), nil
	}
	return nil, fmt.Errorf("schedule: no schedule %q, have %q", name, Names())
}

// T is the number of training timesteps.
func (s *Schedule) T() int { return len(s.AlphaBar) }

// Linear has T betas evenly spaced from beta0 to beta1, both included (Ho et al., section 4).
func Linear(T int, beta0, beta1 float64) *Schedule {
	betas := make([]float64, T)
	linspace(betas, beta0, beta1)
	return FromBetas(betas)
}

// ScaledLinear has T betas whose square roots are evenly spaced from sqrt(beta0) to sqrt(beta1)
// (Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022).
func ScaledLinear(T int, beta0, beta1 float64) *Schedule {
	betas := make([]float64, T)
	linspace(betas, math.Sqrt(beta0), math.Sqrt(beta1))
	for i, r := range betas {
		betas[i] = float64(r * r)
	}
	return FromBetas(betas)
}

// Cosine is the schedule of Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models"
// (2021, equation 17) with s = 0.008: abar(u) = cos^2((u+s)/(1+s) pi/2) over u = t/T, through betas that
// are capped at 0.999.
func Cosine(T int) *Schedule {
	betas := make([]float64, T)
	prev := cosineAlphaBar(0)
	for i := range betas {
		next := cosineAlphaBar(float64(i+1) / float64(T))
		betas[i] = min(1-next/prev, 0.999)
		prev = next
	}
	return FromBetas(betas)
}

func cosineAlphaBar(u float64) float64 {
	c := tensor.CosF64((u + 0.008) / 1.008 * math.Pi / 2)
	return float64(c * c)
}

// FromBetas accumulates the products of 1-beta in ascending order.
func FromBetas(betas []float64) *Schedule {
	s := &Schedule{AlphaBar: make([]float64, len(betas))}
	p := 1.0
	for i, b := range betas {
		p *= 1 - b
		s.AlphaBar[i] = p
	}
	return s
}

// Beta is the variance of Markov step t: 1 - abar_t/abar_{t-1}.
func (s *Schedule) Beta(t int) float64 {
	if t == 0 {
		return 1 - s.AlphaBar[0]
	}
	return 1 - s.AlphaBar[t]/s.AlphaBar[t-1]
}

// Sigma is the noise-to-signal ratio sqrt((1-abar)/abar) of the variance-exploding form. An abar of zero
// (see ZeroTerminalSNR) is taken for 2^-24, so that the ratio stays finite, as diffusers does.
func Sigma(alphaBar float64) float64 {
	if alphaBar == 0 {
		alphaBar = 0x1p-24
	}
	return math.Sqrt((1 - alphaBar) / alphaBar)
}

// ZeroTerminalSNR returns the schedule shifted and scaled so that the last abar is exactly 0 and the
// first is kept: sqrt(abar) -> (sqrt(abar) - last) * first / (first - last) (Lin et al., "Common
// Diffusion Noise Schedules and Sample Steps are Flawed", 2024, algorithm 1). A model that predicts
// epsilon says nothing about the picture where abar is 0; use v or x0 prediction with it.
func (s *Schedule) ZeroTerminalSNR() *Schedule {
	n := len(s.AlphaBar)
	z := &Schedule{AlphaBar: make([]float64, n)}
	first, last := math.Sqrt(s.AlphaBar[0]), math.Sqrt(s.AlphaBar[n-1])
	for i, a := range s.AlphaBar {
		r := (math.Sqrt(a) - last) * first / (first - last)
		z.AlphaBar[i] = float64(r * r)
	}
	return z
}

// linspace fills dst with values from a to b, both included. Each half counts from its own end, as
// PyTorch does, so that both ends are exact.
func linspace(dst []float64, a, b float64) {
	n := len(dst)
	if n == 1 {
		dst[0] = a
		return
	}
	step := (b - a) / float64(n-1)
	for i := range dst {
		if i < n/2 {
			dst[i] = a + float64(step*float64(i))
		} else {
			dst[i] = b - float64(step*float64(n-1-i))
		}
	}
}
