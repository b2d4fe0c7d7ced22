package jobs

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

// record is what is kept of a job.
type record struct {
	ID        string              `json:"id"`
	RequestID string              `json:"request_id,omitempty"`
	Recipe    string              `json:"recipe"`
	State     trainingv1.JobState `json:"state"`
	Step      int64               `json:"step"`
	Total     int64               `json:"total"`
	Created   time.Time           `json:"created"`
	Ended     time.Time           `json:"ended,omitzero"`
	Error     string              `json:"error,omitempty"`
	Model     string              `json:"model,omitempty"`
	Events    int64               `json:"events"` // number of the last event
}

// over says whether the job has reached its end.
func (r *record) over() bool {
	return r.State == trainingv1.JobState_JOB_STATE_SUCCEEDED ||
		r.State == trainingv1.JobState_JOB_STATE_FAILED ||
		r.State == trainingv1.JobState_JOB_STATE_CANCELLED
}

func (r *record) message() *trainingv1.TrainingJob {
	m := &trainingv1.TrainingJob{
		Id: r.ID, State: r.State, Recipe: r.Recipe, Step: r.Step, TotalSteps: r.Total,
		CreateTime: timestamppb.New(r.Created), Error: r.Error, Model: r.Model,
	}
	if !r.Ended.IsZero() {
		m.EndTime = timestamppb.New(r.Ended)
	}
	return m
}

// store keeps records and events in one bbolt file: every change is on the disk when a call returns.
type store struct{ db *bbolt.DB }

var (
	jobsBucket     = []byte("jobs")     // id -> record as JSON
	requestsBucket = []byte("requests") // request_id -> id
	eventsBucket   = []byte("events")   // id -> bucket of sequence (8 bytes, big-endian) -> TrainingEvent
)

func openStore(path string) (*store, error) {
	const op = "jobs.Open"
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fault.E(fault.Precondition, "DATA_DIR_IN_USE", op, "another process keeps its jobs in this directory")
	}
	if err != nil {
		return nil, fault.E(fault.Corrupt, "BAD_JOB_STORE", op, "the records of jobs cannot be opened: %w", bare(err))
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, b := range [][]byte{jobsBucket, requestsBucket, eventsBucket} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		_ = db.Close()
		return nil, fault.Wrap(op, err)
	}
	return &store{db}, nil
}

func (s *store) close() error { return s.db.Close() }

// get returns a job, or an error of kind NotFound.
func (s *store) get(id string) (record, error) {
	var r record
	err := s.db.View(func(tx *bbolt.Tx) error { return read(tx, id, &r) })
	return r, err
}

func read(tx *bbolt.Tx, id string, r *record) error {
	b := tx.Bucket(jobsBucket).Get([]byte(id))
	if b == nil {
		return fault.E(fault.NotFound, "JOB_NOT_FOUND", "jobs", "no training job %.80q", id)
	}
	return json.Unmarshal(b, r)
}

func write(tx *bbolt.Tx, r *record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Bucket(jobsBucket).Put([]byte(r.ID), b)
}

// byRequest returns the job that a request_id made.
func (s *store) byRequest(requestID string) (r record, ok bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		id := tx.Bucket(requestsBucket).Get([]byte(requestID))
		if id == nil {
			return nil
		}
		ok = true
		return read(tx, string(id), &r)
	})
	return r, ok, err
}

// commit changes the file, in one transaction.
func (s *store) commit(change func(*bbolt.Tx) error) error {
	err := s.db.Update(change)
	if errors.Is(err, syscall.ENOSPC) {
		return fault.E(fault.Overloaded, "DISK_FULL", "jobs", "the disk for the records of jobs is full").
			After(time.Minute)
	}
	return err
}

// add stores a new job and its first event, both or neither.
func (s *store) add(r *record) error {
	return s.commit(func(tx *bbolt.Tx) error {
		if r.RequestID != "" {
			if err := tx.Bucket(requestsBucket).Put([]byte(r.RequestID), []byte(r.ID)); err != nil {
				return err
			}
		}
		if err := appendEvent(tx, r, &trainingv1.TrainingEvent{}); err != nil {
			return err
		}
		return write(tx, r)
	})
}

// appendEvent gives an event the next number and the job's state, and stores it.
func appendEvent(tx *bbolt.Tx, r *record, e *trainingv1.TrainingEvent) error {
	r.Events++
	e.Sequence = r.Events
	e.State = r.State
	b, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	bucket, err := tx.Bucket(eventsBucket).CreateBucketIfNotExists([]byte(r.ID))
	if err != nil {
		return err
	}
	return bucket.Put(sequence(e.Sequence), b)
}

// list returns all jobs, newest first.
func (s *store) list() ([]record, error) {
	var all []record
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(jobsBucket).ForEach(func(_, b []byte) error {
			var r record
			if err := json.Unmarshal(b, &r); err != nil {
				return err
			}
			all = append(all, r)
			return nil
		})
	})
	slices.Reverse(all) // identifiers begin with the time of creation
	return all, err
}

// update changes a job and appends an event, in one transaction. change may refuse by an error. The event gets the
// next number and the job's state; a nil one appends nothing.
func (s *store) update(id string, e *trainingv1.TrainingEvent, change func(*record) error) (record, error) {
	var r record
	err := s.commit(func(tx *bbolt.Tx) error {
		if err := read(tx, id, &r); err != nil {
			return err
		}
		if err := change(&r); err != nil {
			return err
		}
		if e != nil {
			if err := appendEvent(tx, &r, e); err != nil {
				return err
			}
		}
		return write(tx, &r)
	})
	return r, err
}

// events returns up to limit events after a number, and the job as it is at that moment.
func (s *store) events(id string, after int64, limit int) ([]*trainingv1.TrainingEvent, record, error) {
	var all []*trainingv1.TrainingEvent
	var r record
	err := s.db.View(func(tx *bbolt.Tx) error {
		if err := read(tx, id, &r); err != nil {
			return err
		}
		bucket := tx.Bucket(eventsBucket).Bucket([]byte(id))
		if bucket == nil {
			return nil
		}
		c := bucket.Cursor()
		for k, b := c.Seek(sequence(after + 1)); k != nil && len(all) < limit; k, b = c.Next() {
			e := new(trainingv1.TrainingEvent)
			if err := proto.Unmarshal(b, e); err != nil {
				return err
			}
			all = append(all, e)
		}
		return nil
	})
	return all, r, err
}

func sequence(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
