package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/manifold-gen/manifold/shared/serve"
)

// metrics are what the gateway counts beside what every server does; names are part of the contract.
type metrics struct {
	resumed    prometheus.Counter // manifold_resumed_streams_total
	recomputed prometheus.Counter
}

func newMetrics(m *serve.Metrics) *metrics {
	recomputed := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "manifold_recomputed_steps_total", Help: "Steps computed again after a stream was reopened.",
	})
	if m == nil {
		return &metrics{resumed: prometheus.NewCounter(prometheus.CounterOpts{Name: "resumed"}), recomputed: recomputed}
	}
	m.Registry.MustRegister(recomputed)
	return &metrics{resumed: m.ResumedStreams.WithLabelValues(m.Family()), recomputed: recomputed}
}
