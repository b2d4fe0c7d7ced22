package optim

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Schedule is the learning rate of each step, counted from 0.
type Schedule interface{ At(step int) float64 }

// Constant is the same learning rate at every step.
type Constant float64

// At implements Schedule.
func (c Constant) At(int) float64 { return float64(c) }

// WarmupCosine rises linearly to Peak in Warmup steps, then falls to Floor along half a cosine that ends
// at step Total, and stays there. Step i < Warmup has Peak*(i+1)/Warmup, so that no step is lost at 0.
type WarmupCosine struct {
	Peak, Floor   float64
	Warmup, Total int
}

// At implements Schedule.
func (w WarmupCosine) At(step int) float64 {
	switch {
	case step < w.Warmup:
		return w.Peak * (float64(step+1) / float64(w.Warmup))
	case step >= w.Total:
		return w.Floor
	}
	turn := math.Pi * (float64(step-w.Warmup) / float64(w.Total-w.Warmup))
	return math.FMA((w.Peak-w.Floor)/2, 1+tensor.CosF64(turn), w.Floor)
}
