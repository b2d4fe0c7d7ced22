package jobs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/train"
	"github.com/manifold-gen/manifold/shared/wire"
)

const (
	runsDir     = "runs"
	recordsFile = "jobs.db"
)

// eventInterval is the least time between two reports of mere progress: more would only wear the disk.
const eventInterval = 200 * time.Millisecond

// requeue puts what was running back among the waiting.
func (s *Service) requeue() error {
	all, err := s.store.list()
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.State != trainingv1.JobState_JOB_STATE_RUNNING {
			continue
		}
		_, err := s.store.update(r.ID, &trainingv1.TrainingEvent{Step: r.Step}, func(r *record) error {
			r.State = trainingv1.JobState_JOB_STATE_QUEUED
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.signal()
	return nil
}

func (s *Service) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run is the runner: it takes the oldest waiting job until the service is closed.
func (s *Service) run() {
	defer close(s.done)
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		}
		for s.ctx.Err() == nil {
			id := s.next()
			if id == "" {
				break
			}
			s.runJob(id)
		}
	}
}

// next is the oldest waiting job, or "".
func (s *Service) next() string {
	all, err := s.store.list()
	if err != nil {
		s.log.Error("reading jobs", zap.Error(err))
		return ""
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].State == trainingv1.JobState_JOB_STATE_QUEUED {
			return all[i].ID
		}
	}
	return ""
}

// runJob trains one job to its end.
func (s *Service) runJob(id string) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	s.mu.Lock()
	s.running[id], s.ended[id] = cancel, ended
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.running, id)
		delete(s.ended, id)
		s.mu.Unlock()
		close(ended)
	}()
	r, err := s.report(id, &trainingv1.TrainingEvent{}, func(r *record) error {
		if r.State != trainingv1.JobState_JOB_STATE_QUEUED {
			return errors.New("cancelled while it waited")
		}
		r.State = trainingv1.JobState_JOB_STATE_RUNNING
		return nil
	})
	if err != nil {
		return
	}
	s.log.Info("training", zap.String("job", id))
	model, err := s.train(ctx, r)
	if err != nil && s.ctx.Err() != nil {
		return // shutting down: the record still says RUNNING, and the next Open takes the job up
	}
	s.finish(id, model, err, context.Cause(ctx))
}

// train calls the trainer; a panic in it fails the job alone.
func (s *Service) train(ctx context.Context, r record) (model string, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in training", zap.String("job", r.ID), zap.String("panic", fmt.Sprint(p)),
				zap.ByteString("stack", debug.Stack()))
			err = fault.E(fault.Internal, "PANIC", "jobs", "training failed; the server's log has it under job %s", r.ID)
		}
	}()
	var last time.Time
	var count stepCount
	return s.trainer.Train(ctx, r.Recipe, filepath.Join(s.cfg.Dir, runsDir, r.ID), func(e train.Event) {
		if s.cfg.Loss != nil {
			for name, v := range e.Losses {
				s.cfg.Loss(name, v)
			}
		}
		if e.Kind == train.Stepped && time.Since(last) < eventInterval && e.Step < e.Steps {
			return
		}
		last = time.Now()
		if e.Err != nil {
			s.log.Warn("training", zap.String("job", r.ID), zap.Error(e.Err))
		}
		m, err := wire.TrainingEvent(e)
		if err == nil {
			_, err = s.report(r.ID, m, func(r *record) error {
				r.Step, r.Total = count.of(e, r.Total)
				return nil
			})
		}
		if err != nil {
			s.log.Error("storing a training event", zap.String("job", r.ID), zap.Error(err))
		}
	})
}

// stepCount adds the steps of stages up to those of a job. The events of stages that were done before this start come
// again, so that it needs no memory.
type stepCount struct {
	stage, steps int   // of the stage that runs
	before       int64 // steps of the stages before it
}

// of is what a job has done and has to do at an event. planned is the number of steps in all as far as it was known.
func (c *stepCount) of(e train.Event, planned int64) (step, total int64) {
	if e.Stages == 0 {
		return int64(e.Step), int64(e.Steps)
	}
	if e.StageIndex != c.stage {
		c.before += int64(c.steps)
	}
	c.stage, c.steps = e.StageIndex, e.Steps
	return c.before + int64(e.Step), max(planned, c.before+int64(e.Steps))
}

// finish writes down how a job ended.
func (s *Service) finish(id, model string, err, cause error) {
	_, werr := s.report(id, nil, func(r *record) error {
		r.Ended = time.Now().UTC()
		switch {
		case err == nil:
			r.State, r.Model = trainingv1.JobState_JOB_STATE_SUCCEEDED, model
		case errors.Is(cause, errCancelled):
			r.State = trainingv1.JobState_JOB_STATE_CANCELLED
		default:
			r.State, r.Error = trainingv1.JobState_JOB_STATE_FAILED, serve.Status(err).Message()
		}
		return nil
	})
	s.log.Info("training ended", zap.String("job", id), zap.String("model", model), zap.NamedError("failure", err))
	if werr != nil {
		s.log.Error("storing the end of a job", zap.String("job", id), zap.Error(werr))
	}
}

// report changes a record, appends an event and tells the watchers. A nil event stands for one that says the state.
func (s *Service) report(id string, e *trainingv1.TrainingEvent, change func(*record) error) (record, error) {
	if e == nil {
		e = &trainingv1.TrainingEvent{}
	}
	r, err := s.store.update(id, e, func(r *record) error {
		err := change(r)
		if e.Step == 0 {
			e.Step = r.Step
		}
		return err
	})
	if err != nil {
		return r, err
	}
	s.mu.Lock()
	waiting := s.news[id]
	delete(s.news, id)
	s.mu.Unlock()
	for _, c := range waiting {
		close(c)
	}
	return r, nil
}
