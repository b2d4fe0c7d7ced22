package train

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/optim"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// newRun makes the state of a run, from the newest checkpoint where there is one.
func newRun(dir string, task Task, cfg Config, events func(Event)) (*run, error) {
	r := &run{
		dir: dir, task: task, cfg: cfg, events: events, params: task.Params(),
		tape:  autograd.NewTape(tensor.NewArena()),
		order: newOrder(cfg.Seed, task.Samples()),
		batch: Batch{Samples: make([]int32, cfg.Micro), Draws: make([]uint64, cfg.Micro), Rng: rng.New(cfg.Seed)},
		rate: optim.WarmupCosine{Peak: cfg.LearningRate, Floor: cfg.MinLearningRate, Warmup: cfg.Warmup,
			Total: cfg.Steps},
	}
	if err := checkNames(r.params); err != nil {
		return nil, err
	}
	r.optim = newOptimizer(r.params, cfg)
	for _, p := range r.params {
		r.average = append(r.average, weights.Param{Name: p.Name, Tensor: p.Tensor})
		r.state = append(r.state, weights.Param{Name: "model." + p.Name, Tensor: p.Tensor})
	}
	r.state = append(r.state, r.optim.State()...)
	if cfg.EMA > 0 {
		r.ema = optim.NewEMA(r.params, cfg.EMA, true)
		r.average = r.ema.Weights()
		r.state = append(r.state, r.ema.State()...)
	}
	if s, ok := task.(Stateful); ok {
		own, err := taskState(s)
		if err != nil {
			return nil, err
		}
		r.state = append(r.state, own...)
	}
	return r, r.resume()
}

func newOptimizer(params []*nn.Param, cfg Config) optim.Optimizer {
	if cfg.Optimizer == SGD {
		return optim.NewSGD(params, cfg.Momentum, cfg.WeightDecay, false)
	}
	return optim.NewAdamW(params, optim.AdamWConfig{Beta1: cfg.Beta1, Beta2: cfg.Beta2, Eps: cfg.Epsilon,
		WeightDecay: cfg.WeightDecay})
}

// taskState is what the task keeps beside its parameters, under names of its own in a checkpoint.
func taskState(s Stateful) ([]weights.Param, error) {
	var state []weights.Param
	seen := make(map[string]bool)
	for _, p := range s.State() {
		if p.Name == "" || seen[p.Name] {
			return nil, fault.E(fault.Internal, "STATE_NAMES", "", "the name %q of a state is empty or used twice", p.Name)
		}
		seen[p.Name] = true
		state = append(state, weights.Param{Name: "task." + p.Name, Tensor: p.Tensor})
	}
	return state, nil
}

func checkNames(params []*nn.Param) error {
	seen := make(map[string]bool, len(params))
	for _, p := range params {
		if p.Name == "" || seen[p.Name] {
			return fault.E(fault.Internal, "PARAM_NAMES", "", "parameter name %q is empty or used twice", p.Name)
		}
		seen[p.Name] = true
	}
	if len(params) == 0 {
		return fault.E(fault.Internal, "PARAM_NAMES", "", "the model has no parameters")
	}
	return nil
}

// resume goes to the state of the newest checkpoint, or stays at the start where there is none.
func (r *run) resume() error {
	fingerprint, err := r.cfg.fingerprint(r.task)
	if err != nil {
		return err
	}
	r.Fingerprint = fingerprint
	c, skipped, err := load(r.dir, fingerprint, r.state)
	if err != nil {
		return err
	}
	for _, s := range skipped {
		r.emit(Event{Kind: Warning, Err: s})
	}
	if c == nil {
		return nil
	}
	r.counters = *c
	r.saved, r.from = stepFile(c.Steps), c.Steps
	r.earlier = readClock(r.dir)
	for _, p := range r.params {
		p.Changed()
	}
	return nil
}

// saveBest stores the averaged weights as the best so far.
func (r *run) saveBest() error {
	text, err := json.Marshal(counters{Fingerprint: r.Fingerprint, Steps: r.Steps, Metrics: r.Metrics})
	if err != nil {
		return fault.Wrap("train.checkpoint", err)
	}
	if err := write(filepath.Join(r.dir, bestFile), r.average, string(text)); err != nil {
		return checkpointError(bestFile, err)
	}
	return nil
}

// loadBest returns copies of the weights that saveBest stored.
func (r *run) loadBest() ([]weights.Param, error) {
	best := make([]weights.Param, len(r.average))
	for i, p := range r.average {
		best[i] = weights.Param{Name: p.Name, Tensor: tensor.New(p.Tensor.DType(), p.Tensor.Shape()...)}
	}
	path := filepath.Join(r.dir, bestFile)
	c, err := loadOne(path, r.Fingerprint, best)
	if err == nil && c.Steps != r.BestStep {
		err = fmt.Errorf("it holds step %d, not %d", c.Steps, r.BestStep)
	}
	if err != nil {
		return nil, fault.E(fault.Corrupt, "CHECKPOINT_CORRUPT", "train.best", "%s cannot be used: %w", bestFile,
			cause(err))
	}
	return best, nil
}
