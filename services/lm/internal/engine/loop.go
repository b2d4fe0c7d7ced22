package engine

import (
	"io"
	"math"
	"slices"
	"time"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/batch"
	"github.com/manifold-gen/manifold/shared/fault"
)

const (
	pendingTokens = 1024                  // events that wait for a slow reader before its request sits out
	lookAgain     = 20 * time.Millisecond // after all requests sat out
	roundOff      = 1e-6                  // by which a logarithm of a probability may exceed 0
)

// loop is the state of the one goroutine that computes. Its buffers are kept from pass to pass.
type loop struct {
	e      *Engine
	active []*job // take turns; the first one is the first in the next pass
	nudge  chan struct{}

	wants    []batch.Want
	counts   []int
	due      []*continuation
	owners   []*job
	contexts []model.Context
	feeds    [][]int32
	rows     [][]float64
	buffers  [][]float64
}

// wake makes an idle loop look around.
func (l *loop) wake() {
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}

// row is buffer i for the probabilities of all tokens.
func (l *loop) row(i int) []float64 {
	for len(l.buffers) <= i {
		l.buffers = append(l.buffers, make([]float64, l.e.model.Tokens().Size()))
	}
	return l.buffers[i]
}

// check looks for what cannot be logarithms of probabilities.
func (l *loop) check(nats []float64) error {
	for _, v := range nats {
		if math.IsNaN(v) || v > roundOff {
			return fault.E(fault.Internal, "NOT_FINITE", "engine", "the model %s gave something that is no probability: %v",
				l.e.name, v)
		}
	}
	return nil
}

// warm asks for the first token of a text.
func (l *loop) warm() error {
	var err error
	caught := l.guard(func() {
		err = l.e.model.Step([]model.Context{l.e.model.Open()}, [][]int32{nil}, [][]float64{l.row(0)})
	})
	if caught != nil {
		return caught
	}
	if err != nil {
		return err
	}
	return l.check(l.row(0))
}

func (l *loop) guard(f func()) error { return batch.Guard(l.e.cfg.Observer, l.e.name, f) }

// run makes passes while there is work and sleeps while there is none.
func (e *Engine) run() {
	defer close(e.done)
	l := &e.loop
	again := time.NewTimer(lookAgain)
	defer again.Stop()
	for {
		select {
		case <-e.stop:
			l.shut()
			return
		default:
		}
		l.reap()
		l.admit()
		if e.draining.Load() {
			l.handOver()
		}
		if l.pass() {
			continue
		}
		var slow <-chan time.Time
		if len(l.active) > 0 { // readers that catch up do not say so
			again.Reset(lookAgain)
			slow = again.C
		}
		select {
		case <-e.stop:
		case <-e.queue.Ready():
		case <-l.nudge:
		case <-slow:
		}
	}
}

// reap ends the jobs whose callers are gone or out of time.
func (l *loop) reap() {
	l.active = slices.DeleteFunc(l.active, func(j *job) bool {
		if j.ctx.Err() == nil {
			return false
		}
		l.fail(j, fault.Wrap("engine", j.ctx.Err()), "step")
		return true
	})
	for _, j := range l.e.queue.Items() {
		if j.ctx.Err() != nil && l.e.queue.Remove(j) {
			l.fail(j, fault.Wrap("engine", j.ctx.Err()), "queue")
		}
	}
}

// admit moves what waits among the active ones; the queue's bound holds for both, so that memory is bounded.
func (l *loop) admit() {
	for len(l.active) < l.e.cfg.Queue {
		j, ok := l.e.queue.Pop(nil)
		if !ok {
			break
		}
		l.active = append(l.active, j)
		j.begun = time.Now()
		l.e.cfg.Observer.Waited(j.begun.Sub(j.admitted))
		l.e.cfg.Observer.Queued(l.e.queue.Len())
	}
}

