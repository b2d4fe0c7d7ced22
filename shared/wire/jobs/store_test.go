package jobs

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

func openTestStore(t *testing.T) *store {
	t.Helper()
	s, err := openStore(filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return s
}

// A job and its first event come together, so that a full disk leaves both or neither.
func TestAddStoresTheFirstEvent(t *testing.T) {
	s := openTestStore(t)
	r := &record{ID: "job-1", RequestID: "a", State: trainingv1.JobState_JOB_STATE_QUEUED}
	if err := s.add(r); err != nil {
		t.Fatal(err)
	}
	events, got, err := s.events("job-1", 0, 10)
	if err != nil || len(events) != 1 || events[0].GetSequence() != 1 || events[0].GetState() != r.State || got.Events != 1 {
		t.Errorf("%v %+v %v", events, got, err)
	}
}

func TestFullDiskIsSaid(t *testing.T) {
	s := openTestStore(t)
	err := s.commit(func(*bbolt.Tx) error { return &os.PathError{Op: "write", Path: "/x/jobs.db", Err: syscall.ENOSPC} })
	if fault.KindOf(err) != fault.Overloaded || fault.ReasonOf(err) != "DISK_FULL" {
		t.Errorf("%v", err)
	}
}

// TestDirOf: the first family keeps its place, others have one each, and jobs that an earlier daemon kept in the common
// place move with their family, unless others lie among them or a process has them open.
func TestDirOf(t *testing.T) {
	dirOf := func(home, family string) string {
		t.Helper()
		dir, err := DirOf(home, family)
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Base(dir)
	}
	// of makes a home whose common place has a job of each of the given families.
	of := func(families ...string) string {
		t.Helper()
		home := t.TempDir()
		if err := os.MkdirAll(filepath.Join(home, "jobs", runsDir, "job-0"), 0o755); err != nil {
			t.Fatal(err)
		}
		s, err := openStore(filepath.Join(home, "jobs", recordsFile))
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range families {
			if err := s.add(&record{ID: fmt.Sprint("job-", i), Recipe: "name: a\nfamily: " + f + "\n"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		return home
	}
	for _, c := range []struct {
		home, family, want string
		moved              bool
	}{
		{t.TempDir(), "diffusion", "jobs", false},
		{t.TempDir(), "vae", "jobs-vae", false},
		{of("vae", "vae"), "vae", "jobs-vae", true},
		{of("vae"), "diffusion", "jobs", false},
		{of("vae", "diffusion"), "vae", "jobs-vae", false},
		{of("diffusion"), "vae", "jobs-vae", false},
		{of(), "vae", "jobs-vae", false},
	} {
		for range 2 { // the second time nothing is left to do
			if got := dirOf(c.home, c.family); got != c.want {
				t.Errorf("%s: %s, want %s", c.family, got, c.want)
			}
		}
		if _, err := os.Stat(filepath.Join(c.home, "jobs-vae", runsDir, "job-0")); (err == nil) != c.moved {
			t.Errorf("%s: moved %v, want %v", c.family, err == nil, c.moved)
		}
	}
	home := of("vae")
	s, err := openStore(filepath.Join(home, "jobs", recordsFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := dirOf(home, "vae"); got != "jobs-vae" {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(home, "jobs", recordsFile)); err != nil {
		t.Errorf("jobs that are in use moved: %v", err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if got := dirOf(home, "vae"); got != "jobs-vae" {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(home, "jobs-vae", recordsFile)); err != nil {
		t.Errorf("jobs that are not in use did not move: %v", err)
	}
}
