package engine

import (
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/manifold-gen/manifold/shared/batch"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// loop is the state of the one goroutine that computes.
type loop struct {
	e      *Engine
	active []*job // take turns; the first one is the first in the next tick
	wants  []batch.Want
	counts []int
	turns  []*job // that have pictures in this tick
	units  []unit
	rows   rows
	x0     [][]float32 // scratch of H*W*C for each goroutine that carries pictures on
	nudge  chan struct{}
}

func (l *loop) init(e *Engine) {
	l.e = e
	l.nudge = make(chan struct{}, 1)
	l.rows.init(&e.model)
}

// wake makes an idle loop look around.
func (l *loop) wake() {
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}

// warm runs a pass of empty pictures.
func (l *loop) warm(rows int) error {
	l.rows.reset()
	size := l.e.model.size()
	zero := make([]float32, size)
	for range rows {
		l.rows.add(zero, float64(l.e.model.Schedule.T()-1), Unconditional)
	}
	if err := l.guard(func() { l.rows.forward(&l.e.model) }); err != nil {
		return err
	}
	for i := range rows {
		if !finite(l.rows.out[i*size : (i+1)*size]) {
			return fault.E(fault.Corrupt, "NOT_FINITE", "engine.warm", "the model's output is not finite in the warm-up")
		}
	}
	return nil
}

// run ticks while there is work and sleeps while there is none.
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
		if len(l.active) > 0 {
			l.tick()
			continue
		}
		select {
		case <-e.stop:
		case <-e.queue.Ready():
		case <-l.nudge:
		}
	}
}

// reap ends the jobs whose callers are gone or out of time, waiting ones included.
func (l *loop) reap() {
	l.active = slices.DeleteFunc(l.active, func(j *job) bool {
		if j.ctx.Err() == nil {
			return false
		}
		l.fail(j, contextError(j), "step")
		return true
	})
	for _, j := range l.e.queue.Items() {
		if j.ctx.Err() != nil && l.e.queue.Remove(j) {
			l.fail(j, contextError(j), "queue")
		}
	}
}

func contextError(j *job) error { return fault.Wrap("engine", j.ctx.Err()) }

// admit moves jobs from the queue among the active ones while their rows fit.
func (l *loop) admit() {
	rows := 0
	for _, j := range l.active {
		rows += j.allRows()
	}
	for {
		j, ok := l.e.queue.Pop(func(j *job) bool {
			return rows == 0 || rows+j.allRows() <= l.e.cfg.MaxActiveRows
		})
		if !ok {
			break
		}
		rows += j.allRows()
		l.active = append(l.active, j)
		now := time.Now()
		j.begun, j.stepBegun, j.stateSent = now, now, now
		l.e.cfg.Observer.Waited(now.Sub(j.admitted))
		l.e.cfg.Observer.Queued(l.e.queue.Len())
	}
}

// tick runs one forward pass for the pictures whose turn it is and carries each of them on.
func (l *loop) tick() {
	begun := time.Now()
	l.choose()
	rows := l.rows.count()
	err := l.guard(func() {
		l.e.forwards.Add(1)
		l.rows.forward(&l.e.model)
	})
	if err == nil {
		err = l.carryAllOn()
	}
	took := time.Since(begun)
	if err == nil {
		l.e.meter.Observe(rows, took)
	}
	l.e.cfg.Observer.Ticked(rows, took)
	for i := range l.units {
		u := &l.units[i]
		j := u.job
		j.share += took * time.Duration(j.rows()) / time.Duration(rows)
		j.ahead[u.picture] = true
		j.waiting--
		if j.failure == nil {
			j.failure = u.err
		}
	}
	for _, j := range l.turns {
		j.compute += took
		switch {
		case err != nil:
			l.remove(j, err)
		case j.failure != nil:
			l.remove(j, j.failure)
		default:
			l.advance(j)
		}
	}
	// Cleared, so that no job outlives its request here.
	clear(l.turns)
	clear(l.units)
	l.turns, l.units = l.turns[:0], l.units[:0]
	if len(l.active) > 1 {
		first := l.active[0]
		copy(l.active, l.active[1:])
		l.active[len(l.active)-1] = first
	}
}

// choose fills turns, units and rows with the pictures of this tick.
func (l *loop) choose() {
	l.wants = l.wants[:0]
	for _, j := range l.active {
		l.wants = append(l.wants, batch.Want{Count: j.waiting, Rows: j.rows()})
	}
	l.counts = slices.Grow(l.counts[:0], len(l.wants))[:len(l.wants)]
	batch.Choose(l.counts, l.wants, l.e.cfg.MaxRows)
	l.rows.reset()
	for i, j := range l.active {
		left := l.counts[i]
		if left == 0 {
			continue
		}
		l.turns = append(l.turns, j)
		for p := 0; left > 0; p++ {
			if j.ahead[p] {
				continue
			}
			left--
			l.units = append(l.units, unit{job: j, picture: p, row: l.rows.count()})
			l.rows.gather(j, p)
		}
		if j.PreviewEvery > 0 && j.pix == nil {
			j.pix = make([]byte, len(j.states)*l.rows.size)
		}
	}
}

