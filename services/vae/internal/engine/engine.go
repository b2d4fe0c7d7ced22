package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/batch"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Defaults of Config.
const (
	DefaultMaxRows       = 128
	DefaultQueue         = 256
	DefaultStateInterval = 250 * time.Millisecond
)

// Config is how an engine shares its model. The zero value of a field means its default.
type Config struct {
	MaxRows       int            // rows or chains of one pass; 128
	Queue         int            // requests that wait or take turns; 256
	StateInterval time.Duration  // least time between states of one stream; 250 ms; negative: after every sweep
	Observer      batch.Observer // nil: none
}

func (c *Config) defaults() {
	if c.MaxRows == 0 {
		c.MaxRows = DefaultMaxRows
	}
	if c.Queue == 0 {
		c.Queue = DefaultQueue
	}
	if c.StateInterval == 0 {
		c.StateInterval = DefaultStateInterval
	}
	if c.Observer == nil {
		c.Observer = batch.Unobserved{}
	}
}

// Engine runs the requests of one model. Make it with New and end it with Close.
type Engine struct {
	name   string // of the model, for messages
	model  model.Model
	cfg    Config
	queue  *batch.Queue[*job]
	meters [kinds]batch.Meter

	mu   sync.Mutex
	live map[*job]struct{} // admitted and not ended

	draining atomic.Bool
	stop     chan struct{}
	done     chan struct{}
	once     sync.Once

	loop loop
}

// New runs one warm-up pass of each kind that the model can do and starts the loop.
func New(name string, m model.Model, cfg Config) (*Engine, error) {
	cfg.defaults()
	e := &Engine{
		name: name, model: m, cfg: cfg, queue: batch.NewQueue[*job](cfg.Queue), live: make(map[*job]struct{}),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	e.loop.init(e)
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

// do admits a job and waits until it is over.
func (e *Engine) do(ctx context.Context, j *job) (Timing, error) {
	j.done = make(chan struct{})
	j.ctx = ctx
	if err := e.admit(j); err != nil {
		return Timing{}, err
	}
	<-j.done // the loop looks at ctx between passes
	return j.timing(), j.err
}

// admit puts a job into the queue or says why not.
func (e *Engine) admit(j *job) error {
	const op = "engine.Submit"
	if e.draining.Load() {
		return errDraining(op)
	}
	j.admitted = time.Now()
	need := e.need(j)
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

// need estimates how long a job takes alone and beside everything that was admitted.
func (e *Engine) need(j *job) batch.Need {
	alone := e.estimate(j)
	e.mu.Lock()
	defer e.mu.Unlock()
	finish := alone
	for o := range e.live {
		finish += min(e.estimate(o), alone) // a longer one takes turns with this one
	}
	return batch.Need{Alone: alone, Finish: finish}
}

// estimate is how long a job still takes alone. It reads nothing that the loop writes but the atomic field.
func (e *Engine) estimate(j *job) time.Duration {
	left := j.left.Load()
	rows := max(1, min(int(left), j.n, e.cfg.MaxRows))
	return time.Duration(float64(left) / float64(rows) * float64(e.meters[j.kind].Estimate(rows)))
}

// Live is the number of requests that were admitted and have not ended.
func (e *Engine) Live() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live)
}

// HandOver refuses new requests and ends the chains that put states into their streams, each with a last state and
// the error HANDED_OVER of kind Unavailable, so that the gateway goes on elsewhere; the others run to their end.
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
