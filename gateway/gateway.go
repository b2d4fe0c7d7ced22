package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/credentials"

	"github.com/manifold-gen/manifold/gateway/web"
	"github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1/diffusionv1connect"
	"github.com/manifold-gen/manifold/proto/gen/manifold/model/v1/modelv1connect"
	"github.com/manifold-gen/manifold/proto/gen/manifold/training/v1/trainingv1connect"
	"github.com/manifold-gen/manifold/shared/serve"
)

// Config is all that a gateway needs to know. The zero value of a field is its default.
type Config struct {
	// Backends maps a family to its replicas: a gRPC target (dns:///diffusion:9000), a host:port, or several
	// of them separated by commas.
	Backends map[string]string
	// FleetKey signs event ids; all gateways of a fleet share it. Empty: a random one, and streams cannot be
	// taken up again after this gateway restarts.
	FleetKey []byte
	// Keys are the API keys with their limits. Empty: the door is open, as suits loopback.
	Keys []Key
	// RequestTimeout is the deadline of requests that bring none; 0 means 10 minutes.
	RequestTimeout time.Duration
	// Backend secures the way to the services; nil means plain text.
	Backend credentials.TransportCredentials
	// Metrics are the server's instruments; nil means that nobody looks.
	Metrics *serve.Metrics
}

// Gateway is the front door. It is an http.Handler.
type Gateway struct {
	handler  http.Handler
	backends []*backend
	timeout  time.Duration
	metrics  *metrics
	gen      *generator
}

// New connects to the backends (in the background: a backend may come up later) and builds the handler.
func New(cfg Config) (*Gateway, error) {
	g := &Gateway{timeout: cfg.RequestTimeout}
	if g.timeout <= 0 {
		g.timeout = 10 * time.Minute
	}
	g.metrics = newMetrics(cfg.Metrics)
	key := cfg.FleetKey
	if len(key) == 0 {
		key = make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return nil, fmt.Errorf("drawing a fleet key: %w", err)
		}
	}
	for _, family := range families() {
		target, ok := cfg.Backends[family]
		if !ok {
			continue
		}
		b, err := dial(family, target, cfg.Backend)
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		g.backends = append(g.backends, b)
		g.gen = &generator{client: newDiffusionClient(b), fleetKey: key, metrics: g.metrics}
	}
	for family := range cfg.Backends {
		if _, ok := serviceNames[family]; !ok {
			return nil, errors.Join(fmt.Errorf("backend %q: no such family; known: %v", family, families()), g.Close())
		}
	}
	if len(g.backends) == 0 {
		return nil, errors.New("a gateway needs at least one backend, for example diffusion=127.0.0.1:9000")
	}
	doors, err := newDoors(cfg.Keys)
	if err != nil {
		return nil, errors.Join(err, g.Close())
	}
	g.handler = doors.guard(g.routes())
	return g, nil
}

// Register puts a gateway on a server: its routes, its metrics, and what is closed at the end.
func Register(s *serve.Server, cfg Config) error {
	cfg.Metrics = s.Metrics()
	g, err := New(cfg)
	if err != nil {
		return err
	}
	s.Handle(g)
	s.OnClose(g.Close)
	return nil
}

// routes lists everything that the door answers.
func (g *Gateway) routes() http.Handler {
	mux := http.NewServeMux()
	opts := connect.WithHandlerOptions(
		connect.WithReadMaxBytes(maxMessage), connect.WithInterceptors(deadline(g.timeout)))
	mux.Handle(diffusionv1connect.NewDiffusionServiceHandler(&diffusionDoor{g}, opts))
	mux.Handle(modelv1connect.NewModelServiceHandler(&modelDoor{g.backends}, opts))
	mux.Handle(trainingv1connect.NewTrainingServiceHandler(&trainingDoor{g.backends}, opts))
	mux.HandleFunc("GET /v1/models", g.openAIModels)
	mux.HandleFunc("GET /v1/models/{model}", g.openAIModel)
	mux.HandleFunc("POST /v1/images/generations", g.openAIImages)
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		writeOpenAIError(w, unknownRoute(r))
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", g.ready)
	mux.Handle("/", web.Handler())
	return mux
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.handler.ServeHTTP(w, r) }

// Close drops the connections to the backends.
func (g *Gateway) Close() error {
	var errs []error
	for _, b := range g.backends {
		errs = append(errs, b.conn.Close())
	}
	return errors.Join(errs...)
}

// Ready says whether every family has a replica that answers.
func (g *Gateway) Ready(ctx context.Context) error {
	for _, b := range g.backends {
		if err := b.ping(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gateway) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := g.Ready(ctx); err != nil {
		http.Error(w, "not ready: "+public(err).Message(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
