package evaluate

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// TestDigestsElsewhere computes the digests of the packages beside this one as the compiler makes them for GOAMD64=v3
// and on an emulated arm64.
func TestDigestsElsewhere(t *testing.T) {
	if runtime.GOARCH != "amd64" || testing.Short() {
		return
	}
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		if os.Getenv("MANIFOLD_REQUIRE_QEMU") == "1" {
			t.Fatal(err)
		}
		t.Skip("no qemu-aarch64-static; set MANIFOLD_REQUIRE_QEMU=1 to require it")
	}
	for _, target := range []struct {
		name, env string
		run       []string
	}{{"amd64 v3", "GOAMD64=v3", nil}, {"arm64", "GOARCH=arm64", []string{qemu}}} {
		// One build of all, because they share what they are made of.
		dir := t.TempDir()
		build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", dir+string(filepath.Separator),
			"../markov", "../hmm", "../tagger", "../rules")
		build.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0", target.env)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", target.name, err, out)
		}
		for _, pkg := range []string{"markov", "hmm", "tagger", "rules"} {
			bin := filepath.Join(dir, pkg+".test")
			args := append(target.run[:len(target.run):len(target.run)], bin, "-test.run", "^TestDigest$")
			run := exec.CommandContext(t.Context(), args[0], args[1:]...)
			run.Dir = filepath.Join("..", pkg)
			if out, err := run.CombinedOutput(); err != nil {
				t.Errorf("%s, %s: %v\n%s", target.name, pkg, err, out)
			}
		}
	}
}
