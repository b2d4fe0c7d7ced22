package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/batch"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Defaults of Config.
const (
	DefaultMaxRows = 256
	DefaultQueue   = 256
)

// Config is how an engine shares its model. The zero value of a field means its default.
type Config struct {
	MaxRows  int            // continuations of one pass; 256
	Queue    int            // requests that wait or take turns; 256
	Observer batch.Observer // nil: none
}

// Engine runs the requests of one model. Make it with New and end it with Close.
type Engine struct {
	name  string // of the model, for messages
	model model.Model
	cfg   Config
	queue *batch.Queue[*job]

	mu   sync.Mutex
	live map[*job]struct{} // admitted and not ended

	draining atomic.Bool
	stop     chan struct{}
	done     chan struct{}
	once     sync.Once

	loop loop
}

// New asks the model for one token and starts the loop.
func New(name string, m model.Model, cfg Config) (*Engine, error) {
	if cfg.MaxRows == 0 {
		cfg.MaxRows = DefaultMaxRows
	}
	if cfg.Queue == 0 {
		cfg.Queue = DefaultQueue
	}
	if cfg.Observer == nil {
		cfg.Observer = batch.Unobserved{}
	}
	e := &Engine{
		name: name, model: m, cfg: cfg, queue: batch.NewQueue[*job](cfg.Queue), live: make(map[*job]struct{}),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	e.loop = loop{e: e, nudge: make(chan struct{}, 1)}
	if err := e.loop.warm(); err != nil {
		return nil, fault.Wrap("engine.New", err)
	}
	go e.run()
	return e, nil
}

// Timing is where the time of a request went.
type Timing struct {
	Queue   time.Duration // from admission to the first pass
	Compute time.Duration // of the passes that it took part in
	Total   time.Duration // from admission to the end
}

// job is a request on its way: one of generation and scoring is set. It belongs to the loop until done is
// closed or the stream ended.
type job struct {
	ctx        context.Context //nolint:containedctx // the caller's, looked at between passes
	generation *generation
	stream     *Stream // of a generation
	scoring    *scoring
	done       chan struct{} // of a scoring
	err        error

	admitted time.Time
	begun    time.Time
	ended    time.Time
	compute  time.Duration
	share    time.Duration // of the passes, by its rows
}

func (j *job) timing() Timing {
	return Timing{Queue: j.begun.Sub(j.admitted), Compute: j.compute, Total: j.ended.Sub(j.admitted)}
}

// admit puts a job into the queue or says why not.
func (e *Engine) admit(j *job) error {
	const op = "engine.Submit"
	if e.draining.Load() {
		return errDraining(op)
	}
	j.admitted = time.Now()
	need := batch.Need{}
	need.Deadline, _ = j.ctx.Deadline()
	// The job is alive before it waits, since the loop may end it before Push returns.
	e.mu.Lock()
	e.live[j] = struct{}{}
	e.mu.Unlock()
	if err := e.queue.Push(j, need); err != nil {
		e.forget(j)
		return fault.Wrap(op, err)
	}
	e.cfg.Observer.Queued(e.queue.Len())
	return nil
}

func errDraining(op string) error {
	return fault.E(fault.Unavailable, "DRAINING", op, "this replica is shutting down; another one may answer").
		After(time.Second)
}

func (e *Engine) forget(j *job) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.live, j)
}

// Live is the number of requests that were admitted and have not ended.
func (e *Engine) Live() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live)
}

// HandOver refuses new requests and ends the generations that another replica goes on with, with the error HANDED_OVER
// of kind Unavailable; the others run to their end.
func (e *Engine) HandOver() {
	e.draining.Store(true)
	e.loop.wake()
}

// Close ends all requests with an error of kind Unavailable and stops the loop.
func (e *Engine) Close() {
	e.once.Do(func() {
		e.draining.Store(true)
		close(e.stop)
	})
	<-e.done
}
