package engine

import (
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
