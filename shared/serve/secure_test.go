package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

// authority signs certificates for 127.0.0.1 into files.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = a.write(name+".pem", "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (a *authority) write(name, kind string, der []byte) string {
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

func (a *authority) sign(name string) TLS {
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return TLS{
		CertFile: a.write(name+".crt", "CERTIFICATE", der), KeyFile: a.write(name+".key", "EC PRIVATE KEY", private),
		CAFile: a.file,
	}
}

// With mutual TLS only callers with a certificate of the right authority are served; the side port stays plain.
func TestMutualTLS(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	f := &fake{get: func(context.Context) error { return nil }}
	cfg := quiet()
	cfg.TLS = ours.sign("server")
	s := running(t, cfg, f.register)
	good := ours.sign("client")
	stranger := others.sign("stranger")
	stranger.CAFile = ours.file
	for name, row := range map[string]struct {
		tls  TLS
		code codes.Code
	}{
		"right certificate": {good, codes.OK},
		"no certificate":    {TLS{CAFile: ours.file}, codes.Unavailable},
		"other authority":   {stranger, codes.Unavailable},
		"other server":      {TLS{CertFile: good.CertFile, KeyFile: good.KeyFile, CAFile: others.file}, codes.Unavailable},
	} {
		c, err := row.tls.Client()
		if err != nil {
			t.Fatal(err)
		}
		conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(c))
		if err != nil {
			t.Fatal(err)
		}
		_, err = modelv1.NewModelServiceClient(conn).GetModel(t.Context(), &modelv1.GetModelRequest{})
		if status.Code(err) != row.code {
			t.Errorf("%s: %v", name, err)
		}
		_ = conn.Close()
	}
	if code, _ := body(t, "http://"+s.SideAddr()+"/readyz"); code != http.StatusOK {
		t.Errorf("the side port says %d", code)
	}
	for name, bad := range map[string]TLS{
		"no key":     {CertFile: good.CertFile},
		"wrong key":  {CertFile: good.CertFile, KeyFile: stranger.KeyFile},
		"no roots":   {CertFile: good.CertFile, KeyFile: good.KeyFile, CAFile: good.KeyFile},
		"no CA file": {CertFile: good.CertFile, KeyFile: good.KeyFile, CAFile: "nowhere"},
	} {
		cfg := quiet()
		cfg.TLS = bad
		if _, err := New(cfg); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// running serves over TCP until the test ends.
func running(t *testing.T, cfg Config, register func(*Server) error) *Server {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := register(s); err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-s.served
	return s
}

// spans collects the names of spans.
type spans struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	names []string
}

func (c *spans) Export(_ context.Context,
	r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range r.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				c.names = append(c.names, s.GetName())
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// Spans reach a collector, at the latest when the server shuts down; housekeeping makes none.
func TestTraces(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sink, server := &spans{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(server, sink)
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	f := &fake{get: func(context.Context) error { return nil }}
	cfg := quiet()
	cfg.TraceEndpoint = l.Addr().String()
	m, err := InMemory(t.Context(), cfg, f.register)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := modelv1.NewModelServiceClient(m.Conn()).GetModel(t.Context(), &modelv1.GetModelRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	sink.mu.Lock()
	defer sink.mu.Unlock()
	if len(sink.names) != 1 || sink.names[0] != "manifold.model.v1.ModelService/GetModel" {
		t.Errorf("spans %q", sink.names)
	}
}

// A collector that is away neither fails a call nor holds up shutdown beyond its second.
func TestTracesWithoutCollector(t *testing.T) {
	f := &fake{get: func(context.Context) error { return nil }}
	cfg := quiet()
	cfg.TraceEndpoint = "127.0.0.1:1"
	m := start(t, cfg, f.register)
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(m.ClientHandler()))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if _, err := modelv1.NewModelServiceClient(m.Conn()).GetModel(t.Context(), &modelv1.GetModelRequest{}); err != nil {
		t.Fatal(err)
	}
}