// pass gives one token to as many continuations as fit, each request getting a turn before any gets a second, and takes
// texts to be scored a chunk further. It says whether there was any work.
func (l *loop) pass() bool {
	begun := time.Now()
	l.wants, l.due, l.owners = l.wants[:0], l.due[:0], l.owners[:0]
	jobs := slices.Clone(l.active)
	for _, j := range jobs {
		w := batch.Want{Count: 1, Rows: 1}
		if j.generation != nil {
			if j.stream.Pending() >= pendingTokens {
				w.Count = 0
			} else {
				w.Rows = max(1, len(j.generation.due(nil)))
			}
		}
		l.wants = append(l.wants, w)
	}
	l.counts = slices.Grow(l.counts[:0], len(jobs))[:len(jobs)]
	rows := batch.Choose(l.counts, l.wants, l.e.cfg.MaxRows)
	if rows == 0 {
		return false
	}
	errs := make([]error, len(jobs))
	for i, j := range jobs {
		switch {
		case l.counts[i] == 0:
		case j.scoring != nil:
			if caught := l.guard(func() { errs[i] = l.score(j) }); caught != nil {
				errs[i] = caught
			}
		default:
			at := len(l.due)
			l.due = j.generation.due(l.due)
			for range l.due[at:] {
				l.owners = append(l.owners, j)
			}
		}
	}
	stepped := l.generate()
	took := time.Since(begun)
	l.e.cfg.Observer.Ticked(rows, took)
	for i, j := range jobs {
		if l.counts[i] == 0 {
			continue
		}
		j.compute += took
		j.share += took * time.Duration(l.wants[i].Rows) / time.Duration(rows)
		err := errs[i]
		if j.generation != nil {
			err = stepped
		}
		l.advance(j, err)
	}
	if len(l.active) > 1 { // the first one of this pass is the last of the next
		l.active = append(l.active[1:], l.active[0])
	}
	return true
}

// generate asks the model for the probabilities of the next tokens of all that are due.
func (l *loop) generate() error {
	if len(l.due) == 0 {
		return nil
	}
	l.contexts, l.feeds, l.rows = l.contexts[:0], l.feeds[:0], l.rows[:0]
	for i, c := range l.due {
		l.contexts, l.feeds = append(l.contexts, c.context), append(l.feeds, c.feed)
		l.rows = append(l.rows, l.row(i))
	}
	var err error
	if caught := l.guard(func() { err = l.e.model.Step(l.contexts, l.feeds, l.rows) }); caught != nil {
		return caught
	}
	return err
}

// advance takes a job past a pass and ends it where that was the last.
func (l *loop) advance(j *job, err error) {
	over := false
	switch {
	case err != nil:
	case j.scoring != nil:
		if over = j.scoring.at == len(j.scoring.tokens); over {
			j.ended = time.Now()
		}
	default:
		for i, c := range l.due {
			if l.owners[i] == j && err == nil {
				err = l.next(j, c, l.rows[i])
			}
		}
		if r, ended := j.generation.result(j); err == nil && ended {
			over = true
			l.e.cfg.Observer.Finished(len(r.Continuations))
			j.stream.Push(Event{Result: r})
		}
	}
	switch {
	case err != nil:
		l.fail(j, err, "step")
	case over:
		l.end(j, nil)
	default:
		return
	}
	if i := slices.Index(l.active, j); i >= 0 {
		l.active = slices.Delete(l.active, i, i+1)
	}
}

// fail ends a job early.
func (l *loop) fail(j *job, err error, at string) {
	if k := fault.KindOf(err); k == fault.Cancelled || k == fault.Deadline {
		l.e.cfg.Observer.Cancelled(at)
	}
	if j.share > 0 {
		l.e.cfg.Observer.Wasted(j.share)
	}
	l.end(j, err)
}

// end tells whoever waits, and forgets the job.
func (l *loop) end(j *job, err error) {
	l.e.forget(j)
	if j.stream != nil {
		if err == nil {
			err = io.EOF
		}
		j.stream.End(err)
	} else {
		j.err = err
		close(j.done)
	}
	l.e.cfg.Observer.Queued(l.e.queue.Len())
}

// handOver ends the generations that another replica can go on with.
func (l *loop) handOver() {
	gone := fault.E(fault.Unavailable, "HANDED_OVER", "engine", "this replica is shutting down; another one goes on")
	for _, j := range l.e.queue.Items() {
		if j.generation != nil && j.generation.HandOver && l.e.queue.Remove(j) {
			l.end(j, gone)
		}
	}
	l.active = slices.DeleteFunc(l.active, func(j *job) bool {
		if j.generation == nil || !j.generation.HandOver {
			return false
		}
		l.end(j, gone)
		return true
	})
}

// shut ends everything.
func (l *loop) shut() {
	gone := errDraining("engine")
	for _, j := range l.active {
		l.fail(j, gone, "step")
	}
	l.active = nil
	for _, j := range l.e.queue.Close(gone) {
		l.fail(j, gone, "queue")
	}
}
