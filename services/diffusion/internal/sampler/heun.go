package sampler

import "math"

// heun is Heun's second-order method on the flow of euler (Karras et al. 2022, algorithm 1 without
// churn). A step asks the denoiser twice, first where it starts and then where Euler's method would end;
// a step that ends at sigma 0 is Euler's, so all make 2*Steps-1 evaluations.
type heun struct {
	base
	sigma, scale []float64 // scale = sqrt(abar): x = scale * y
}

func newHeun(b base, _ Config) Sampler {
	b.history = 2
	h := &heun{base: b}
	for i, a := range b.alphaBar {
		h.sigma = append(h.sigma, sigma(a))
		h.scale = append(h.scale, math.Sqrt(a))
		if i > 0 && i < b.Steps() && h.sigma[i] > 0 {
			h.evaluations++
		}
	}
	if h.sigma[b.Steps()] > 0 {
		h.evaluations++
	}
	return h
}

// Step keeps y, where the step started, and d = (y-x0)/sigma there in the history.
func (h *heun) Step(s *State, x0 []float32, _ Noise) {
	s.remember(2)
	i := s.Step
	y, d := s.History[0], s.History[1]
	step, next := float32(h.sigma[i+1]-h.sigma[i]), float32(h.scale[i+1])
	if s.Stage == 0 {
		up, inv := float32(1/h.scale[i]), float32(1/h.sigma[i])
		for j, x := range s.X {
			y[j] = float32(up * x)
			d[j] = (y[j] - x0[j]) * inv
			s.X[j] = (y[j] + float32(d[j]*step)) * next
		}
		if h.sigma[i+1] > 0 {
			s.Stage = 1
			return
		}
	} else {
		up, inv := float32(1/h.scale[i+1]), float32(1/h.sigma[i+1])
		for j, x := range s.X {
			slope := (d[j] + float32((float32(up*x)-x0[j])*inv)) * 0.5
			s.X[j] = (y[j] + float32(slope*step)) * next
		}
		s.Stage = 0
	}
	s.Step++
}
