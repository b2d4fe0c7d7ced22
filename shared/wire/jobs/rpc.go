package jobs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"

	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/wire"
)

const (
	maxRecipe    = 64 << 10
	maxRequestID = 128
	eventPage    = 64 // events read in one transaction
)

// CreateTrainingJob checks the recipe, stores the job and returns.
func (s *Service) CreateTrainingJob(ctx context.Context,
	req *trainingv1.CreateTrainingJobRequest) (*trainingv1.CreateTrainingJobResponse, error) {
	const op = "jobs.Create"
	if n := len(req.GetRecipe()); n == 0 || n > maxRecipe {
		return nil, fault.InvalidField(op, "recipe", "%d bytes, want 1 to %d", n, maxRecipe)
	}
	if n := len(req.GetRequestId()); n > maxRequestID {
		return nil, fault.InvalidField(op, "request_id", "%d characters, want at most %d", n, maxRequestID)
	}
	s.create.Lock()
	defer s.create.Unlock()
	if req.GetRequestId() != "" {
		r, ok, err := s.store.byRequest(req.GetRequestId())
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		if ok && r.Recipe != req.GetRecipe() {
			return nil, fault.E(fault.AlreadyExists, "REQUEST_ID_REUSED", op,
				"request_id %q made job %s from another recipe", req.GetRequestId(), r.ID)
		}
		if ok {
			return &trainingv1.CreateTrainingJobResponse{Job: r.message()}, nil
		}
	}
	steps, err := s.trainer.Plan(ctx, req.GetRecipe())
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if err := s.room(); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	r := &record{
		ID: newID(now), RequestID: req.GetRequestId(), Recipe: req.GetRecipe(), Total: steps, Created: now,
		State: trainingv1.JobState_JOB_STATE_QUEUED,
	}
	if err := s.store.add(r); err != nil {
		return nil, fault.Wrap(op, err)
	}
	s.signal()
	return &trainingv1.CreateTrainingJobResponse{Job: r.message()}, nil
}

// room refuses a job when too many wait.
func (s *Service) room() error {
	const op = "jobs.Create"
	select {
	case <-s.leaving:
		return errLeaving
	default:
	}
	all, err := s.store.list()
	if err != nil {
		return fault.Wrap(op, err)
	}
	waiting := 0
	for _, r := range all {
		if r.State == trainingv1.JobState_JOB_STATE_QUEUED {
			waiting++
		}
	}
	if waiting >= s.cfg.Queue {
		return fault.E(fault.Overloaded, "TRAINING_QUEUE_FULL", op, "%d training jobs wait already", waiting).
			After(time.Minute)
	}
	return nil
}

// newID makes an identifier that sorts by the time of creation.
func newID(now time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	return fmt.Sprintf("job-%014x-%s", now.UnixMicro(), hex.EncodeToString(b[:]))
}

// GetTrainingJob returns one job.
func (s *Service) GetTrainingJob(_ context.Context,
	req *trainingv1.GetTrainingJobRequest) (*trainingv1.GetTrainingJobResponse, error) {
	r, err := s.store.get(req.GetId())
	if err != nil {
		return nil, fault.Wrap("jobs.Get", err)
	}
	return &trainingv1.GetTrainingJobResponse{Job: r.message()}, nil
}

// ListTrainingJobs returns jobs, newest first, in pages.
func (s *Service) ListTrainingJobs(_ context.Context,
	req *trainingv1.ListTrainingJobsRequest) (*trainingv1.ListTrainingJobsResponse, error) {
	const op = "jobs.List"
	all, err := s.store.list()
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	page, next, err := wire.Page(op, all, req.GetPageSize(), req.GetPageToken(),
		func(r record) string { return r.ID }, func(a, b string) bool { return strings.Compare(a, b) > 0 })
	if err != nil {
		return nil, err
	}
	m := &trainingv1.ListTrainingJobsResponse{NextPageToken: next}
	for i := range page {
		m.Jobs = append(m.Jobs, page[i].message())
	}
	return m, nil
}

// CancelTrainingJob stops a job and returns when it has stopped. A job that ended otherwise is an error.
func (s *Service) CancelTrainingJob(ctx context.Context,
	req *trainingv1.CancelTrainingJobRequest) (*trainingv1.CancelTrainingJobResponse, error) {
	const op = "jobs.Cancel"
	r, err := s.store.get(req.GetId())
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if r.State == trainingv1.JobState_JOB_STATE_QUEUED {
		_, err := s.report(r.ID, nil, func(r *record) error {
			if r.State == trainingv1.JobState_JOB_STATE_QUEUED {
				r.State = trainingv1.JobState_JOB_STATE_CANCELLED
				r.Ended = time.Now().UTC()
			}
			return nil
		})
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
	}
	s.mu.Lock()
	cancel, ended := s.running[r.ID], s.ended[r.ID]
	s.mu.Unlock()
	if cancel != nil {
		cancel(errCancelled)
		select {
		case <-ended:
		case <-ctx.Done():
			return nil, fault.Wrap(op, ctx.Err())
		}
	}
	if r, err = s.store.get(r.ID); err != nil {
		return nil, fault.Wrap(op, err)
	}
	if r.State != trainingv1.JobState_JOB_STATE_CANCELLED {
		return nil, fault.E(fault.Precondition, "JOB_ENDED", op, "job %s has ended already", r.ID).
			With("state", r.State.String())
	}
	return &trainingv1.CancelTrainingJobResponse{Job: r.message()}, nil
}

// WatchTrainingJob streams the events after a number until the job is over.
func (s *Service) WatchTrainingJob(req *trainingv1.WatchTrainingJobRequest,
	out grpc.ServerStreamingServer[trainingv1.WatchTrainingJobResponse]) error {
	const op = "jobs.Watch"
	after := req.GetAfterSequence()
	if after < 0 {
		return fault.InvalidField(op, "after_sequence", "%d, want at least 0", after)
	}
	for {
		// Ask to be told before reading, so that nothing falls between.
		news := s.subscribe(req.GetId())
		events, r, err := s.store.events(req.GetId(), after, eventPage)
		if err != nil {
			s.unsubscribe(req.GetId(), news)
			return fault.Wrap(op, err)
		}
		for _, e := range events {
			if err := out.Send(&trainingv1.WatchTrainingJobResponse{Event: e}); err != nil {
				s.unsubscribe(req.GetId(), news)
				return err
			}
			after = e.GetSequence()
		}
		if len(events) > 0 {
			s.unsubscribe(req.GetId(), news)
			continue
		}
		if r.over() {
			s.unsubscribe(req.GetId(), news)
			return nil
		}
		select {
		case <-news:
		case <-out.Context().Done():
			s.unsubscribe(req.GetId(), news)
			return fault.Wrap(op, out.Context().Err())
		case <-s.leaving:
			s.unsubscribe(req.GetId(), news)
			return errLeaving
		}
	}
}

func (s *Service) subscribe(id string) chan struct{} {
	c := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news[id] = append(s.news[id], c)
	return c
}

func (s *Service) unsubscribe(id string, c chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.news[id]
	for i, x := range list {
		if x == c {
			list[i] = list[len(list)-1]
			list = list[:len(list)-1]
			break
		}
	}
	if len(list) == 0 {
		delete(s.news, id)
		return
	}
	s.news[id] = list
}
