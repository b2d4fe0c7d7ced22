package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// cross is a manifold binary for arm64 and the emulator that runs it.
func cross(t *testing.T) []string {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the emulated leg is for amd64 machines")
	}
	emulator, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		if os.Getenv("MANIFOLD_REQUIRE_QEMU") != "" {
			t.Fatal("qemu-aarch64-static is missing: install qemu-user-static")
		}
		t.Skip("no qemu-aarch64-static: the arm64 leg is not run")
	}
	path := filepath.Join(t.TempDir(), "manifold-arm64")
	cmd := exec.Command("go", "build", "-o", path, "github.com/manifold-gen/manifold/manifold/cmd/manifold")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return []string{emulator, path}
}

// command runs the command line and returns what it printed.
func command(t *testing.T, home string, prefix []string, args ...string) string {
	t.Helper()
	all := append(prefix[1:len(prefix):len(prefix)], args...)
	cmd := exec.Command(prefix[0], all...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "XDG_DATA_HOME="+filepath.Join(home, "data"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("manifold %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func readAll(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.png"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pictures in %s: %v", dir, err)
	}
	m := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m[filepath.Base(f)] = string(b)
	}
	return m
}

// TestSameBytesEverywhere trains a tiny model and draws with it: on every kernel set of this CPU, with 1, 2 and 8
// threads, and on an emulated arm64. Model digests and picture files are the same, and picture i of a large request is
// picture i of a small one.
func TestSameBytesEverywhere(t *testing.T) {
	recipe := filepath.Join(t.TempDir(), "tiny.yaml")
	if err := os.WriteFile(recipe, []byte(tiny), 0o600); err != nil {
		t.Fatal(err)
	}
	native := []string{binary(t, "manifold")}
	type leg struct {
		name   string
		prefix []string
		flags  []string
	}
	legs := []leg{
		{"native, 1 thread", native, []string{"--threads", "1"}},
		{"native, 2 threads", native, []string{"--threads", "2"}},
		{"native, 8 threads", native, []string{"--threads", "8"}},
	}
	var doctor []struct{ Name, Detail string }
	if err := json.Unmarshal([]byte(command(t, t.TempDir(), native, "doctor", "--json")), &doctor); err != nil {
		t.Fatal(err)
	}
	for _, c := range doctor {
		if _, list, ok := strings.Cut(c.Detail, "in use, of "); c.Name == "kernels" && ok {
			for _, k := range strings.Split(strings.TrimSpace(strings.SplitN(list, ";", 2)[0]), ", ") {
				legs = append(legs, leg{"kernels " + k, native, []string{"--kernels", k}})
			}
		}
	}
	if len(legs) < 5 {
		t.Fatalf("kernel sets were not found in %v", doctor)
	}
	legs = append(legs, leg{"arm64 neon", cross(t), []string{"--kernels", "neon"}})

	home := t.TempDir()
	command(t, home, native, "train", recipe)
	models := filepath.Join(home, "data", "manifold", "models")
	var digest string
	var pictures map[string]string
	for _, l := range legs {
		home := t.TempDir()
		var m struct{ Digest string }
		out := command(t, home, l.prefix, append(l.flags, "--json", "train", recipe)...)
		if err := json.Unmarshal([]byte(out), &m); err != nil || m.Digest == "" {
			t.Fatalf("%s: %v in %s", l.name, err, out)
		}
		draw := func(n string) map[string]string {
			dir := filepath.Join(home, "of-"+n)
			command(t, home, l.prefix, append(l.flags, "--models", models, "generate", "diffusion", "--model", "tiny",
				"--class", "1,0", "--steps", "8", "--eta", "1", "--guidance", "1.5", "--seed", "7", "--n", n,
				"--out", filepath.Join(home, "grid.png"), "--out-dir", dir)...)
			return readAll(t, dir)
		}
		got := draw("7")
		if pictures == nil {
			digest, pictures = m.Digest, got
		}
		if m.Digest != digest {
			t.Errorf("%s: training gives %s, with %s %s", l.name, m.Digest, legs[0].name, digest)
		}
		for f, b := range pictures {
			if got[f] != b {
				t.Errorf("%s: %s has other bytes than with %s", l.name, f, legs[0].name)
			}
		}
		for f, b := range draw("2") {
			if got[f] != b {
				t.Errorf("%s: %s of a request for 2 differs from the one of a request for 7", l.name, f)
			}
		}
	}
}

// tiny is a recipe whose network takes under 1 MF a picture, so that portable Go and an emulator can follow.
const tiny = `
name: tiny
seed: 3
data: {name: glyphs, train: 64, select: 8}
model: {patch_size: 2, channels: [4, 8], blocks: 1, heads: 1, time_dim: 16, groups: 2}
train: {steps: 4, batch: 8, micro: 4, learning_rate: 0.001, ema: 0.9, seed: 3}
preview: {count: 1, steps: 2}
`
