package serve

import (
	"fmt"
	"time"

	"go.uber.org/zap"
)

// Observer puts what one model's engine does into the server's metrics and log. It is a batch.Observer.
type Observer struct {
	metrics *Metrics
	log     *zap.Logger
}

// Observer is that of the engines on this server.
func (s *Server) Observer() Observer { return Observer{metrics: s.metrics, log: s.log} }

// Queued sets the depth of the queue.
func (o Observer) Queued(depth int) {
	o.metrics.QueueDepth.WithLabelValues(o.metrics.family).Set(float64(depth))
}

// Waited observes a wait.
func (o Observer) Waited(d time.Duration) {
	o.metrics.QueueWait.WithLabelValues(o.metrics.family).Observe(d.Seconds())
}

// Ticked observes a forward pass.
func (o Observer) Ticked(rows int, took time.Duration) {
	o.metrics.BatchSize.WithLabelValues(o.metrics.family).Observe(float64(rows))
	o.metrics.StepDuration.WithLabelValues(o.metrics.family).Observe(took.Seconds())
}

// Finished counts samples.
func (o Observer) Finished(samples int) {
	o.metrics.Samples.WithLabelValues(o.metrics.family).Add(float64(samples))
}

// Cancelled counts a request that ended early.
func (o Observer) Cancelled(at string) {
	o.metrics.Cancelled.WithLabelValues(o.metrics.family, at).Inc()
}

// Wasted counts compute that nobody takes.
func (o Observer) Wasted(d time.Duration) {
	o.metrics.WastedCompute.WithLabelValues(o.metrics.family).Add(d.Seconds())
}

// Resumed counts a stream that goes on here.
func (o Observer) Resumed() { o.metrics.ResumedStreams.WithLabelValues(o.metrics.family).Inc() }

// Panicked logs a panic with its stack.
func (o Observer) Panicked(value any, stack []byte) {
	o.log.Error("panic in the engine", zap.String("panic", fmt.Sprint(value)), zap.ByteString("stack", stack))
}
