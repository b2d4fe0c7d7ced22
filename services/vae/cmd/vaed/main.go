// Command vaed serves energy and latent-variable models over gRPC.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/manifold-gen/manifold/services/vae"
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
		kong.Description("Serves energy and latent-variable models over gRPC."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.FatalIfErrorf(run(ctx, f.Flags))
}

func run(ctx context.Context, f daemon.Flags) error {
	s, err := f.Setup(vae.Family, version)
	if err != nil {
		return err
	}
	store, err := vae.OpenStore(s.Cache, s.Folders...)
	if err != nil {
		return err
	}
	cfg := vae.Config{Store: store, Budget: s.Budget, Preload: s.Preload, Data: s.Data, Jobs: s.Jobs}
	return serve.Run(ctx, s.Server, func(srv *serve.Server) error { return vae.Register(srv, cfg) })
}
