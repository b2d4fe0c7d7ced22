package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"

	"github.com/manifold-gen/manifold/shared/fault"
)

// sidePort serves /metrics, /healthz, /readyz and pprof in plaintext, for probes and scrapers inside the cluster.
type sidePort struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
}

// listenSide opens the side port and serves it at once, so that probes see a process that is alive but not ready.
func (s *Server) listenSide() (*sidePort, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", s.cfg.Side)
	if err != nil {
		return nil, fault.E(fault.Unavailable, "PORT_TAKEN", "serve.Listen", "side port %s: %w", s.cfg.Side, err)
	}
	p := &sidePort{listener: l, done: make(chan struct{})}
	p.server = &http.Server{Handler: s.sideHandler(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(p.done)
		if err := p.server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("side port", zap.Error(err))
		}
	}()
	return p, nil
}

func (p *sidePort) close() {
	_ = p.server.Close()
	<-p.done
}

func (s *Server) sideHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.gatherer(), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", Healthz)
	mux.HandleFunc("GET /readyz", s.Readyz)
	mux.Handle("/debug/pprof/", s.private(http.HandlerFunc(pprof.Index)))
	mux.Handle("/debug/pprof/cmdline", s.private(http.HandlerFunc(pprof.Cmdline)))
	mux.Handle("/debug/pprof/profile", s.private(http.HandlerFunc(pprof.Profile)))
	mux.Handle("/debug/pprof/symbol", s.private(http.HandlerFunc(pprof.Symbol)))
	mux.Handle("/debug/pprof/trace", s.private(http.HandlerFunc(pprof.Trace)))
	return mux
}

// gatherer is the server's registry and those exposed with it. What describes the process itself comes from the
// server's own alone; of the others all series get the label family, so that those of two families differ.
func (s *Server) gatherer() prometheus.Gatherer {
	all := prometheus.Gatherers{s.metrics.Registry}
	for _, m := range s.exposed {
		all = append(all, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			families, err := m.Registry.Gather()
			for _, f := range families {
				for _, x := range f.GetMetric() {
					label(x, "family", m.family)
				}
			}
			return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool {
				return !strings.HasPrefix(f.GetName(), "manifold_") && !strings.HasPrefix(f.GetName(), "rpc_")
			}), err
		}))
	}
	return all
}

// label adds a label to a series that does not have it, in the order of names.
func label(m *dto.Metric, name, value string) {
	at, has := slices.BinarySearchFunc(m.GetLabel(), name, func(l *dto.LabelPair, name string) int {
		return strings.Compare(l.GetName(), name)
	})
	if !has {
		m.Label = slices.Insert(slices.Clone(m.GetLabel()), at, &dto.LabelPair{Name: &name, Value: &value})
	}
}

// Healthz answers 200 as long as the process can answer at all.
func Healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the prober may have left
}

// Readyz answers 200 while the server is ready for requests, and 503 before the warm-up and during shutdown.
func (s *Server) Readyz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !s.ready.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("not ready\n"))
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

// private keeps pprof for callers on the same host, unless the configuration opens it.
func (s *Server) private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		ip := net.ParseIP(host)
		if !s.cfg.SideOpen && (err != nil || ip == nil || !ip.IsLoopback()) {
			http.Error(w, "profiles are for callers on this host", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
