package sampler

import "math"

// ddim is Song, Meng and Ermon, "Denoising Diffusion Implicit Models" (2021, equations 12 and 16):
//
//	x' = sqrt(abar') x0 + sqrt(1-abar'-std^2) eps + std z,   eps = (x - sqrt(abar) x0) / sqrt(1-abar)
type ddim struct {
	base
	cx0, cx, std []float64
}

func newDDIM(b base, cfg Config) Sampler {
	d := &ddim{base: b}
	for i := range b.Steps() {
		a, next := b.alphaBar[i], b.alphaBar[i+1]
		variance := float64(cfg.Eta * cfg.Eta * (1 - next) / (1 - a) * (1 - a/next))
		direction := math.Sqrt(max(0, 1-next-variance)) / math.Sqrt(1-a)
		d.cx0 = append(d.cx0, math.Sqrt(next)-float64(direction*math.Sqrt(a)))
		d.cx = append(d.cx, direction)
		d.std = append(d.std, math.Sqrt(variance))
	}
	return d
}

// Step is the equation above with its terms in x0 and x gathered: x = cx0*x0 + cx*x + std*z.
func (d *ddim) Step(s *State, x0 []float32, noise Noise) {
	i := s.Step
	mix(s.X, d.cx0[i], x0, d.cx[i])
	if d.std[i] > 0 {
		add(s.X, d.std[i], s.normals(noise))
	}
	s.Step++
}
