// Command manifold is the one binary for a laptop: it serves, trains, generates and measures.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/manifold-gen/manifold/manifold/internal/cli"
)

var version = "unknown" // set by the linker

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := cli.Main(ctx, os.Args[1:], version)
	stop()
	os.Exit(code)
}
