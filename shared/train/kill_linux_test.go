package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// The tests below run themselves again as a child process, told by these variables what to do.
const (
	childDir   = "MANIFOLD_TRAIN_TEST_DIR"
	childKill  = "MANIFOLD_TRAIN_TEST_KILL_AT"
	childLimit = "MANIFOLD_TRAIN_TEST_FILE_LIMIT"
)

func child(t *testing.T, test, dir string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), append(env, childDir+"="+dir)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestKillNine kills runs with SIGKILL in the midst of seeded micro-batches, several times each, and compares the
// ends with that of a run that was left alone.
func TestKillNine(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		var at int
		fmt.Sscan(os.Getenv(childKill), &at)
		task := &killing{toy: newToy(), at: at}
		mustRun(t, dir, task, toyConfig(), nil)
		return
	}
	whole := mustRun(t, t.TempDir(), newToy(), toyConfig(), nil)
	want, err := os.ReadFile(whole.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 3 {
		dir := t.TempDir()
		for range 2 {
			at := 1 + r.IntN(100) // of 120 micro-batches
			_, err := child(t, "TestKillNine", dir, fmt.Sprintf("%s=%d", childKill, at))
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
				t.Logf("run %d was killed in micro-batch %d; checkpoints %q", i, at, checkpoints(dir))
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		out, err := child(t, "TestKillNine", dir)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got, err := os.ReadFile(filepath.Join(dir, stepFile(60)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("run %d ends with other bytes than one that was not killed", i)
		}
	}
}

// TestDiskFull lets checkpoints hit the kernel's limit on file sizes, as a full disk would refuse them.
func TestDiskFull(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		diskFullChild(t, dir)
		return
	}
	dir := t.TempDir()
	out, err := child(t, "TestDiskFull", dir, childLimit+"=1")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The checkpoint from before the limit is whole, and without the limit the run comes to its usual end.
	if got := checkpoints(dir); len(got) != 1 || got[0] != stepFile(10) {
		t.Errorf("checkpoints %q, want that of step 10 alone", got)
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) != 0 {
		t.Errorf("temporary files are left: %q", left)
	}
	res := mustRun(t, dir, newToy(), toyConfig(), nil)
	want := mustRun(t, t.TempDir(), newToy(), toyConfig(), nil)
	if !bytes.Equal(encode(t, res.Weights), encode(t, want.Weights)) {
		t.Error("the resumed run ends with other weights")
	}
}

func diskFullChild(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := func(n uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max}); err != nil {
			t.Error(err)
		}
	}
	var warnings []error
	res, err := Run(context.Background(), dir, newToy(), toyConfig(), func(e Event) {
		switch {
		case e.Kind == Checkpoint && e.Step == 10:
			limit(64)
		case e.Kind == Warning:
			warnings = append(warnings, e.Err)
		}
	})
	limit(old.Cur)
	// Training went on through the failed checkpoints 20 to 60, and the result is not lost.
	wantFault(t, err, fault.Unavailable, "last checkpoint could not be written")
	if res == nil || res.Steps != 60 || len(res.Weights) == 0 {
		t.Fatalf("the result is %+v", res)
	}
	failed := 0
	for _, w := range warnings {
		if fault.ReasonOf(w) == "CHECKPOINT_NOT_WRITTEN" && strings.Contains(w.Error(), stepFile(20)[:5]) {
			failed++
		}
		if strings.Contains(w.Error(), dir) {
			t.Errorf("the warning shows the directory: %v", w)
		}
	}
	if failed != 5 {
		t.Errorf("%d checkpoints failed, want 5: %v", failed, warnings)
	}
}

// killing kills its own process in the midst of micro-batch number at, counted from 1 in this process.
type killing struct {
	*toy
	at, count int
}

func (k *killing) Loss(t *autograd.Tape, b Batch) (*autograd.Value, error) {
	k.count++
	if k.count == k.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return k.toy.Loss(t, b)
}

// TestKillNineStages kills a run in stages, whose tasks have a state, and compares the ends.
func TestKillNineStages(t *testing.T) {
	var opened []string
	if dir := os.Getenv(childDir); dir != "" {
		var at int
		fmt.Sscan(os.Getenv(childKill), &at)
		_, err := Stages(context.Background(), dir, stages(&opened, func(stage int, task Task) Task {
			if stage == 1 {
				return &killingChain{task.(*chained), at}
			}
			return task
		}), nil)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	whole := t.TempDir()
	if _, err := Stages(context.Background(), whole, stages(&opened, plain), nil); err != nil {
		t.Fatal(err)
	}
	for _, kills := range [][]int{{3}, {61}, {50, 30}} {
		dir := t.TempDir()
		for _, at := range kills {
			_, err := child(t, "TestKillNineStages", dir, fmt.Sprintf("%s=%d", childKill, at))
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the run was not killed in micro-batch %d: %v", at, err)
			}
		}
		if out, err := child(t, "TestKillNineStages", dir); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for i := range 3 {
			name := filepath.Join(stageDir(i, fmt.Sprintf("layer %d", i+1)), stepFile(60))
			want, err := os.ReadFile(filepath.Join(whole, name))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("killed at %v, %s has other bytes than that of a run that was not (%v)", kills, name, err)
			}
		}
	}
}

// killingChain kills its own process in the midst of a micro-batch, whose number it counts down to 0.
type killingChain struct {
	*chained
	at int
}

func (k *killingChain) Loss(t *autograd.Tape, b Batch) (*autograd.Value, error) {
	if k.at--; k.at == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return k.chained.Loss(t, b)
}
