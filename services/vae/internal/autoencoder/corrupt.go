package autoencoder

import "github.com/manifold-gen/manifold/shared/tensor/rng"

// Corrupt writes the noisy form of a picture x to dst; scratch has room for as many numbers. The noise of draw number
// draw at a step depends on the stream and on these alone.
func (p *Penalties) Corrupt(dst, x, scratch []float32, s rng.Stream, draw uint64, step uint32) {
	switch p.Corruption {
	case Masking:
		s.Uniform(scratch, draw, step, rng.Drop)
		for i, v := range x {
			if dst[i] = v; scratch[i] < float32(p.Amount) {
				dst[i] = 0
			}
		}
	case Gaussian:
		s.Normal(scratch, draw, step, rng.Noise)
		for i, v := range x {
			dst[i] = v + float32(float32(p.Amount)*scratch[i])
		}
	default:
		copy(dst, x)
	}
}

// Signs fills dst with random signs for one row.
func Signs(dst []float32, s rng.Stream, draw uint64, step uint32) {
	s.Uniform(dst, draw, step, rng.General)
	for i, u := range dst {
		if dst[i] = 1; u < 0.5 {
			dst[i] = -1
		}
	}
}
