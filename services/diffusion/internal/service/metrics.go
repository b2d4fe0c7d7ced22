package service

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/manifold-gen/manifold/shared/serve"
)

// Observer puts what one model's engine does into the server's metrics and log.
type Observer struct {
	Metrics *serve.Metrics
	Log     *zap.Logger
}

// Queued sets the depth of the queue.
func (o Observer) Queued(depth int) {
	o.Metrics.QueueDepth.WithLabelValues(o.Metrics.Family()).Set(float64(depth))
}

// Waited observes a wait.
func (o Observer) Waited(d time.Duration) {
	o.Metrics.QueueWait.WithLabelValues(o.Metrics.Family()).Observe(d.Seconds())
}

// Ticked observes a forward pass.
func (o Observer) Ticked(rows int, took time.Duration) {
	o.Metrics.BatchSize.WithLabelValues(o.Metrics.Family()).Observe(float64(rows))
	o.Metrics.StepDuration.WithLabelValues(o.Metrics.Family()).Observe(took.Seconds())
}

// Finished counts pictures.
func (o Observer) Finished(pictures int) {
	o.Metrics.Samples.WithLabelValues(o.Metrics.Family()).Add(float64(pictures))
}

// Cancelled counts a request that ended early.
func (o Observer) Cancelled(at string) {
	o.Metrics.Cancelled.WithLabelValues(o.Metrics.Family(), at).Inc()
}

// Wasted counts compute that nobody takes.
func (o Observer) Wasted(d time.Duration) {
	o.Metrics.WastedCompute.WithLabelValues(o.Metrics.Family()).Add(d.Seconds())
}

// Resumed counts a stream that goes on here.
func (o Observer) Resumed() {
	o.Metrics.ResumedStreams.WithLabelValues(o.Metrics.Family()).Inc()
}

// Panicked logs a panic with its stack.
func (o Observer) Panicked(value any, stack []byte) {
	o.Log.Error("panic in the engine", zap.String("panic", fmt.Sprint(value)), zap.ByteString("stack", stack))
}
