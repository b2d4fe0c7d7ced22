package serve

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are the instruments that every daemon has, by the names that dashboards rely on. Labels are bounded: models
// are names that exist, codes are gRPC's. The fields are for the family's own code to observe; requests are counted
// here.
type Metrics struct {
	Registry *prometheus.Registry // for further instruments of one family

	Requests        *prometheus.CounterVec   // family, model, method, code
	RequestDuration *prometheus.HistogramVec // seconds; family, method
	FirstEvent      *prometheus.HistogramVec // seconds to the first message of an answer; family, method

	QueueDepth   *prometheus.GaugeVec     // requests admitted and not started; family
	QueueWait    *prometheus.HistogramVec // seconds from admission to the first evaluation; family
	BatchSize    *prometheus.HistogramVec // rows of one forward; family
	StepDuration *prometheus.HistogramVec // seconds of one forward with what belongs to it; family

	Tokens         *prometheus.CounterVec // kind
	Samples        *prometheus.CounterVec // finished pictures, rows, vectors; family
	Cancelled      *prometheus.CounterVec // requests that ended early; at: queue, step
	WastedCompute  *prometheus.CounterVec // seconds of compute whose result nobody took; family
	ResumedStreams *prometheus.CounterVec // streams taken up from a resume state; family
	TrainingLoss   *prometheus.GaugeVec   // newest training loss; name

	family string
}

var (
	latencyBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	stepBuckets    = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}
	rowBuckets     = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}
)

// newMetrics makes the instruments on a registry of their own, so that several servers live in one process.
func newMetrics(family string) *Metrics {
	r := prometheus.NewRegistry()
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "manifold_" + name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "manifold_" + name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		o := prometheus.HistogramOpts{Name: "manifold_" + name, Help: help, Buckets: buckets}
		v := prometheus.NewHistogramVec(o, labels)
		r.MustRegister(v)
		return v
	}
	r.MustRegister(collectors.NewGoCollector())
	r.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := &Metrics{
		Registry: r,
		family:   family,

		Requests: counter("requests_total", "Calls that ended.", "family", "model", "method", "code"),
		RequestDuration: histogram("request_duration_seconds", "Time from a call's arrival to its end.",
			latencyBuckets, "family", "method"),
		FirstEvent: histogram("time_to_first_event_seconds", "Time from a call's arrival to its first message out.",
			latencyBuckets, "family", "method"),
		QueueDepth: gauge("queue_depth", "Requests admitted and not yet started.", "family"),
		QueueWait: histogram("queue_wait_seconds", "Time from admission to the first evaluation.",
			latencyBuckets, "family"),
		BatchSize: histogram("batch_size", "Rows of one forward pass.", rowBuckets, "family"),
		StepDuration: histogram("step_duration_seconds", "Time of one forward pass and what belongs to it.",
			stepBuckets, "family"),
		Tokens:    counter("tokens_total", "Tokens taken in and given out.", "kind"),
		Samples:   counter("samples_total", "Finished samples.", "family"),
		Cancelled: counter("cancelled_total", "Requests that ended early, by where they stood.", "family", "at"),
		WastedCompute: counter("wasted_compute_seconds_total", "Compute whose result nobody took.",
			"family"),
		ResumedStreams: counter("resumed_streams_total", "Streams taken up from a resume state.", "family"),
		TrainingLoss:   gauge("training_loss", "Newest training loss.", "family", "name"),
	}
	m.zero()
	return m
}

// zero makes the series of this family appear before anything has happened, so that rates start from 0.
func (m *Metrics) zero() {
	m.QueueDepth.WithLabelValues(m.family)
	m.QueueWait.WithLabelValues(m.family)
	m.BatchSize.WithLabelValues(m.family)
	m.StepDuration.WithLabelValues(m.family)
	m.Samples.WithLabelValues(m.family)
	m.Cancelled.WithLabelValues(m.family, "queue")
	m.Cancelled.WithLabelValues(m.family, "step")
	m.WastedCompute.WithLabelValues(m.family)
	m.ResumedStreams.WithLabelValues(m.family)
}

// ModelMemory reports manifold_model_memory_bytes, by model, from read, which is called at every scrape and returns
// the bytes that each loaded model holds. It may be called once.
func (m *Metrics) ModelMemory(read func() map[string]int64) {
	m.Registry.MustRegister(&modelMemory{
		read: read,
		desc: prometheus.NewDesc("manifold_model_memory_bytes", "Memory that a loaded model holds.", []string{"model"},
			prometheus.Labels{"family": m.family}),
	})
}

// modelMemory is a collector, because models come and go without telling.
type modelMemory struct {
	read func() map[string]int64
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *modelMemory) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect implements prometheus.Collector.
func (c *modelMemory) Collect(out chan<- prometheus.Metric) {
	for model, bytes := range c.read() {
		out <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(bytes), model)
	}
}

// request counts a call that ended.
func (m *Metrics) request(c *call, code string, took time.Duration) {
	m.Requests.WithLabelValues(m.family, c.modelLabel(), c.method, code).Inc()
	m.RequestDuration.WithLabelValues(m.family, c.method).Observe(took.Seconds())
	if first := c.first.Load(); first > 0 {
		m.FirstEvent.WithLabelValues(m.family, c.method).Observe(time.Duration(first).Seconds())
	}
}

// Family is the value of the label family.
func (m *Metrics) Family() string { return m.family }