// unitsPerWorker is how many pictures make it worth to start a goroutine.
const unitsPerWorker = 4

// carryAllOn carries all units on, in several goroutines when there are many: drawing noise alone takes a good part of
// a small network's time.
func (l *loop) carryAllOn() error {
	workers := max(1, min(tensor.Threads(), len(l.units)/unitsPerWorker))
	for len(l.x0) < workers {
		l.x0 = append(l.x0, make([]float32, l.rows.size))
	}
	var next atomic.Int32
	work := func(x0 []float32) error {
		return l.guard(func() {
			for i := int(next.Add(1)) - 1; i < len(l.units); i = int(next.Add(1)) - 1 {
				l.carryOn(&l.units[i], x0)
			}
		})
	}
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { errs[w] = work(l.x0[w]) })
	}
	errs[0] = work(l.x0[0])
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// advance ends an evaluation once all pictures have made it, and tells the stream what that means.
func (l *loop) advance(j *job) {
	if j.waiting > 0 {
		return
	}
	clear(j.ahead)
	j.waiting = len(j.ahead)
	j.evaluated++
	j.left.Add(-1)
	now := time.Now()
	st := j.states[0]
	if st.Stage == 0 {
		j.before.Step = st.Step - 1
		timestep, _ := j.Sampler.At(&j.before)
		_, alphaBar := j.Sampler.At(st)
		j.stream.Push(Event{Step: &StepDone{
			Step: st.Step, Timestep: timestep, Noise: sigma(alphaBar), Took: now.Sub(j.stepBegun),
		}})
		j.stepBegun = now
		if j.previewAt(st.Step) {
			j.stream.Push(Event{Preview: &Preview{Step: st.Step, Pix: split(j.pix, len(j.states))}})
			j.pix = nil
		}
	}
	if j.Sampler.Done(st) {
		l.finish(j, now)
		return
	}
	if j.States && now.Sub(j.stateSent) >= l.e.cfg.StateInterval {
		l.sendState(j, now, false)
	}
}

// sendState puts a state into the stream if its bounds allow, or whatever its size when forced.
func (l *loop) sendState(j *job, now time.Time, force bool) {
	size := 0
	for _, s := range j.states {
		size += 16 + 4*len(s.X)*(1+len(s.History)) // header and protobuf's tag and length, then the values
	}
	unlimited := force || l.e.cfg.StateInterval < 0
	if !unlimited && !j.stream.Room(size+128, now) {
		return
	}
	st := &State{Step: j.states[0].Step, Evaluation: j.evaluated}
	for _, s := range j.states {
		b, err := s.MarshalBinary()
		if err != nil {
			return // a state that cannot be written is not worth ending the request for
		}
		st.Pictures = append(st.Pictures, b)
	}
	j.stream.Push(Event{State: st})
	j.stateSent = now
}

// finish delivers the result.
func (l *loop) finish(j *job, now time.Time) {
	size := l.e.model.size()
	pix := make([]byte, len(j.states)*size)
	for i, s := range j.states {
		quantise(pix[i*size:(i+1)*size], s.X)
	}
	j.stream.Push(Event{Result: &Result{
		Pix:         split(pix, len(j.states)),
		Queue:       j.begun.Sub(j.admitted),
		Compute:     j.compute,
		Total:       now.Sub(j.admitted),
		Steps:       j.Sampler.Steps() - j.from,
		Evaluations: j.evaluated - j.fromEval,
	}})
	l.e.cfg.Observer.Finished(len(j.states))
	l.drop(j)
	l.end(j, io.EOF)
}

// remove takes a job that failed out of the active ones.
func (l *loop) remove(j *job, err error) {
	l.drop(j)
	l.fail(j, err, "step")
}

func (l *loop) drop(j *job) {
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

// end closes the stream and forgets the job; what it held is garbage from here on.
func (l *loop) end(j *job, err error) {
	l.e.forget(j)
	j.stream.End(err)
	j.states, j.noise, j.pix = nil, nil, nil
	l.e.cfg.Observer.Queued(l.e.queue.Len())
}

// handOver ends the jobs that another replica can go on with, those between two evaluations at once and the others
// after the tick in which their pictures have caught up.
func (l *loop) handOver() {
	gone := fault.E(fault.Unavailable, "HANDED_OVER", "engine", "this replica is shutting down; another one goes on")
	for _, j := range l.e.queue.Items() {
		if j.States && l.e.queue.Remove(j) {
			l.end(j, gone)
		}
	}
	now := time.Now()
	l.active = slices.DeleteFunc(l.active, func(j *job) bool {
		if !j.States || j.waiting < len(j.ahead) {
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
	for _, j := range l.active {
		l.fail(j, gone, "step")
	}
	l.active = nil
	for _, j := range l.e.queue.Close(gone) {
		l.fail(j, gone, "queue")
	}
}

// guard runs f and turns a panic into an error.
func (l *loop) guard(f func()) error { return batch.Guard(l.e.cfg.Observer, l.e.model.Name, f) }
