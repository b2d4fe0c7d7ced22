package serve

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/stats"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/manifold-gen/manifold/shared/fault"
)

// telemetry is OpenTelemetry for one server: gRPC's own metrics on the server's Prometheus registry, and traces to a
// collector when one is configured. Nothing global is set, so several servers live in one process.
type telemetry struct {
	tracer  oteltrace.TracerProvider
	handler stats.Handler
	stop    []func(context.Context) error
}

func newTelemetry(cfg *Config, registry *prometheus.Registry) (*telemetry, error) {
	const op = "serve.New"
	res := resource.NewSchemaless(
		attribute.String("service.name", cfg.Name),
		attribute.String("service.version", cfg.Version),
	)
	reader, err := promexporter.New(promexporter.WithRegisterer(registry))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(res))
	t := &telemetry{tracer: tracenoop.NewTracerProvider(), stop: []func(context.Context) error{meter.Shutdown}}
	if cfg.TraceEndpoint != "" {
		// The exporter connects when it has something to send, so a collector that is away delays nothing.
		exporter, err := otlptracegrpc.New(context.Background(),
			otlptracegrpc.WithEndpoint(cfg.TraceEndpoint), otlptracegrpc.WithInsecure())
		if err != nil {
			return nil, fault.E(fault.Invalid, "BAD_TRACE_ENDPOINT", op, "%s: %w", cfg.TraceEndpoint, err)
		}
		provider := trace.NewTracerProvider(
			trace.WithBatcher(exporter),
			trace.WithResource(res),
			trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(cfg.TraceRatio))),
		)
		t.tracer = provider
		// The exporter is stopped by the provider, but not when that ran out of time.
		t.stop = append(t.stop, provider.Shutdown, exporter.Shutdown)
	}
	t.handler = otelgrpc.NewServerHandler(t.options(meter)...)
	return t, nil
}

func (t *telemetry) options(meter *sdkmetric.MeterProvider) []otelgrpc.Option {
	return []otelgrpc.Option{
		otelgrpc.WithTracerProvider(t.tracer),
		otelgrpc.WithMeterProvider(meter),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
		otelgrpc.WithFilter(func(info *stats.RPCTagInfo) bool { return !housekeeping(info.FullMethodName) }),
	}
}

// close flushes what is buffered, within ctx.
func (t *telemetry) close(ctx context.Context) {
	for _, stop := range t.stop {
		_ = stop(ctx) // a collector that is away must not hold up the shutdown
	}
}

// ClientHandler makes a client connection's calls children of the calls that this server serves: give it to
// grpc.NewClient with grpc.WithStatsHandler.
func (s *Server) ClientHandler() stats.Handler {
	return otelgrpc.NewClientHandler(
		otelgrpc.WithTracerProvider(s.telemetry.tracer),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
	)
}
