package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/optim"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Run trains task in dir until its steps are done, patience ends it, ctx is cancelled, or an error stops it. When
// dir holds checkpoints of the same config and task, it goes on from the newest one; a finished run returns its
// result at once. events may be nil.
//
// The errors: Invalid for the config; Precondition when another run uses dir or dir holds another run; Cancelled
// or Deadline after ctx ended, with a checkpoint of the steps done; Unavailable when the last checkpoint cannot be
// written, in which case the Result is returned as well; Corrupt when the weights of the best evaluation cannot be
// read, with those of the last step in the Result; Internal with the reason NOT_FINITE for a loss or gradient that is
// NaN or infinite, with step, learning rate and layer in the metadata.
func Run(ctx context.Context, dir string, task Task, cfg Config, events func(Event)) (*Result, error) {
	const op = "train.Run"
	cfg, err := cfg.Defaults(task.Samples())
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, diskError("the run's directory cannot be made", err)
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	sweep(dir)
	r, err := newRun(dir, task, cfg, events)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	res, err := r.train(ctx)
	return res, fault.Wrap(op, err)
}

// run is a run in progress.
type run struct {
	dir    string
	task   Task
	cfg    Config
	events func(Event)

	params  []*nn.Param
	optim   optim.Optimizer
	ema     *optim.EMA      // nil without averaging
	average []weights.Param // what is evaluated and kept: the averaged weights, or params
	rate    optim.Schedule
	tape    *autograd.Tape
	order   *order
	batch   Batch
	state   []weights.Param // everything that a checkpoint holds besides counters
	counters

	from      int           // steps done before this start
	norm      float64       // of the last gradient
	where     string        // of the first number of a forward pass that is not finite
	earlier   time.Duration // elapsed before this start
	began     time.Time
	lastEvent time.Time
	lastStep  int
	saved     string // name of the last checkpoint
	dirty     bool   // something changed since then
	torn      bool   // a step failed half way: no checkpoint may hold what it left
}

func (r *run) train(ctx context.Context) (*Result, error) {
	r.began = time.Now()
	r.lastEvent, r.lastStep = r.began, r.Steps
	r.emit(Event{Kind: Started, Checkpoint: r.saved})
	if r.Steps > 0 && !r.Done {
		// The checkpoint may have been written when the run was cancelled in the midst of what follows a step.
		if err := r.after(ctx, true); err != nil {
			return nil, r.interrupted(ctx, err)
		}
	}
	for !r.Done {
		if err := r.step(ctx); err != nil {
			return nil, r.interrupted(ctx, err)
		}
		if err := r.after(ctx, false); err != nil {
			return nil, r.interrupted(ctx, err)
		}
	}
	res, err := r.result()
	if err != nil {
		return res, err
	}
	if r.dirty {
		// The result is there, but a crash would lose it, so the caller must know.
		return res, fault.E(fault.Unavailable, "CHECKPOINT_NOT_WRITTEN", "",
			"training ended, but its last checkpoint could not be written; make room and give the same run again")
	}
	r.emit(Event{Kind: Finished, Metrics: res.Metrics, Losses: map[string]float64{"loss": r.Loss}})
	return res, nil
}

// interrupted saves what was done when ctx ended the run, and returns err.
func (r *run) interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	r.checkpoint()
	return fmt.Errorf("stopped after %d of %d steps: %w", r.Steps, r.cfg.Steps, err)
}

// step does one optimisation step. After an error, parameters, state and counters are those of the step before, or
// the run is torn.
func (r *run) step(ctx context.Context) error {
	var sum float64
	micros := r.cfg.Batch / r.cfg.Micro
	for i := range micros {
		if err := ctx.Err(); err != nil {
			return err
		}
		loss, err := r.micro(i)
		if err != nil {
			return err
		}
		sum += loss
	}
	loss := sum / float64(micros)
	// The gradients are sums over micro-batches; scale makes them means.
	limit := r.cfg.Clip
	if limit == 0 {
		limit = math.MaxFloat64
	}
	norm, scale := optim.ClipGlobalNorm(r.params, limit, 1/float64(micros))
	r.norm = norm
	rate := r.rate.At(r.Steps)
	if !finite(loss) || !finite(norm) {
		return r.notFinite(loss, rate)
	}
	if err := r.update(rate, scale); err != nil {
		r.torn = true
		return err
	}
	r.Steps++
	r.Position += uint64(r.cfg.Batch)
	r.LossSum += loss
	r.LossSteps++
	r.dirty = true
	return nil
}

