package engine

import (
	"time"

	"github.com/manifold-gen/manifold/shared/batch"
)

// Stream is the reading end of a request. The loop writes to it and never waits for the reader.
type Stream = batch.Stream[Event]

// Event is one thing that happened to a request: exactly one field is set.
type Event struct {
	Step    *StepDone
	Preview *Preview
	State   *State
	Result  *Result
}

// StepDone reports a denoising step of all pictures.
type StepDone struct {
	Step     int           // steps done, from 1
	Timestep float64       // training timestep at which it began
	Noise    float64       // sigma/alpha that is left
	Took     time.Duration // since the step before
}

// Preview shows all pictures after a step.
type Preview struct {
	Step int
	Pix  [][]byte // one per picture, H*W*C
}

// PreviewBytes implements batch.Event.
func (e Event) PreviewBytes() int {
	if e.Preview == nil {
		return 0
	}
	n := 0
	for _, pix := range e.Preview.Pix {
		n += len(pix)
	}
	return n
}

// IsState implements batch.Event.
func (e Event) IsState() bool { return e.State != nil }

// State is what another replica needs to go on.
type State struct {
	Step       int
	Evaluation int      // evaluations done
	Pictures   [][]byte // sampler.State of each, marshalled
}

// Result is the end of a request.
type Result struct {
	Pix         [][]byte // one per picture, H*W*C
	Queue       time.Duration
	Compute     time.Duration
	Total       time.Duration
	Steps       int // done here
	Evaluations int // done here
}
