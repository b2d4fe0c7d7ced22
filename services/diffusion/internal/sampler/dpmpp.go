package sampler

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// dpmpp2M is the second-order multistep DPM-Solver++ (Lu et al., "DPM-Solver++: Fast Solver for Guided
// Sampling of Diffusion Probabilistic Models", 2022, algorithm 2). With lambda = log(alpha/sigma), alpha
// = sqrt(abar), sigma = sqrt(1-abar), h the step in lambda and h0 the step before:
//
//	D  = (1 + h/(2 h0)) x0 - h/(2 h0) x0_before
//	x' = sigma'/sigma x - alpha' (exp(-h) - 1) D
//
// The first step is of first order, and so is the last if it ends without noise or if there are fewer
// than 15 steps (diffusers' lower_order_final).
type dpmpp2M struct {
	base
	cx0, cx, cbefore []float64
}

func newDPMpp2M(b base, cfg Config) Sampler {
	b.history = 1
	p := &dpmpp2M{base: b}
	before := 0.0
	for i := range b.Steps() {
		a, next := b.alphaBar[i], b.alphaBar[i+1]
		// exp(-h) = (alpha sigma')/(alpha' sigma); no exponential is needed.
		ratio := math.Sqrt(1-next) / math.Sqrt(1-a)
		gain := math.Sqrt(next) - float64(ratio*math.Sqrt(a))
		h := lambda(next) - lambda(a)
		r := 0.0
		if i > 0 && (i < b.Steps()-1 || cfg.FinalSigmaMin && b.Steps() >= 15) {
			r = h / (2 * before)
		}
		before = h
		p.cx = append(p.cx, ratio)
		p.cx0 = append(p.cx0, gain*(1+r))
		p.cbefore = append(p.cbefore, -gain*r)
	}
	return p
}

// lambda is half the logarithm of the signal-to-noise ratio; +Inf at abar 1.
func lambda(alphaBar float64) float64 {
	if alphaBar == 1 {
		return math.Inf(1)
	}
	return 0.5 * tensor.LogF64(alphaBar/(1-alphaBar))
}

// Step keeps x0 in the history: x = cx0*x0 + cx*x + cbefore*x0_before.
func (p *dpmpp2M) Step(s *State, x0 []float32, _ Noise) {
	s.remember(1)
	i := s.Step
	mix(s.X, p.cx0[i], x0, p.cx[i])
	if p.cbefore[i] != 0 {
		add(s.X, p.cbefore[i], s.History[0])
	}
	copy(s.History[0], x0)
	s.Step++
}
