package batch

import "time"

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
