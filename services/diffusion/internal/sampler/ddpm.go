package sampler

import "math"

// ddpm is ancestral sampling (Ho et al., "Denoising Diffusion Probabilistic Models", 2020, algorithm 2,
// with equations 6 and 7 for the mean), between any two points of the schedule.
type ddpm struct {
	base
	cx0, cx, std []float64
}

func newDDPM(b base, cfg Config) Sampler {
	d := &ddpm{base: b}
	for i := range b.Steps() {
		a, next := b.alphaBar[i], b.alphaBar[i+1]
		alpha := a / next
		beta := 1 - alpha
		d.cx0 = append(d.cx0, math.Sqrt(next)*beta/(1-a))
		d.cx = append(d.cx, math.Sqrt(alpha)*(1-next)/(1-a))
		variance := beta
		if cfg.Variance == FixedSmall {
			variance = (1 - next) / (1 - a) * beta
		}
		if i == b.Steps()-1 {
			variance = 0
		}
		d.std = append(d.std, math.Sqrt(variance))
	}
	return d
}

// Step draws from N(mean(x, x0), variance): x = cx0*x0 + cx*x + std*z.
func (d *ddpm) Step(s *State, x0 []float32, noise Noise) {
	i := s.Step
	mix(s.X, d.cx0[i], x0, d.cx[i])
	if d.std[i] > 0 {
		add(s.X, d.std[i], s.normals(noise))
	}
	s.Step++
}
