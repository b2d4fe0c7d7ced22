package engine

import (
	"math"
	"slices"
	"time"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/batch"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// scoreRows is how many rows the importance samples of one pass may take.
const scoreRows = 4096

// loop is the state of the one goroutine that computes. Its buffers are kept from pass to pass.
type loop struct {
	e      *Engine
	active [kinds][]*job // take turns; the first one is the first in the next pass
	next   kind          // whose turn it is
	wants  []batch.Want
	counts []int
	nudge  chan struct{}

	in, mean, variance, out, show []float32
	class                         []int32
	runs                          []model.Run
}

func (l *loop) init(e *Engine) {
	l.e = e
	l.nudge = make(chan struct{}, 1)
}

// wake makes an idle loop look around.
func (l *loop) wake() {
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}

func (l *loop) guard(f func()) error { return batch.Guard(l.e.cfg.Observer, l.e.name, f) }

// warm passes one empty row through everything that the model can do.
func (l *loop) warm() error {
	m, size := l.e.model, l.e.model.Size()
	x := make([]float32, size.PictureLen())
	z := make([]float32, size.CodeLen())
	var class []int32
	if size.Classes > 0 {
		class = make([]int32, 1)
	}
	err := l.guard(func() {
		if enc, ok := m.(model.Encoder); ok {
			var variance []float32
			if !enc.Deterministic() {
				variance = make([]float32, len(z))
			}
			enc.Encode(z, variance, x, 1, class)
		}
		if dec, ok := m.(model.Decoder); ok {
			dec.Decode(x, z, 1, class)
		}
		if c, ok := m.(model.Chain); ok {
			state := make([]float32, c.StateSize())
			c.Start(state, rng.New(0), 0, nil, model.Unconditional)
			c.Sweep([]model.Run{{State: state, Temperature: 1, Class: model.Unconditional}})
			c.Show(x, state)
		}
	})
	if err == nil && !(finite(x) && finite(z)) {
		err = fault.E(fault.Corrupt, "NOT_FINITE", "engine.warm", "the model's output is not finite in the warm-up")
	}
	return err
}

// run makes passes while there is work and sleeps while there is none.
func (e *Engine) run() {
	defer close(e.done)
	l := &e.loop
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
		select {
		case <-e.stop:
		case <-e.queue.Ready():
		case <-l.nudge:
		}
	}
}

// reap ends the jobs whose callers are gone or out of time.
func (l *loop) reap() {
	for k := range l.active {
		l.active[k] = slices.DeleteFunc(l.active[k], func(j *job) bool {
			if j.ctx.Err() == nil {
				return false
			}
			l.fail(j, fault.Wrap("engine", j.ctx.Err()), "step")
			return true
		})
	}
	for _, j := range l.e.queue.Items() {
		if j.ctx.Err() != nil && l.e.queue.Remove(j) {
			l.fail(j, fault.Wrap("engine", j.ctx.Err()), "queue")
		}
	}
}

// admit moves what waits among the active ones; the queue's bound holds for both, so that memory is bounded.
func (l *loop) admit() {
	active := 0
	for _, js := range l.active {
		active += len(js)
	}
	for active < l.e.cfg.Queue {
		j, ok := l.e.queue.Pop(nil)
		if !ok {
			break
		}
		active++
		l.active[j.kind] = append(l.active[j.kind], j)
		j.begun = time.Now()
		if j.chain != nil {
			j.chain.stateSent = j.begun
		}
		l.e.cfg.Observer.Waited(j.begun.Sub(j.admitted))
		l.e.cfg.Observer.Queued(l.e.queue.Len())
	}
}

// pass serves the next kind that has work and says whether there was any.
func (l *loop) pass() bool {
	for range kinds {
		k := l.next
		l.next = (l.next + 1) % kinds
		if len(l.active[k]) > 0 {
			l.serve(k)
			return true
		}
	}
	return false
}

