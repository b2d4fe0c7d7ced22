package sampler

import "math"

// heun is Heun's second-order method on the flow of euler (Karras et al. 2022, algorithm 1 without
// churn). A step asks the denoiser twice, first where it starts and then where Euler's method would end;
// a step that ends at sigma 0 is Euler's, and unless Config.HeunStart so is the first, so all make 2*Steps-1 or
// 2*Steps-2 evaluations.
//
// With y1 Euler's end, the slope at the start is (y-x0)/sigma = (y1-x0)/sigma' and that at the end is
// (y1-x0')/sigma', so the mean of both corrects y1 by (sigma-sigma')/(2 sigma') (x0'-x0). In this form
// nothing large cancels: the plain form loses three digits in float32 where sigma starts at 20000, as it
// does with the cosine schedule.
type heun struct {
	euler
	correct []float64 // 0 where a step is Euler's
}

func newHeun(b base, cfg Config) Sampler {
	b.history = 1
	h := &heun{correct: make([]float64, b.Steps())}
	for i := range h.correct {
		from, to := sigma(b.alphaBar[i]), sigma(b.alphaBar[i+1])
		if to > 0 {
			h.correct[i] = math.Sqrt(b.alphaBar[i+1]) * (from - to) / (2 * to)
		}
	}
	b.twice = b.Steps() - 1
	if cfg.FinalSigmaMin {
		b.twice++
	}
	if !cfg.HeunStart && b.twice > 0 {
		b.lead, b.twice = 1, b.twice-1
	}
	h.euler = *newEuler(b, cfg).(*euler)
	return h
}

// Step keeps the first estimate of a step in the history.
func (h *heun) Step(s *State, x0 []float32, noise Noise) {
	s.remember(1)
	if s.Stage == 0 {
		copy(s.History[0], x0)
		h.euler.Step(s, x0, noise)
		if at := s.Step - 1; at >= h.lead && at < h.lead+h.twice {
			s.Step--
			s.Stage = 1
		}
		return
	}
	c, first := float32(h.correct[s.Step]), s.History[0]
	for i := range s.X {
		s.X[i] += float32(c * (x0[i] - first[i]))
	}
	s.Stage = 0
	s.Step++
}
