package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// kind is what a pass does.
type kind uint8

const (
	encoding kind = iota
	decoding
	drawing
	scoring
	sweeping
	kinds
)

// job is a request on its way. All but the atomic field belong to the loop until done is closed or the stream ended.
type job struct {
	ctx   context.Context //nolint:containedctx // the caller's, looked at between passes
	kind  kind
	n, at int     // rows in all, and those done
	class []int32 // of each row; nil for a model without classes

	x              []float32 // in: pictures, or codes
	mean, variance []float32 // out of encoding; variance may be nil
	out            []float32 // out of decoding and drawing: pictures
	random         rng.Stream
	temperature    float32
	samples        int // of a lower bound
	score          model.Score

	chain  *chain  // of sweeping
	stream *Stream // of sweeping
	done   chan struct{}
	err    error

	left     atomic.Int64 // rows, or sweeps times chains
	admitted time.Time
	begun    time.Time
	ended    time.Time
	compute  time.Duration
	share    time.Duration // of the passes, by its rows
}

// rows is how many rows of a pass the job could fill.
func (j *job) rows() int {
	if j.kind == sweeping {
		return len(j.chain.states)
	}
	return j.n - j.at
}

func (j *job) timing() Timing {
	return Timing{Queue: j.begun.Sub(j.admitted), Compute: j.compute, Total: j.ended.Sub(j.admitted)}
}

// classes are those of n rows from the job's next one on.
func (j *job) classes(n int) []int32 {
	if j.class == nil {
		return nil
	}
	return j.class[j.at : j.at+n]
}
