package engine

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/manifold-gen/manifold/shared/batch"
	"github.com/manifold-gen/manifold/shared/fault"
)

// DefaultQueue is the default of Config.Queue.
const DefaultQueue = 1024

// Config is how much may be done at a time. The zero value of a field means its default.
type Config struct {
	Workers  int            // pieces of work at a time; one a core
	Queue    int            // pieces that wait; 1024
	Observer batch.Observer // nil: none
}

// Pool runs pieces of work. Make it with NewPool and end it with Close.
type Pool struct {
	cfg   Config
	queue *batch.Queue[*job]
	wake  chan struct{} // a token for a worker that sleeps

	mu   sync.Mutex
	live map[*job]struct{} // admitted and not ended

	ctx     context.Context //nolint:containedctx // of the workers; its end ends all work
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// job is a piece of work on its way. It belongs to its worker from the time it is taken until done is closed.
type job struct {
	ctx      context.Context //nolint:containedctx // the caller's
	model    string          // for messages
	estimate time.Duration   // when it was admitted; 0 for unknown
	work     func(context.Context) error
	done     chan struct{}
	err      error

	admitted, begun, ended time.Time
}

// Timing is where the time of a request went.
type Timing struct {
	Queue   time.Duration // from admission to a worker
	Compute time.Duration // of the work
	Total   time.Duration // from admission to the end
}

// Add puts the time of a further piece to that of those before it.
func (t *Timing) Add(u Timing) {
	t.Queue += u.Queue
	t.Compute += u.Compute
	t.Total += u.Total
}

// NewPool starts the workers.
func NewPool(cfg Config) *Pool {
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.Queue == 0 {
		cfg.Queue = DefaultQueue
	}
	if cfg.Observer == nil {
		cfg.Observer = batch.Unobserved{}
	}
	p := &Pool{cfg: cfg, queue: batch.NewQueue[*job](cfg.Queue), wake: make(chan struct{}, cfg.Workers),
		live: make(map[*job]struct{})}
	p.ctx, p.stop = context.WithCancel(context.Background())
	for range cfg.Workers {
		p.workers.Go(p.run)
	}
	return p
}

// Close ends all work with an error of kind Unavailable and the workers.
func (p *Pool) Close() {
	p.stop()
	gone := errClosed()
	for _, j := range p.queue.Close(gone) {
		p.end(j, gone)
	}
	p.workers.Wait()
}

func errClosed() error {
	return fault.E(fault.Unavailable, "DRAINING", "engine", "this replica is shutting down; another one may answer").
		After(time.Second)
}

// Do runs a piece of work and waits for it. units, at least 1, is how much it is in the terms of the meter, which
// learns from it how long that takes; it may be nil. work must look at its context now and then.
func (p *Pool) Do(ctx context.Context, model string, m *batch.Meter, units int, work func(context.Context) error,
) (Timing, error) {
	const op = "engine.Do"
	j := &job{ctx: ctx, model: model, work: work, done: make(chan struct{}), admitted: time.Now()}
	if m != nil {
		j.estimate = m.Estimate(units)
	}
	need := batch.Need{Alone: j.estimate, Finish: p.enter(j)}
	need.Deadline, _ = ctx.Deadline()
	if err := p.queue.Push(j, need); err != nil {
		p.forget(j)
		return Timing{}, fault.Wrap(op, err)
	}
	p.cfg.Observer.Queued(p.queue.Len())
	select {
	case p.wake <- struct{}{}:
	default: // every worker has a token
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if p.queue.Remove(j) {
			p.cfg.Observer.Cancelled("queue")
			p.forget(j)
			return Timing{Queue: time.Since(j.admitted), Total: time.Since(j.admitted)}, fault.Wrap(op, ctx.Err())
		}
		<-j.done // the work sees the same context
	}
	t := Timing{Queue: j.begun.Sub(j.admitted), Compute: j.ended.Sub(j.begun), Total: j.ended.Sub(j.admitted)}
	if j.err == nil && m != nil {
		m.Observe(units, t.Compute)
	}
	return t, j.err
}

// enter counts a job among the living and estimates when it is finished.
func (p *Pool) enter(j *job) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var before time.Duration
	for o := range p.live {
		before += o.estimate
	}
	p.live[j] = struct{}{}
	return before/time.Duration(p.cfg.Workers) + j.estimate
}

func (p *Pool) forget(j *job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.live, j)
}

// run is a worker.
func (p *Pool) run() {
	for {
		for {
			j, ok := p.queue.Pop(nil)
			if !ok {
				break
			}
			p.work(j)
		}
		select {
		case <-p.ctx.Done():
			return
		case <-p.wake:
		}
	}
}

// work does a piece of work unless nobody waits for it any more.
func (p *Pool) work(j *job) {
	p.cfg.Observer.Queued(p.queue.Len())
	j.begun = time.Now()
	p.cfg.Observer.Waited(j.begun.Sub(j.admitted))
	ctx, cancel := context.WithCancel(j.ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	err := ctx.Err()
	if err == nil {
		failed := batch.Guard(p.cfg.Observer, j.model, func() { err = j.work(ctx) })
		if failed != nil {
			err = failed
		}
	}
	if err != nil && p.ctx.Err() != nil {
		err = errClosed()
	}
	j.ended = time.Now()
	took := j.ended.Sub(j.begun)
	p.cfg.Observer.Ticked(1, took)
	if err == nil {
		p.cfg.Observer.Finished(1)
	} else if k := fault.KindOf(err); k == fault.Cancelled || k == fault.Deadline {
		p.cfg.Observer.Cancelled("step")
		p.cfg.Observer.Wasted(took)
	}
	p.end(j, err)
}

// end tells whoever waits.
func (p *Pool) end(j *job, err error) {
	if j.begun.IsZero() {
		j.begun, j.ended = time.Now(), time.Now()
	}
	j.err = fault.Wrap("engine", err)
	p.forget(j)
	close(j.done)
}
