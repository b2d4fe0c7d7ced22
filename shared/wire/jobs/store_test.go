package jobs

import (
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
