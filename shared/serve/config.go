package serve

import (
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Defaults of Config. The three durations of the shutdown are what deployments must leave room for: see
// DefaultShutdown.
const (
	DefaultMaxReceive = 64 << 20 // bytes of one message in
	DefaultMaxSend    = 64 << 20 // bytes of one message out
	DefaultMaxStreams = 1024     // concurrent calls on one connection

	DefaultPreStop = 5 * time.Second  // serving on while endpoints drain
	DefaultDrain   = 20 * time.Second // finishing or handing over streams
	DefaultStop    = 3 * time.Second  // closing connections

	// DefaultShutdown is the longest that a shutdown takes with the defaults. A pod's
	// terminationGracePeriodSeconds must be longer.
	DefaultShutdown = DefaultPreStop + DefaultDrain + DefaultStop
)

// Config is everything that main decides about a server. The zero value of a field means its default.
type Config struct {
	Name    string // of the daemon, in logs and traces; required
	Family  string // label of its metrics; "" means Name
	Version string // of the build

	Listen   string       // host:port of the public port; port 0 takes a free one
	Listener net.Listener // used instead of Listen when set; Server closes it
	Side     string       // host:port of /metrics, /healthz, /readyz and pprof; "" means no side port
	SideOpen bool         // allow pprof to callers that are not on a loopback address

	TLS TLS // plaintext when empty

	MaxReceive int    // bytes of one message in; gRPC refuses larger ones before reading them
	MaxSend    int    // bytes of one message out
	MaxStreams uint32 // concurrent calls on one connection

	PreStop time.Duration // shutdown: how long to serve on after health turned NOT_SERVING; negative means 0
	Drain   time.Duration // shutdown: how long running calls may take to finish or be handed over; negative means 0
	Stop    time.Duration // shutdown: how long GracefulStop may take before Stop; negative means 0

	MaxConnectionAge      time.Duration // 0 means no limit; rebalances long-lived connections
	MaxConnectionAgeGrace time.Duration // must be longer than the longest stream; 0 means an hour

	TraceEndpoint string  // host:port of an OTLP/gRPC collector; "" means no traces
	TraceRatio    float64 // share of calls traced when the caller did not decide; 0 means 1

	Logger *zap.Logger // nil: JSON lines on standard error from level info
}

// ShutdownBudget is the longest time that a shutdown takes: PreStop + Drain + Stop with defaults filled in.
func (c Config) ShutdownBudget() time.Duration {
	c.defaults()
	return max(c.PreStop, 0) + max(c.Drain, 0) + max(c.Stop, 0)
}

func (c *Config) defaults() {
	if c.Family == "" {
		c.Family = c.Name
	}
	orDefault(&c.MaxReceive, DefaultMaxReceive)
	orDefault(&c.MaxSend, DefaultMaxSend)
	orDefault(&c.MaxStreams, DefaultMaxStreams)
	orDefault(&c.PreStop, DefaultPreStop)
	orDefault(&c.Drain, DefaultDrain)
	orDefault(&c.Stop, DefaultStop)
	orDefault(&c.MaxConnectionAgeGrace, time.Hour)
	orDefault(&c.TraceRatio, 1)
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c *Config) validate() error {
	const op = "serve.Config"
	var wrong []fault.Violation
	add := func(field, msg string) {
		wrong = append(wrong, fault.Violation{Field: field, Description: msg})
	}
	if c.Name == "" {
		add("name", "empty")
	}
	if c.Listen == "" && c.Listener == nil {
		add("listen", "empty, want host:port")
	}
	if c.MaxReceive < 1 || c.MaxReceive > 1<<30 {
		add("max_receive", "want 1 byte to 1 GiB")
	}
	if c.MaxSend < 1 || c.MaxSend > 1<<30 {
		add("max_send", "want 1 byte to 1 GiB")
	}
	if !(c.TraceRatio > 0 && c.TraceRatio <= 1) {
		add("trace_ratio", "want more than 0, at most 1")
	}
	return fault.InvalidFields(op, wrong...).AsError()
}

// NewLogger makes a logger that writes JSON lines to standard error from the given level: debug, info, warn or error.
func NewLogger(level string) (*zap.Logger, error) {
	parsed, err := zap.ParseAtomicLevel(level)
	if err != nil || level == "" {
		return nil, fault.InvalidField("serve.NewLogger", "log_level", "%.40q, want debug, info, warn or error", level)
	}
	c := zap.NewProductionConfig()
	c.Level = parsed
	c.Sampling = nil
	c.DisableStacktrace = true
	return c.Build()
}
