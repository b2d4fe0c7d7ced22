package engine

import (
	"context"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// UnsupportedError is the error for what a model cannot do; the service says what it can.
type UnsupportedError string

// Error says what was asked for.
func (u UnsupportedError) Error() string { return "the model cannot " + string(u) }

// Encode gives mean and variance of the codes of n pictures; variance is nil for deterministic codes. class has one
// entry a picture, or is nil for a model without classes.
func (e *Engine) Encode(ctx context.Context, x []float32, n int, class []int32) (mean, variance []float32, t Timing,
	err error) {
	enc, ok := e.model.(model.Encoder)
	if !ok {
		return nil, nil, t, UnsupportedError("encode")
	}
	k := e.model.Size().CodeLen()
	j := &job{kind: encoding, n: n, class: class, x: x, mean: make([]float32, n*k)}
	if !enc.Deterministic() {
		j.variance = make([]float32, n*k)
	}
	j.left.Store(int64(n))
	t, err = e.do(ctx, j)
	return j.mean, j.variance, t, err
}

// Decode gives the pictures of n codes.
func (e *Engine) Decode(ctx context.Context, z []float32, n int, class []int32) (x []float32, t Timing, err error) {
	if _, ok := e.model.(model.Decoder); !ok {
		return nil, t, UnsupportedError("decode")
	}
	j := &job{kind: decoding, n: n, class: class, x: z, out: make([]float32, n*e.model.Size().PictureLen())}
	j.left.Store(int64(n))
	t, err = e.do(ctx, j)
	return j.out, t, err
}

// Draw draws n codes from the model's prior and decodes them. Sample i depends on the stream and i alone.
func (e *Engine) Draw(ctx context.Context, s rng.Stream, n int, temperature float32, class []int32) (z, x []float32,
	t Timing, err error) {
	if !CanDraw(e.model) {
		return nil, nil, t, UnsupportedError("draw codes: it has no prior over them")
	}
	size := e.model.Size()
	j := &job{kind: drawing, n: n, class: class, random: s, temperature: temperature,
		x: make([]float32, n*size.CodeLen()), out: make([]float32, n*size.PictureLen())}
	j.left.Store(int64(n))
	t, err = e.do(ctx, j)
	return j.x, j.out, t, err
}

// CanDraw says whether codes can be drawn: from a prior of the model's own, or from a standard normal.
func CanDraw(m model.Model) bool {
	if _, ok := m.(model.Decoder); !ok {
		return false
	}
	if _, ok := m.(model.Prior); ok {
		return true
	}
	enc, ok := m.(model.Encoder)
	_, chain := m.(model.Chain)
	return ok && !enc.Deterministic() && !chain
}

// Score says how likely n pictures are.
func (e *Engine) Score(ctx context.Context, x []float32, n int, class []int32, samples int, s rng.Stream) (model.Score,
	Timing, error) {
	sc, ok := e.model.(model.Scorer)
	if !ok || sc.Kind() == model.NoScore {
		return model.Score{}, Timing{}, UnsupportedError("score pictures")
	}
	j := &job{kind: scoring, n: n, class: class, x: x, samples: samples, random: s}
	j.left.Store(int64(n))
	t, err := e.do(ctx, j)
	return j.score, t, err
}