// serve makes one pass of a kind for as many rows of its jobs as fit, each job getting a turn before any gets a second.
func (l *loop) serve(k kind) {
	begun := time.Now()
	jobs := l.active[k]
	l.wants = l.wants[:0]
	for _, j := range jobs {
		w := batch.Want{Count: j.rows(), Rows: 1}
		if k == sweeping {
			w = batch.Want{Count: 1, Rows: j.rows()} // the chains of a request stay together
		}
		l.wants = append(l.wants, w)
	}
	limit := l.e.cfg.MaxRows
	if k == scoring {
		l.wants = l.wants[:1] // requests differ in samples and streams
		limit = min(limit, max(1, scoreRows/max(1, jobs[0].samples)))
	}
	l.counts = slices.Grow(l.counts[:0], len(l.wants))[:len(l.wants)]
	rows := batch.Choose(l.counts, l.wants, limit)
	err := l.guard(func() { l.compute(k, jobs[:len(l.wants)]) })
	took := time.Since(begun)
	if err == nil {
		l.e.meters[k].Observe(rows, took)
	}
	l.e.cfg.Observer.Ticked(rows, took)
	jobs = slices.Clone(jobs[:len(l.wants)])
	for i, j := range jobs {
		n := l.counts[i]
		if n == 0 {
			continue
		}
		j.compute += took
		j.share += took * time.Duration(n*l.wants[i].Rows) / time.Duration(rows)
		l.advance(j, n, err)
	}
	if rest := l.active[k]; len(rest) > 1 { // the first one of this pass is the last of the next
		first := rest[0]
		l.active[k] = append(slices.Delete(rest, 0, 1), first)
	}
}

// advance takes a job past a pass and ends it where that was the last.
func (l *loop) advance(j *job, n int, err error) {
	if err == nil {
		err = l.check(j, n)
	}
	over := false
	switch {
	case err != nil:
		l.fail(j, err, "step")
		over = true
	case j.kind == sweeping:
		j.chain.sweep++
		j.left.Add(int64(-len(j.chain.states)))
		if m, ok := l.e.model.(model.Chain); ok {
			if err := l.guard(func() { over = l.report(j, m) }); err != nil {
				l.fail(j, err, "step")
				over = true
			}
		}
	default:
		j.at += n
		j.left.Add(int64(-n))
		if over = j.at == j.n; over {
			j.ended = time.Now()
			l.e.cfg.Observer.Finished(j.n)
			l.end(j, nil)
		}
	}
	if over {
		if i := slices.Index(l.active[j.kind], j); i >= 0 {
			l.active[j.kind] = slices.Delete(l.active[j.kind], i, i+1)
		}
	}
}

// check looks for values that are not finite in what a job got.
func (l *loop) check(j *job, n int) error {
	size := l.e.model.Size()
	k, p := size.CodeLen(), size.PictureLen()
	ok := true
	switch j.kind {
	case encoding:
		ok = finite(j.mean[j.at*k:(j.at+n)*k]) && (j.variance == nil || finite(j.variance[j.at*k:(j.at+n)*k]))
	case decoding, drawing:
		ok = finite(j.out[j.at*p : (j.at+n)*p])
	case scoring:
		for _, v := range j.score.Values[j.at : j.at+n] {
			ok = ok && !math.IsNaN(v) && !math.IsInf(v, 0)
		}
	default:
	}
	if ok {
		return nil
	}
	kind := fault.Internal
	if j.kind == decoding {
		kind = fault.Invalid // the codes came from outside
	}
	return fault.E(kind, "NOT_FINITE", "engine", "the model %s gave values that are not finite; with codes far "+
		"from those of its training data that can happen", l.e.name)
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
		j.stream.End(err)
		j.chain.states = nil
	} else {
		j.err = err
		close(j.done)
	}
	l.e.cfg.Observer.Queued(l.e.queue.Len())
}

// handOver ends the chains that another replica can go on with.
func (l *loop) handOver() {
	gone := fault.E(fault.Unavailable, "HANDED_OVER", "engine", "this replica is shutting down; another one goes on")
	for _, j := range l.e.queue.Items() {
		if j.chain != nil && j.chain.States && l.e.queue.Remove(j) {
			l.end(j, gone)
		}
	}
	now := time.Now()
	l.active[sweeping] = slices.DeleteFunc(l.active[sweeping], func(j *job) bool {
		if !j.chain.States {
			return false
		}
		l.sendState(j, now, true)
		l.end(j, gone)
		return true
	})
}

// shut ends everything.
func (l *loop) shut() {
	gone := errDraining("engine")
	for k := range l.active {
		for _, j := range l.active[k] {
			l.fail(j, gone, "step")
		}
		l.active[k] = nil
	}
	for _, j := range l.e.queue.Close(gone) {
		l.fail(j, gone, "queue")
	}
}
