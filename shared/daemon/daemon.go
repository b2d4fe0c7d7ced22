// Package daemon is what the daemons of all families share: their flags, and what follows from them. Reading flags and
// environment is left to the commands.
package daemon

import (
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/wire/jobs"
)

// Flags are those of a daemon, tagged for the command's parser.
type Flags struct {
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
}

// Setup is what follows from the flags.
type Setup struct {
	Server  serve.Config
	Log     *zap.Logger
	Budget  *modelstore.Budget
	Data    *dataset.Locator
	Preload []string
	Cache   string   // for copies that can be made again
	Folders []string // of models, in the order of precedence; empty names are to be left out
	Jobs    string   // of training; empty: none
}

// Setup applies the flags that concern the whole process and gives the rest as a family's service wants it.
func (f Flags) Setup(family, version string) (Setup, error) {
	log, err := serve.NewLogger(f.LogLevel)
	if err != nil {
		return Setup{}, err
	}
	tensor.SetThreads(f.Threads)
	if err := tensor.SetKernels(f.Kernels); err != nil {
		return Setup{}, err
	}
	s := Setup{
		Log: log, Budget: modelstore.NewBudget(f.Memory), Preload: f.Preload,
		Data:  &dataset.Locator{Dirs: f.Data, Offline: f.Offline},
		Cache: filepath.Join(os.TempDir(), "manifold"), Folders: []string{f.Models},
		Server: serve.Config{
			Name: family, Version: version, Listen: f.Listen, Side: f.Side, Logger: log, TraceEndpoint: f.Trace,
			PreStop: f.PreStop, Drain: f.Drain, TLS: serve.TLS{CertFile: f.TLSCert, KeyFile: f.TLSKey, CAFile: f.TLSCA},
		},
	}
	if f.Home != "" {
		s.Cache, s.Folders = filepath.Join(f.Home, "cache"), append(s.Folders, filepath.Join(f.Home, "models"))
		s.Data.Cache = filepath.Join(s.Cache, "data")
		if s.Jobs, err = jobs.DirOf(f.Home, family); err != nil {
			return Setup{}, err
		}
	}
	return s, nil
}
