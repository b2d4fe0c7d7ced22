package sampler

import "math"

// euler is Euler's method on the probability flow dx/dsigma = (x - x0)/sigma in the variance-exploding
// form, x in units of sqrt(1+sigma^2) = 1/sqrt(abar) (Karras et al., "Elucidating the Design Space of
// Diffusion-Based Generative Models", 2022, equation 1). It equals DDIM with eta 0 where both visit the
// same points; the linspace spacing gives it points between the training timesteps.
type euler struct {
	base
	cx0, cx []float64
}

func newEuler(b base, _ Config) Sampler {
	e := &euler{base: b}
	for i := range b.Steps() {
		ratio := sigma(b.alphaBar[i+1]) / sigma(b.alphaBar[i])
		scale, next := math.Sqrt(b.alphaBar[i]), math.Sqrt(b.alphaBar[i+1])
		e.cx0 = append(e.cx0, (1-ratio)*next)
		e.cx = append(e.cx, ratio*next/scale)
	}
	return e
}

// Step is y' = y + (y - x0)/sigma (sigma' - sigma), gathered: y' = (1-ratio) x0 + ratio y.
func (e *euler) Step(s *State, x0 []float32, _ Noise) {
	mix(s.X, e.cx0[s.Step], x0, e.cx[s.Step])
	s.Step++
}

// sigma is the noise-to-signal ratio, with 0 at abar 1.
func sigma(alphaBar float64) float64 { return math.Sqrt((1 - alphaBar) / alphaBar) }
