package engine

import (
	"context"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Noised is a picture on its way into noise.
type Noised struct {
	Timestep int     // Markov steps done, from 0
	AlphaBar float64 // share of the picture's variance that is left
	Pix      []byte  // H*W*C
}

// AddNoise runs the forward process from x as the Markov chain it is, q(x_t | x_{t-1}), step by step through every
// training timestep, and calls emit with events pictures, evenly spread: the one after the last step is always among
// them, the clean one too when there are two or more. It changes x. The normals of step t depend on (seed, t) alone.
func AddNoise(ctx context.Context, sch *schedule.Schedule, x []float32, seed uint64, events int,
	emit func(Noised) error) error {
	random := rng.New(seed)
	eps := make([]float32, len(x))
	T := sch.T()
	due, sent := 0, 0
	if events == 1 {
		due = T
	}
	for t := 0; ; t++ {
		if t == due {
			n := Noised{Timestep: t, AlphaBar: 1, Pix: make([]byte, len(x))}
			if t > 0 {
				n.AlphaBar = sch.AlphaBar[t-1]
			}
			quantise(n.Pix, x)
			if err := emit(n); err != nil {
				return err
			}
			sent++
			due = T
			if events > 1 {
				due = (sent*T + (events-1)/2) / (events - 1)
			}
		}
		if t == T {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		random.Normal(eps, 0, uint32(t), rng.Noise)
		schedule.MarkovStep(x, x, eps, sch.Beta(t))
	}
}
