package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asManifold makes the test's own program be manifold, for tests of whole processes. It names a file that is written
// when the process minds signals.
const asManifold = "MANIFOLD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asManifold) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	if err := os.WriteFile(os.Getenv(asManifold), nil, 0o644); err != nil {
		panic(err)
	}
	context.AfterFunc(ctx, stop)
	os.Exit(Main(ctx, os.Args[1:], "test"))
}

// program is a process of manifold with its folders elsewhere.
func program(t *testing.T, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	c = exec.CommandContext(ctx, os.Args[0], append([]string{"bench"}, args...)...)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	c.Env = append(os.Environ(), asManifold+"="+filepath.Join(t.TempDir(), "started"), "MANIFOLD_HOME="+t.TempDir(), "MANIFOLD_OFFLINE=1",
		"XDG_CACHE_HOME="+t.TempDir(), "TMPDIR="+t.TempDir())
	c.Stdout, c.Stderr = stdout, stderr
	return c, stdout, stderr
}

// start starts a process and waits until it has begun to measure, or is about to.
func start(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for _, v := range c.Env {
		if name, ok := strings.CutPrefix(v, asManifold+"="); ok {
			for _, err := os.Stat(name); err != nil; _, err = os.Stat(name) {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
	time.Sleep(300 * time.Millisecond) // any moment will do
}

// refused checks that a process ended with a code and a sentence.
func refused(t *testing.T, c *exec.Cmd, stderr *bytes.Buffer, code int, sentence string) {
	t.Helper()
	err := c.Run()
	if got := c.ProcessState.ExitCode(); got != code || !strings.Contains(stderr.String(), sentence) {
		t.Errorf("%q ended with %d (%v) and %q, want %d and %q", c.Args[1:], got, err, stderr, code, sentence)
	}
	if strings.Contains(stderr.String(), "goroutine ") {
		t.Errorf("%q panicked: %s", c.Args[1:], stderr)
	}
}

const smallNetwork = "product/f32/16x384x1536"

func TestBenchRefuses(t *testing.T) {
	for _, c := range []struct {
		args     string
		code     int
		sentence string
	}{
		{"kernels no-such-kernel", 1, "no kernel is named like"},
		{"accuracy no-such-network", 1, "no network is named like"},
		{"model no/such/network", 1, "manifold bench list shows them"},
		{"model no-such-model", 1, "manifold bench list shows them"},
		{"model mnist --turns-from-stdin", 1, "names 0 networks"},
		{"model product --turns-from-stdin", 1, "wants one"},
		{"train no-such-recipe", 1, "manifold bench list shows them"},
		{"no-such-bench", 2, "unexpected argument"},
		{"kernels gemm --samples 0", 2, "--samples 0: want at least 1"},
		{"kernels gemm --samples=-1", 2, "--samples -1: want at least 1"},
		{"kernels gemm --samples many", 2, "samples"},
		{"model mnist --batches 0", 2, "--batches 0: want at least 1"},
		{"model mnist --batches=1,-4", 2, "--batches -4: want at least 1"},
		{"model mnist --batches 1000000", 1, "want sizes of 1 to 4096"},
		{"model " + smallNetwork + " --samples 0", 2, "--samples 0: want at least 1"},
		{"model " + smallNetwork + " --turns-from-stdin --turn 0s", 2, "--turn 0s: want at least 1ms"},
		{"model " + smallNetwork + " --turns-from-stdin --turn=-1s", 2, "want at least 1ms"},
		{"model " + smallNetwork + " --turns-from-stdin --out x.json", 2, "takes no --out"},
		{"train vae-784-400-20 --samples 0", 2, "--samples 0: want at least 1"},
		{"train recipe.yaml --steps 0", 2, "--steps 0: want at least 1"},
		{"sharing --seconds 0", 2, "--seconds 0: want 0.1 to 3600"},
		{"sharing --seconds NaN", 2, "want 0.1 to 3600"},
		{"sharing --samples=-7", 2, "--samples -7: want at least 1"},
	} {
		p, out, stderr := program(t, strings.Fields(c.args)...)
		refused(t, p, stderr, c.code, c.sentence)
		if out.Len() > 0 && c.code == 1 {
			t.Errorf("%s printed %q", c.args, out)
		}
	}
}

// TestBenchUnwritable checks that a place that takes no report is named before anything is measured, or at the latest
// when it is full, and that what was there stays.
func TestBenchUnwritable(t *testing.T) {
	dir := t.TempDir()
	for _, verb := range []string{"kernels", "model mnist", "model " + smallNetwork, "limits", "sharing"} {
		for out, sentence := range map[string]string{
			dir: "is a folder",
			filepath.Join(dir, "no", "such", "folder.json"): "no such file or directory",
		} {
			p, _, stderr := program(t, append(strings.Fields(verb), "--out", out)...)
			refused(t, p, stderr, 1, sentence)
		}
	}
	file := filepath.Join(dir, "report.json")
	p, out, stderr := program(t, "model", smallNetwork, "--samples", "1", "--out", file)
	if err := p.Run(); err != nil || !strings.Contains(out.String(), smallNetwork) {
		t.Fatal(err, out, stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil || !bytes.HasSuffix(text, []byte("}\n")) || !bytes.Contains(text, []byte(smallNetwork)) {
		t.Errorf("%s, %v", text, err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no device that is always full")
	}
	defer full.Close()
	p, _, stderr = program(t, "model", smallNetwork, "--samples", "1", "--out", "/dev/full")
	refused(t, p, stderr, 1, "/dev/full cannot be written: no space left on device")
	for _, flag := range []string{"--json", "--samples=1"} { // a report, and a table
		p, _, stderr = program(t, "model", smallNetwork, "--samples", "1", flag)
		p.Stdout = full
		refused(t, p, stderr, 1, "standard output cannot be written: no space left")
	}
}

// TestBenchFewWords checks standard input that ends at once, and lines that ask for turns.
func TestBenchFewWords(t *testing.T) {
	p, _, stderr := program(t, "model", smallNetwork, "--turns-from-stdin", "--turn", "1ms")
	refused(t, p, stderr, 1, "standard input ended before its first line")
	p, out, stderr := program(t, "model", smallNetwork, "--turns-from-stdin", "--turn", "1ms")
	p.Stdin = strings.NewReader("\n\n")
	if err := p.Run(); err != nil || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%v, %q, %s", err, out, stderr)
	}
	p, _, stderr = program(t, "model", smallNetwork, "--turns-from-stdin", "--turn", "1ms")
	p.Stdin = strings.NewReader(strings.Repeat("x", 1<<20))
	refused(t, p, stderr, 1, "reading standard input")
}

// TestBenchInterrupted checks that an interrupt ends every measurement soon, that an old report stays, and that nothing
// is left behind.
func TestBenchInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("processes here send no interrupts")
	}
	recipe := filepath.Join(t.TempDir(), "recipe.yaml")
	if err := os.WriteFile(recipe, []byte(evalRecipe), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"kernels --samples 100000",
		"model " + smallNetwork + " --samples 100000",
		"model mnist --samples 100000",
		"train vae-784-400-20 --samples 100000",
		"train " + recipe + " --steps 100000",
		"sharing --seconds 600",
		"model " + smallNetwork + " --turns-from-stdin",
	} {
		dir := t.TempDir()
		report := filepath.Join(dir, "report.json")
		if err := os.WriteFile(report, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		p, out, stderr := program(t, strings.Fields(args)...)
		if turns := strings.Contains(args, "--turns"); !turns {
			p.Args = append(p.Args, "--out", report)
		}
		in, w, err := os.Pipe() // which says nothing
		if err != nil {
			t.Fatal(err)
		}
		p.Stdin = in
		p.Env = append(p.Env, "TMPDIR="+dir)
		start(t, p)
		begun := time.Now()
		if err := p.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		err = p.Wait()
		in.Close()
		w.Close()
		if p.ProcessState.ExitCode() != 130 || !strings.Contains(stderr.String(), "manifold: stopped") {
			t.Errorf("%s ended with %v and %q", args, err, stderr)
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("%s took %v to end", args, took)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 1 {
			t.Errorf("%s left %v, %v", args, left, err)
		}
		if text, err := os.ReadFile(report); string(text) != "old" {
			t.Errorf("%s: the old report became %q, %v; printed %q", args, text, err, out)
		}
	}
}

// TestBenchKilled checks that the processes of a measurement end with the one that started them.
func TestBenchKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes here outlive the one that started them until their measurement ends")
	}
	p, _, stderr := program(t, "sharing", "--seconds", "600")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p.Stderr = w // children have it too: it ends when all have ended
	start(t, p)
	w.Close()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := stderr.ReadFrom(r); err != nil {
		t.Errorf("a measuring process goes on without its parent: %v", err)
	}
}

func TestOutput(t *testing.T) {
	full := &output{Writer: failing{syscall.ENOSPC}}
	if err := full.failure(nil); err != nil {
		t.Error(err)
	}
	_, err := full.Write([]byte("x"))
	if got := full.failure(nil); got == nil || !strings.Contains(got.Error(), "no space left") {
		t.Error(got)
	}
	if got := full.failure(err); !strings.Contains(got.Error(), "standard output cannot be written") {
		t.Error(got)
	}
	if other := errors.New("other"); !errors.Is(full.failure(other), other) {
		t.Error("another failure was hidden")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
