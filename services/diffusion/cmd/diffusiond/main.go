// Command diffusiond serves diffusion models over gRPC.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/tensor"
)

var version = "unknown" // set by the linker

type flags struct {
	Listen   string        `default:"127.0.0.1:9000" env:"MANIFOLD_LISTEN" help:"Address of gRPC."`
	Side     string        `default:"127.0.0.1:9465" env:"MANIFOLD_SIDE" help:"Address of metrics and probes; empty: none."`
	Home     string        `env:"MANIFOLD_HOME" type:"path" help:"Folder of models, jobs and caches; empty: no training."`
	Models   string        `env:"MANIFOLD_MODEL_STORE" type:"path" help:"Another folder of models, searched first."`
	Data     []string      `env:"MANIFOLD_DATA" type:"path" help:"Folders with local copies of data sets."`
	Offline  bool          `env:"MANIFOLD_OFFLINE" help:"Never download data sets."`
	Preload  []string      `default:"auto" env:"MANIFOLD_PRELOAD" help:"Models in memory before ready; auto: the first few."`
	Memory   int64         `env:"MANIFOLD_MODEL_MEMORY" help:"Bytes that loaded models may hold; 0: no limit."`
	Threads  int           `env:"MANIFOLD_THREADS" help:"Worker threads; 0: one per core. Never changes a result."`
	Kernels  string        `default:"auto" env:"MANIFOLD_KERNELS" help:"auto, avx512, avx2, neon or portable."`
	PreStop  time.Duration `default:"5s" env:"MANIFOLD_PRE_STOP" help:"Shutdown: time for endpoints to drain."`
	Drain    time.Duration `default:"20s" env:"MANIFOLD_DRAIN" help:"Shutdown: time for running calls."`
	Trace    string        `env:"MANIFOLD_TRACE" help:"Address of an OTLP/gRPC collector; empty: no traces."`
	LogLevel string        `default:"info" env:"MANIFOLD_LOG" help:"debug, info, warn or error."`
	TLSCert  string        `env:"MANIFOLD_TLS_CERT" help:"Certificate; with --tls-key."`
	TLSKey   string        `env:"MANIFOLD_TLS_KEY" help:"Private key."`
	TLSCA    string        `name:"tls-ca" env:"MANIFOLD_TLS_CA" help:"Roots of client certificates: mutual TLS."`

	Version kong.VersionFlag `help:"Print the version."`
}

func main() {
	var f flags
	k := kong.Parse(&f, kong.Vars{"version": version}, kong.Description("Serves diffusion models over gRPC."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.FatalIfErrorf(run(ctx, f))
}

func run(ctx context.Context, f flags) error {
	log, err := serve.NewLogger(f.LogLevel)
	if err != nil {
		return err
	}
	tensor.SetThreads(f.Threads)
	if err := tensor.SetKernels(f.Kernels); err != nil {
		return err
	}
	cfg := diffusion.Config{Budget: modelstore.NewBudget(f.Memory), Preload: f.Preload}
	cfg.Data = &dataset.Locator{Dirs: f.Data, Offline: f.Offline}
	cache, folders := filepath.Join(os.TempDir(), "manifold"), []string{f.Models}
	if f.Home != "" {
		cache, folders = filepath.Join(f.Home, "cache"), append(folders, filepath.Join(f.Home, "models"))
		cfg.Jobs, cfg.Data.Cache = filepath.Join(f.Home, "jobs"), filepath.Join(cache, "data")
	}
	if cfg.Store, err = diffusion.OpenStore(cache, folders...); err != nil {
		return err
	}
	sc := serve.Config{
		Name: "diffusion", Version: version, Listen: f.Listen, Side: f.Side, Logger: log, TraceEndpoint: f.Trace,
		PreStop: f.PreStop, Drain: f.Drain, TLS: serve.TLS{CertFile: f.TLSCert, KeyFile: f.TLSKey, CAFile: f.TLSCA},
	}
	return serve.Run(ctx, sc, func(s *serve.Server) error { return diffusion.Register(s, cfg) })
}
