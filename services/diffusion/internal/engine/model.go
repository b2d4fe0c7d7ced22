package engine

import (
	"time"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
)

// Unconditional is the class of a picture that is drawn without one.
const Unconditional = -1

// Denoiser is a loaded network as the engine's loop calls it, from one goroutine at a time.
type Denoiser interface {
	// Denoise predicts for len(class) rows: x and dst hold that many pictures of H*W*C elements one after the
	// other, timestep the training timestep of each row, class its class or Unconditional. It writes all of dst.
	// What a row gives must not depend on the other rows.
	Denoise(dst, x, timestep []float32, class []int32)
}

// Model is everything that the engine has to know of a diffusion model.
type Model struct {
	Name                    string // name@version, for messages
	Height, Width, Channels int
	Classes                 int // 0 for a model without classes
	Schedule                *schedule.Schedule
	Prediction              schedule.Prediction
	Clip                    bool // clip estimates of the picture to [-1, 1]
	Denoiser                Denoiser
}

// size is the number of elements of one picture.
func (m *Model) size() int { return m.Height * m.Width * m.Channels }

// Observer is told what an engine does, for metrics. It is called from the loop and must be quick.
type Observer interface {
	// Queued reports how many requests wait to start.
	Queued(depth int)
	// Waited reports the time between admission and the first evaluation of one request.
	Waited(d time.Duration)
	// Ticked reports one forward pass of that many rows and the time of the whole tick.
	Ticked(rows int, took time.Duration)
	// Finished reports pictures that are done.
	Finished(pictures int)
	// Cancelled reports a request that ended early; at is "queue" or "step".
	Cancelled(at string)
	// Wasted reports compute whose result nobody takes.
	Wasted(d time.Duration)
	// Resumed reports a request that goes on from a state.
	Resumed()
	// Panicked reports a panic in a tick, with the stack for the log.
	Panicked(value any, stack []byte)
}

// Unobserved ignores everything.
type Unobserved struct{}

// Queued does nothing.
func (Unobserved) Queued(int) {}

// Waited does nothing.
func (Unobserved) Waited(time.Duration) {}

// Ticked does nothing.
func (Unobserved) Ticked(int, time.Duration) {}

// Finished does nothing.
func (Unobserved) Finished(int) {}

// Cancelled does nothing.
func (Unobserved) Cancelled(string) {}

// Wasted does nothing.
func (Unobserved) Wasted(time.Duration) {}

// Resumed does nothing.
func (Unobserved) Resumed() {}

// Panicked does nothing.
func (Unobserved) Panicked(any, []byte) {}