// update changes the parameters, what the task keeps beside them, and the average.
func (r *run) update(rate, scale float64) error {
	stepper, _ := r.task.(Stepper)
	if a, ok := r.optim.(*optim.AdamW); ok && stepper == nil {
		a.StepMean(rate, scale, r.ema)
		return nil
	}
	r.optim.Step(rate, scale)
	if stepper != nil {
		var err error
		if caught := tensor.Catch(func() { err = stepper.AfterStep(r.Steps, r.batch.Rng) }); caught != nil {
			err = fault.E(fault.Internal, "TASK_SHAPES", "", "after step %d: %w", r.Steps+1, caught)
		}
		if err != nil {
			return err
		}
	}
	if r.ema != nil {
		r.ema.Update()
	}
	return nil
}

// micro adds the gradients of micro-batch i to those of the parameters, the first one's to nothing, and returns its
// loss.
func (r *run) micro(i int) (loss float64, err error) {
	r.tape.Reset()
	r.batch.Step = r.Steps
	r.order.fill(&r.batch, r.Position+uint64(i*r.cfg.Micro))
	// A wrong shape in a task is a programmer's error, but it must not take a server down.
	caught := tensor.Catch(func() {
		var l *autograd.Value
		if l, err = r.task.Loss(r.tape, r.batch); err != nil {
			return
		}
		if loss = first(l.Tensor); !finite(loss) {
			r.where = firstBad(r.tape, r.params) // the walk would recycle what it looks at
		}
		r.tape.Once()
		if i == 0 {
			nn.Gradient(r.tape, l, r.params)
		} else {
			nn.Backward(r.tape, l, r.params)
		}
	})
	if caught != nil {
		err = fault.E(fault.Internal, "TASK_SHAPES", "", "step %d: %w", r.Steps+1, caught)
	}
	return loss, err
}

func first(t *tensor.Tensor) float64 {
	if t.DType() == tensor.Float64 {
		return t.F64()[0]
	}
	return float64(t.F32()[0])
}

// after does what is due after a step: events, evaluation, preview, checkpoint. A resumed run calls it for what
// its checkpoint has not seen, without another preview.
func (r *run) after(ctx context.Context, resumed bool) error {
	r.Done = r.Steps >= r.cfg.Steps
	if r.LossSteps > 0 && (r.Done || due(r.Steps, r.cfg.LogEvery)) {
		r.report()
	}
	if r.Done || due(r.Steps, r.cfg.EvalEvery) {
		if err := r.evaluate(ctx); err != nil {
			r.Done = false
			return err
		}
	}
	if !resumed && r.cfg.PreviewEvery > 0 && (r.Done || due(r.Steps, r.cfg.PreviewEvery)) {
		r.preview(ctx)
	}
	if r.Done || due(r.Steps, r.cfg.CheckpointEvery) {
		r.checkpoint()
	}
	return nil
}

func due(step, every int) bool { return every > 0 && step%every == 0 }

// report sends the mean loss since the last report.
func (r *run) report() {
	r.Loss = r.LossSum / float64(r.LossSteps)
	r.LossSum, r.LossSteps = 0, 0
	now := time.Now()
	e := Event{Kind: Stepped, Losses: map[string]float64{"loss": r.Loss}, GradNorm: r.norm,
		LearningRate: r.rate.At(r.Steps - 1)}
	if dt := now.Sub(r.lastEvent).Seconds(); dt > 0 {
		perStep := dt / float64(r.Steps-r.lastStep)
		e.PerSecond = float64(r.cfg.Batch) / perStep
		// The estimate rests on the whole session, which evaluations and previews are part of.
		overall := now.Sub(r.began).Seconds() / float64(r.Steps-r.from)
		e.ETA = time.Duration(overall * float64(r.cfg.Steps-r.Steps) * float64(time.Second))
	}
	r.lastEvent, r.lastStep = now, r.Steps
	r.emit(e)
}

