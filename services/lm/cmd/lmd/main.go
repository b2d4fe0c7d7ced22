// Command lmd serves language models over gRPC.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/manifold-gen/manifold/services/lm"
	"github.com/manifold-gen/manifold/shared/daemon"
	"github.com/manifold-gen/manifold/shared/serve"
)

var version = "unknown" // set by the linker

type flags struct {
	daemon.Flags

	Version kong.VersionFlag `help:"Print the version."`
}

func main() {
	var f flags
	k := kong.Parse(&f, kong.Vars{"version": version},
		kong.Description("Serves language models over gRPC."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.FatalIfErrorf(run(ctx, f.Flags))
}

func run(ctx context.Context, f daemon.Flags) error {
	s, err := f.Setup(lm.Family, version)
	if err != nil {
		return err
	}
	store, err := lm.OpenStore(s.Cache, s.Folders...)
	if err != nil {
		return err
	}
	cfg := lm.Config{Store: store, Budget: s.Budget, Preload: s.Preload, Data: s.Data, Jobs: s.Jobs}
	return serve.Run(ctx, s.Server, func(srv *serve.Server) error { return lm.Register(srv, cfg) })
}
