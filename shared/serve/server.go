package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Server is one daemon. Register services on it (it is a grpc.ServiceRegistrar), say with the On functions what it
// shall do at which time, then call Run once.
type Server struct {
	cfg       Config
	log       *zap.Logger
	metrics   *Metrics
	telemetry *telemetry
	grpc      *grpc.Server
	health    *health.Server
	gate      *gate
	ready     atomic.Bool
	served    chan struct{} // closed when the server has become ready
	exposed   []*Metrics    // of other servers in this process, shown on the side port too

	watches      context.Context //nolint:containedctx // ends when health watches are to be closed
	closeWatches context.CancelFunc

	handler  http.Handler // serves the public port instead of gRPC when set
	http     *http.Server
	listener net.Listener
	side     *sidePort

	warm     []func(context.Context) error
	handOver []func()
	onClose  []func() error
}

// New makes a server and opens nothing yet.
func New(cfg Config) (*Server, error) {
	cfg.defaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		l, err := NewLogger("info")
		if err != nil {
			return nil, err
		}
		cfg.Logger = l
	}
	s := &Server{cfg: cfg, log: cfg.Logger.With(zap.String("service", cfg.Name)), metrics: newMetrics(cfg.Family)}
	t, err := newTelemetry(&cfg, s.metrics.Registry)
	if err != nil {
		return nil, err
	}
	s.telemetry = t
	s.gate = newGate()
	s.served = make(chan struct{})
	s.watches, s.closeWatches = context.WithCancel(context.Background())
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(cfg.MaxReceive),
		grpc.MaxSendMsgSize(cfg.MaxSend),
		grpc.MaxConcurrentStreams(cfg.MaxStreams),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
		grpc.StatsHandler(t.handler),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge:      cfg.MaxConnectionAge,
			MaxConnectionAgeGrace: cfg.MaxConnectionAgeGrace,
			Time:                  30 * time.Second, // a client whose host vanished is noticed within Time + Timeout
			Timeout:               10 * time.Second,
		}),
	}
	if cfg.TLS.Enabled() {
		c, err := cfg.TLS.Server()
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.Creds(credentials.NewTLS(c)))
	}
	s.grpc = grpc.NewServer(options...)
	s.health = health.NewServer()
	s.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(s.grpc, s.health)
	return s, nil
}

// RegisterService puts a gRPC service on the server, before Run. Its health is NOT_SERVING until the warm-up is over.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.grpc.RegisterService(desc, impl)
	s.health.SetServingStatus(desc.ServiceName, healthpb.HealthCheckResponse_NOT_SERVING)
}

// Handle makes the public port serve HTTP/1.1 and HTTP/2 by h instead of gRPC, before Run: the gateway's door. Calls
// get request ids, metrics, recovery and the same order of shutdown.
func (s *Server) Handle(h http.Handler) { s.handler = h }

// OnWarm adds what must succeed before the server is ready, in the order of the calls.
func (s *Server) OnWarm(f func(context.Context) error) { s.warm = append(s.warm, f) }

// OnHandOver adds what is told, when shutdown refuses new calls, to end or hand over the calls that run. It must not
// block.
func (s *Server) OnHandOver(f func()) { s.handOver = append(s.handOver, f) }

// OnClose adds what is closed after the last call, in reverse order of the calls.
func (s *Server) OnClose(f func() error) { s.onClose = append(s.onClose, f) }

// Metrics are the server's instruments.
func (s *Server) Metrics() *Metrics { return s.metrics }

// Logger is the server's logger.
func (s *Server) Logger() *zap.Logger { return s.log }

// Config is the configuration with defaults filled in.
func (s *Server) Config() Config { return s.cfg }

// Served is closed when the warm-up is over. It stays closed during shutdown, unlike Ready.
func (s *Server) Served() <-chan struct{} { return s.served }

// Expose shows the instruments of another server in this process on this one's side port too, before Listen.
func (s *Server) Expose(m *Metrics) { s.exposed = append(s.exposed, m) }