// evaluate measures the averaged weights, keeps them when they are the best so far, ends the run when too many
// evaluations passed without a better one, and lets the task report.
func (r *run) evaluate(ctx context.Context) error {
	if r.Evaluated == r.Steps {
		return nil // resumed from the checkpoint that this evaluation led to
	}
	start := time.Now()
	metrics, err := r.task.Evaluate(ctx, r.average)
	r.lastEvent = r.lastEvent.Add(time.Since(start)) // samples/s is about training alone
	if err != nil {
		return err
	}
	r.Evaluated, r.dirty = r.Steps, true
	if metrics != nil {
		if err := r.choose(metrics); err != nil {
			return err
		}
	}
	r.tell(ctx)
	return nil
}

// choose keeps the averaged weights when their metrics are the best so far.
func (r *run) choose(metrics map[string]float64) error {
	value, ok := metrics[r.cfg.Select]
	if !ok || !finite(value) {
		return fault.E(fault.Internal, "NOT_FINITE", "", "after step %d the evaluation gives no finite %q: %v", r.Steps,
			r.cfg.Select, metrics)
	}
	r.Metrics = metrics
	r.emit(Event{Kind: Evaluated, Metrics: maps.Clone(metrics)})
	if r.Best != nil && value >= *r.Best {
		r.Waited++
		if r.cfg.Patience > 0 && r.Waited >= r.cfg.Patience {
			r.Done, r.Stopped = true, true
		}
		return nil
	}
	r.Best, r.BestStep, r.BestMetrics, r.Waited = &value, r.Steps, metrics, 0
	if err := r.saveBest(); err != nil {
		r.emit(Event{Kind: Warning, Err: err})
	}
	return nil
}

// tell sends what the task reports of itself.
func (r *run) tell(ctx context.Context) {
	reporter, ok := r.task.(Reporter)
	if !ok {
		return
	}
	start := time.Now()
	report, err := reporter.Report(ctx, r.average)
	r.lastEvent = r.lastEvent.Add(time.Since(start))
	switch {
	case errors.Is(err, ctx.Err()) && ctx.Err() != nil: // the loop sees it next
	case err != nil:
		r.emit(Event{Kind: Warning, Err: fmt.Errorf("the report failed: %w", err)})
	case len(report.Series) > 0 || len(report.Alarms) > 0:
		r.emit(Event{Kind: Reported, Series: report.Series, Alarms: report.Alarms})
	}
}

func (r *run) preview(ctx context.Context) {
	start := time.Now()
	pictures, err := r.task.Preview(ctx, r.average, r.Steps)
	r.lastEvent = r.lastEvent.Add(time.Since(start))
	switch {
	case errors.Is(err, ctx.Err()) && ctx.Err() != nil: // the loop sees it next
	case err != nil:
		r.emit(Event{Kind: Warning, Err: fmt.Errorf("the preview failed: %w", err)})
	case len(pictures) > 0:
		r.emit(Event{Kind: Previewed, Previews: pictures})
	}
}

// checkpoint saves all state; a failure is an event, not an end.
func (r *run) checkpoint() {
	if !r.dirty || r.torn {
		return
	}
	start := time.Now()
	name, err := save(r.dir, r.state, &r.counters)
	r.lastEvent = r.lastEvent.Add(time.Since(start))
	if err != nil {
		r.emit(Event{Kind: Warning, Err: err})
		return
	}
	r.saved, r.dirty = name, false
	writeClock(r.dir, r.elapsed())
	r.emit(Event{Kind: Checkpoint, Checkpoint: name})
}

func (r *run) elapsed() time.Duration { return r.earlier + time.Since(r.began) }

func (r *run) emit(e Event) {
	if r.events == nil {
		return
	}
	e.Step, e.Steps = r.Steps, r.cfg.Steps
	e.Epoch = float64(r.Position) / float64(r.task.Samples())
	e.Elapsed = r.elapsed()
	e.Memory = r.tape.Memory()
	r.events(e)
}

func (r *run) result() (*Result, error) {
	res := &Result{
		Steps: r.Steps, Weights: r.average, Loss: r.Loss, Metrics: r.Metrics, EarlyStopped: r.Stopped,
		Elapsed: r.elapsed(), Checkpoint: filepath.Join(r.dir, r.saved),
	}
	if !r.Stopped {
		return res, nil
	}
	best, err := r.loadBest()
	if err != nil {
		return res, err
	}
	res.Weights, res.Metrics = best, r.BestMetrics
	return res, nil
}
