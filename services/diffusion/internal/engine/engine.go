package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

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
	MaxRows       int            // of one forward pass; 128
	MaxActiveRows int            // of all requests that take turns; 8 * MaxRows
	Queue         int            // requests that wait for a place among them; 256
	StateInterval time.Duration  // least time between states of one stream; 250 ms; negative: after every evaluation
	Observer      batch.Observer // nil: none
}

func (c *Config) defaults() {
	if c.MaxRows == 0 {
		c.MaxRows = DefaultMaxRows
	}
	if c.MaxActiveRows == 0 {
		c.MaxActiveRows = 8 * c.MaxRows
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
	model Model
	cfg   Config
	queue *batch.Queue[*job]
	meter batch.Meter

	mu   sync.Mutex
	live map[*job]struct{} // admitted and not ended

	draining atomic.Bool
	forwards atomic.Int64
	stop     chan struct{}
	done     chan struct{}
	once     sync.Once

	loop loop
}

// New runs warm-up forward passes, which also measure how long one takes, and starts the loop. A panic or a value
// that is not finite in the warm-up is an error.
func New(m Model, cfg Config) (*Engine, error) {
	cfg.defaults()
	e := &Engine{
		model: m,
		cfg:   cfg,
		queue: batch.NewQueue[*job](cfg.Queue),
		live:  make(map[*job]struct{}),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	e.loop.init(e)
	if err := e.warm(); err != nil {
		return nil, fault.Wrap("engine.New", err)
	}
	go e.run()
	return e, nil
}

// warm passes one row twice, the first time for memory and packed weights, and then several where that is quick.
func (e *Engine) warm() error {
	for _, rows := range []int{1, 1, min(16, e.cfg.MaxRows)} {
		begun := time.Now()
		if err := e.loop.warm(rows); err != nil {
			return err
		}
		took := time.Since(begun)
		e.meter.Observe(rows, took)
		if took > 50*time.Millisecond {
			break
		}
	}
	return nil
}

// Submit admits a request or says why not. The stream belongs to the caller, who must read it to its end or Close it;
// when ctx ends, the request ends within one tick.
func (e *Engine) Submit(ctx context.Context, r Request) (*Stream, error) {
	const op = "engine.Submit"
	if err := r.check(&e.model); err != nil {
		return nil, err
	}
	if e.draining.Load() {
		return nil, errDraining(op)
	}
	own, cancel := context.WithCancel(ctx)
	j := newJob(own, r, &e.model)
	j.stream = batch.NewStream[Event](cancel)
	j.admitted = time.Now()
	need := e.need(j)
	need.Deadline, _ = ctx.Deadline()
	// The job is alive before it waits, since the loop may end it before Push returns.
	e.mu.Lock()
	e.live[j] = struct{}{}
	e.mu.Unlock()
	if err := e.queue.Push(j, need); err != nil {
		e.forget(j)
		cancel()
		return nil, fault.Wrap(op, err)
	}
	e.cfg.Observer.Queued(e.queue.Len())
	if r.Resume != nil {
		e.cfg.Observer.Resumed()
	}
	return j.stream, nil
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

// need estimates how long a job takes alone and beside everything that was admitted. Beside others it shares every
// tick: another job adds its rows for as many evaluations as both have left.
func (e *Engine) need(j *job) batch.Need {
	evaluations := float64(j.left.Load())
	rows := float64(j.allRows())
	e.mu.Lock()
	others := 0.0
	for o := range e.live {
		others += float64(o.allRows()) * min(float64(o.left.Load()), evaluations) / evaluations
	}
	e.mu.Unlock()
	return batch.Need{
		Alone:  e.ticks(evaluations, rows),
		Finish: e.ticks(evaluations, rows+others),
	}
}

// ticks is how long that many evaluations take when each needs that many rows.
func (e *Engine) ticks(evaluations, rows float64) time.Duration {
	full := float64(e.cfg.MaxRows)
	one := e.meter.Estimate(int(min(rows, full)))
	return time.Duration(evaluations * max(1, rows/full) * float64(one))
}

// Live is the number of requests that were admitted and have not ended.
func (e *Engine) Live() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live)
}

// Forwards is the number of forward passes so far, the warm-up excluded.
func (e *Engine) Forwards() int64 { return e.forwards.Load() }

// HandOver refuses new requests and ends those that put states into their streams, each with a last state and the
// error HANDED_OVER of kind Unavailable, so that the gateway goes on elsewhere; the others run to their end.
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
