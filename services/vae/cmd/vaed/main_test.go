package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/manifold-gen/manifold/shared/daemon"
	"github.com/manifold-gen/manifold/shared/fault"
)

// The arguments in the manifest for Kubernetes are ones that the daemon takes.
func TestManifestArguments(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "deploy", "k8s", "base", "vae", "deployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, m := range regexp.MustCompile(`(?m)^\s+- (--\S+)$`).FindAllSubmatch(text, -1) {
		args = append(args, string(m[1]))
	}
	var f flags
	p, err := kong.New(&f, kong.Vars{"version": "test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Parse(args); err != nil || len(args) == 0 || f.Listen != ":9000" {
		t.Errorf("%q: %v, listening on %q", args, err, f.Listen)
	}
}

func TestBadFlags(t *testing.T) {
	for name, f := range map[string]daemon.Flags{
		"log level": {LogLevel: "loud"},
		"kernels":   {LogLevel: "error", Kernels: "abacus"},
		"preload":   {LogLevel: "error", Kernels: "auto", Listen: "127.0.0.1:0", Preload: []string{"nope"}, PreStop: -1},
		"TLS":       {LogLevel: "error", Kernels: "auto", Listen: "127.0.0.1:0", TLSCert: "nowhere"},
	} {
		f.Home = t.TempDir()
		if err := run(t.Context(), f); err == nil || fault.KindOf(err) == fault.None {
			t.Errorf("%s: %v", name, err)
		}
	}
}
