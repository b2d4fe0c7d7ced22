// Command gatewayd is the front door of a fleet: one port for gRPC, gRPC-Web, Connect, OpenAI-shaped HTTP and the page.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/manifold-gen/manifold/gateway"
	"github.com/manifold-gen/manifold/shared/serve"
)

var version = "unknown" // set by the linker

type flags struct {
	Listen     string            `default:"127.0.0.1:8080" env:"MANIFOLD_LISTEN" help:"Address of the door."`
	Side       string            `default:"127.0.0.1:9464" env:"MANIFOLD_SIDE" help:"Address of metrics, probes and pprof; empty: none."`
	Backend    map[string]string `required:"" env:"MANIFOLD_BACKENDS" placeholder:"FAMILY=TARGET" mapsep:";" help:"Replicas of a family, e.g. diffusion=dns:///diffusion:9000 or diffusion=host1:9000,host2:9000."`
	FleetKey   string            `env:"MANIFOLD_FLEET_KEY_FILE" type:"existingfile" help:"File with the key that signs event ids; the same on every gateway."`
	Keys       string            `env:"MANIFOLD_KEYS_FILE" type:"existingfile" help:"File of API keys: name, SHA-256 in hex, requests per second, concurrent requests; one key a line."`
	Timeout    time.Duration     `default:"10m" env:"MANIFOLD_TIMEOUT" help:"Deadline of requests that bring none."`
	LogLevel   string            `default:"info" env:"MANIFOLD_LOG" help:"debug, info, warn or error."`
	TLSCert    string            `env:"MANIFOLD_TLS_CERT" help:"Certificate of the door; with --tls-key."`
	TLSKey     string            `env:"MANIFOLD_TLS_KEY" help:"Private key of the door."`
	BackendTLS struct {
		CA   string `env:"MANIFOLD_BACKEND_CA" help:"Roots that sign the services' certificates; switches TLS to them on."`
		Cert string `env:"MANIFOLD_BACKEND_CERT" help:"Client certificate for mutual TLS."`
		Key  string `env:"MANIFOLD_BACKEND_KEY" help:"Its private key."`
	} `embed:"" prefix:"backend-"`
	Version kong.VersionFlag `help:"Print the version."`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Name("gatewayd"), kong.Vars{"version": version}, kong.UsageOnError(),
		kong.Description("The front door of a Manifold fleet."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, "gatewayd:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	log, err := serve.NewLogger(f.LogLevel)
	if err != nil {
		return err
	}
	cfg := gateway.Config{Backends: f.Backend, RequestTimeout: f.Timeout}
	if f.FleetKey != "" {
		b, err := os.ReadFile(f.FleetKey)
		if err != nil {
			return err
		}
		cfg.FleetKey = []byte(strings.TrimSpace(string(b)))
	}
	if cfg.Keys, err = gateway.ReadKeys(f.Keys); err != nil {
		return err
	}
	if t := (serve.TLS{CAFile: f.BackendTLS.CA, CertFile: f.BackendTLS.Cert, KeyFile: f.BackendTLS.Key}); t.Enabled() {
		if cfg.Backend, err = t.Client(); err != nil {
			return err
		}
	}
	sc := serve.Config{
		Name: "gateway", Version: version, Listen: f.Listen, Side: f.Side, Logger: log,
		TLS: serve.TLS{CertFile: f.TLSCert, KeyFile: f.TLSKey},
	}
	return serve.Run(ctx, sc, func(s *serve.Server) error { return gateway.Register(s, cfg) })
}