// Ready says whether the warm-up is over and shutdown has not begun.
func (s *Server) Ready() bool { return s.ready.Load() }

// Listen opens the ports, so that Addr and SideAddr are known before Run; Run calls it when nobody has.
func (s *Server) Listen() error {
	if s.listener != nil {
		return nil
	}
	l := s.cfg.Listener
	if l == nil {
		var err error
		l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", s.cfg.Listen)
		if err != nil {
			return fault.E(fault.Unavailable, "PORT_TAKEN", "serve.Listen", "port %s: %w", s.cfg.Listen, err)
		}
	}
	if s.cfg.Side != "" {
		side, err := s.listenSide()
		if err != nil {
			_ = l.Close()
			return err
		}
		s.side = side
	}
	s.listener = l
	return nil
}

// Addr is the public port's address after Listen.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// SideAddr is the side port's address after Listen, or "".
func (s *Server) SideAddr() string {
	if s.side == nil {
		return ""
	}
	return s.side.listener.Addr().String()
}

// Run serves until ctx ends, then shuts down in order; see shutdown. It returns nil after an orderly shutdown, and an
// error when a port could not be opened, the warm-up failed or the listener broke.
func (s *Server) Run(ctx context.Context) error {
	begun := time.Now()
	if err := s.Listen(); err != nil {
		return errors.Join(err, s.release())
	}
	if s.handler != nil {
		s.http = s.newHTTP()
	} else {
		reflection.Register(s.grpc)
	}
	broken := make(chan error, 1)
	go func() { broken <- s.serve() }()
	s.log.Info("listening", zap.String("addr", s.Addr()), zap.String("side", s.SideAddr()))
	warm := make(chan error, 1)
	warmCtx, stopWarm := context.WithCancel(ctx)
	defer stopWarm()
	go func() { warm <- s.warmUp(warmCtx) }()
	var err error
	select {
	case err = <-warm:
		if err == nil {
			s.setReady(true)
			close(s.served)
			s.log.Info("ready", zap.Duration("after", time.Since(begun)))
			select {
			case <-ctx.Done():
			case err = <-broken:
			}
		} else if ctx.Err() != nil {
			err = nil // asked to stop while warming up
		}
	case err = <-broken:
		stopWarm()
		if werr := <-warm; werr != nil {
			s.log.Warn("the warm-up was cut off", zap.Error(werr)) // the broken listener is the error to report
		}
	}
	s.shutdown(err == nil)
	return errors.Join(fault.Wrap("serve.Run", err), s.release())
}

// serve blocks until the public port is closed.
func (s *Server) serve() error {
	if s.handler != nil {
		return s.serveHTTP()
	}
	return s.grpc.Serve(s.listener)
}

func (s *Server) warmUp(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault.E(fault.Internal, "PANIC", "serve.Warm", "panic in the warm-up: %v", r)
		}
	}()
	for _, f := range s.warm {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) setReady(ready bool) {
	s.ready.Store(ready)
	state := healthpb.HealthCheckResponse_NOT_SERVING
	if ready {
		state = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", state)
	for name := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(name, state)
	}
}

// release closes what the server owns besides its public port.
func (s *Server) release() error {
	var errs []error
	for i := len(s.onClose) - 1; i >= 0; i-- {
		errs = append(errs, s.onClose[i]())
	}
	if s.side != nil {
		s.side.close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.telemetry.close(ctx)
	_ = s.log.Sync() // standard error cannot be synced everywhere
	return errors.Join(errs...)
}

// Run makes a server, lets register put services on it, and runs it until ctx ends.
func Run(ctx context.Context, cfg Config, register func(*Server) error) error {
	s, err := New(cfg)
	if err != nil {
		return err
	}
	if err := register(s); err != nil {
		return errors.Join(err, s.release())
	}
	return s.Run(ctx)
}
