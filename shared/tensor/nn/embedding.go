package nn

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// Embedding is a table of vectors.
type Embedding struct {
	Weight *Param `weights:"weight"` // [V, D]
}

// NewEmbedding returns a table of v vectors of d numbers; Init draws them from the unit normal.
func NewEmbedding(v, d int) *Embedding { return &Embedding{Weight: NewParam(v, d).Normal(1)} }

// Forward takes the rows at ids, each in [0, V): [len(ids), D]. The ids are kept until the tape's Reset.
func (e *Embedding) Forward(t *autograd.Tape, ids []int32) *autograd.Value {
	return autograd.Embedding(e.Weight.On(t), ids)
}

// TimeEmbedding turns timesteps into sinusoids, as diffusers' get_timestep_embedding does: with half =
// Dim/2, feature i has the frequency MaxPeriod^(-i/(half-Shift)).
type TimeEmbedding struct {
	dim   int
	flip  bool
	freqs []float64
}

// TimeOptions are the ways in which published models differ.
type TimeOptions struct {
	// FlipSinToCos puts the cosines before the sines (diffusers' flip_sin_to_cos). Without it a row is
	// [sin, cos], as in Ho et al. 2020; most diffusers models set it.
	FlipSinToCos bool
	// Shift is diffusers' downscale_freq_shift: 1 in Ho et al. 2020, 0 in most diffusers models.
	Shift float64
	// MaxPeriod is the longest period over 2 pi; 0 means 10000.
	MaxPeriod float64
}

// NewTimeEmbedding returns an embedding in dim numbers, at least 2; if dim is odd, the last one is 0. The
// frequencies are computed in float64 by the deterministic functions of package tensor. It panics with
// *tensor.Error unless dim/2 > Shift.
func NewTimeEmbedding(dim int, o TimeOptions) *TimeEmbedding {
	half := dim / 2
	if half < 1 || float64(half) <= o.Shift {
		failf("TimeEmbedding: dimension %d, want at least 2 and half of it above the shift %v", dim, o.Shift)
	}
	if o.MaxPeriod == 0 {
		o.MaxPeriod = 10000
	}
	e := &TimeEmbedding{dim: dim, flip: o.FlipSinToCos, freqs: make([]float64, half)}
	for i := range e.freqs {
		e.freqs[i] = tensor.ExpF64(-tensor.LogF64(o.MaxPeriod) * float64(i) / (float64(half) - o.Shift))
	}
	return e
}

// Forward maps n timesteps to [n, Dim] of type d. Angles, sines and cosines are computed in float64 and
// rounded once. No gradient flows to the timesteps.
func (e *TimeEmbedding) Forward(t *autograd.Tape, d tensor.DType, timesteps []float32) *autograd.Value {
	x := t.Arena().New(d, len(timesteps), e.dim)
	for i, ts := range timesteps {
		if d == tensor.Float64 {
			sinusoid(e, x.F64()[i*e.dim:(i+1)*e.dim], float64(ts))
		} else {
			sinusoid(e, x.F32()[i*e.dim:(i+1)*e.dim], float64(ts))
		}
	}
	return t.Const(x)
}

func sinusoid[T float32 | float64](e *TimeEmbedding, row []T, ts float64) {
	half := len(e.freqs)
	sin, cos := row[:half], row[half:2*half]
	if e.flip {
		sin, cos = cos, sin
	}
	for i, f := range e.freqs {
		a := ts * f
		sin[i], cos[i] = T(tensor.SinF64(a)), T(tensor.CosF64(a))
	}
	clear(row[2*half:])
}
