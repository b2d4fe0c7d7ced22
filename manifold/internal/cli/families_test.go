package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/manifold-gen/manifold/shared/serve"
)

func TestFamilies(t *testing.T) {
	seen := map[string]string{}
	for _, f := range families {
		for _, name := range f.recipes() {
			if seen[name] != "" {
				t.Errorf("%s and %s have a recipe %s each", seen[name], f.name, name)
			}
			seen[name] = f.name
			text, ok := builtIn(name)
			if !ok {
				t.Fatalf("there is no recipe %s", name)
			}
			got, err := familyOf(text)
			if err != nil || got.name != f.name {
				t.Errorf("the recipe %s of %s is for %s, %v", name, f.name, got.name, err)
			}
		}
		if !strings.Contains(f.try, "%s") {
			t.Errorf("%s: nothing to try", f.name)
		}
	}
	if f, err := familyOf([]byte("name: a")); err != nil || f.name != "diffusion" {
		t.Errorf("a recipe without a family is for %s, %v", f.name, err)
	}
	if _, err := familyOf([]byte("family: gun")); err == nil || !strings.Contains(err.Error(), familyNames()) {
		t.Errorf("a family that is none: %v", err)
	}
	if !slices.Contains(recipeNames(), "mnist") {
		t.Errorf("the recipes are %q", recipeNames())
	}
}

// TestUpWithTwoFamilies starts the diffusion services under two names.
func TestUpWithTwoFamilies(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	before := families
	t.Cleanup(func() { families = before })
	twin := families[0]
	twin.name = "twin"
	families = []family{families[0], twin}
	var out bytes.Buffer
	g := &Globals{Home: t.TempDir(), err: &out}
	store, err := g.store()
	if err != nil {
		t.Fatal(err)
	}
	up := func() []*serve.Server {
		base := serve.Config{Logger: zap.NewNop(), PreStop: -1}
		servers, backends, err := upCmd{}.families(g, base, familyConfig{store: store})
		if err != nil {
			t.Fatal(err)
		}
		if len(servers) != 2 || len(backends) != 2 || backends["diffusion"] == backends["twin"] {
			t.Errorf("%d servers at %v", len(servers), backends)
		}
		return servers
	}
	down := func(servers []*serve.Server) {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		for _, s := range servers {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		}
	}
	first := up()
	for _, dir := range []string{"jobs", "jobs-twin"} {
		if _, err := os.Stat(filepath.Join(g.Home, dir, "jobs.db")); err != nil {
			t.Error(err)
		}
	}
	if out.Len() != 0 {
		t.Errorf("said %q", out.String())
	}
	second := up()
	if n := strings.Count(out.String(), "without training"); n != 1 {
		t.Errorf("a second one says %q", out.String())
	}
	down(second)
	down(first)
}

func TestPreloads(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	store, err := (&Globals{Home: t.TempDir()}).store()
	if err != nil {
		t.Fatal(err)
	}
	all, err := preloads(store, []string{"mnist", "auto"})
	if err != nil || !slices.Equal(all["diffusion"], []string{"mnist", "auto"}) || len(all) != len(families) {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := preloads(store, []string{"none"}); err == nil {
		t.Error("a model that there is not was taken")
	}
}
