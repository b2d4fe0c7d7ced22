package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/credentials"

	"github.com/manifold-gen/manifold/gateway/web"
	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
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
	fleetKey []byte
	images   *resumable[*diffusionv1.GenerateRequest, diffusionv1.GenerateResponse] // nil without diffusion
	lm       *lmDoor                                                                // nil without lm
}

// New connects to the backends (in the background: a backend may come up later) and builds the handler.
func New(cfg Config) (*Gateway, error) {
	g := &Gateway{timeout: cfg.RequestTimeout}
	if g.timeout <= 0 {
		g.timeout = 10 * time.Minute
	}
	g.metrics = newMetrics(cfg.Metrics)
	g.fleetKey = cfg.FleetKey
	if len(g.fleetKey) == 0 {
		g.fleetKey = make([]byte, 32)
		if _, err := rand.Read(g.fleetKey); err != nil {
			return nil, fmt.Errorf("drawing a fleet key: %w", err)
		}
	}
	for _, f := range families {
		target, ok := cfg.Backends[f.name]
		if !ok {
			continue
		}
		b, err := dial(f, target, cfg.Backend)
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		g.backends = append(g.backends, b)
	}
	for name := range cfg.Backends {
		if _, ok := findFamily(name); !ok {
			return nil, errors.Join(fmt.Errorf("backend %q: no such family; known: %s", name,
				strings.Join(familyNames(), ", ")), g.Close())
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
	for _, f := range families {
		b, err := g.backend(f.name)
		if err != nil {
			mux.Handle("/"+f.service+"/", g.absent(f.name))
			continue
		}
		mux.Handle(f.mount(g, b, opts))
	}
	mux.Handle(modelv1connect.NewModelServiceHandler(&modelDoor{g.backends}, opts))
	mux.Handle(trainingv1connect.NewTrainingServiceHandler(&trainingDoor{g}, opts))
	mux.HandleFunc("GET /v1/models", g.openAIModels)
	mux.HandleFunc("GET /v1/models/{model}", g.openAIModel)
	mux.HandleFunc("POST /v1/images/generations", g.openAIImages)
	mux.HandleFunc("POST /v1/completions", g.openAICompletions)
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

// Ready says whether any family has a replica that answers: one that does not must not hide the others.
func (g *Gateway) Ready(ctx context.Context) error {
	_, err := g.silent(ctx)
	return err
}

// silent names the families that do not answer, with an error where none does.
func (g *Gateway) silent(ctx context.Context) (silent []string, err error) {
	errs := make([]error, len(g.backends))
	var wg sync.WaitGroup
	for i, b := range g.backends {
		wg.Go(func() { errs[i] = b.ping(ctx) })
	}
	wg.Wait()
	for i, b := range g.backends {
		if errs[i] != nil {
			silent, err = append(silent, b.family), errs[i]
		}
	}
	if len(silent) < len(g.backends) {
		err = nil
	}
	return silent, err
}

func (g *Gateway) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	silent, err := g.silent(ctx)
	if err != nil {
		http.Error(w, "not ready: "+public(err).Message(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
	if len(silent) > 0 {
		fmt.Fprintln(w, "no answer from: "+strings.Join(silent, ", "))
	}
}
