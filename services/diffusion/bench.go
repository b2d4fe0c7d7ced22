package diffusion

import (
	"cmp"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"time"

	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/services/diffusion/internal/recipe"
	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/train"
)

// ModelBench is the time of one forward pass.
type ModelBench struct {
	Model     string  `json:"model"`
	Batch     int     `json:"batch"`       // rows
	Seconds   float64 `json:"seconds"`     // of one pass, the median
	Best      float64 `json:"best"`        // of one pass, the fastest
	PerSecond float64 `json:"per_second"`  // pictures, by the median
	GFs       float64 `json:"gflops"`      // by the median, a multiplication and an addition counting as two
	FLOPs     int64   `json:"row_flop"`    // of one row
	MaxBatch  int     `json:"batch_limit"` // rows that the engine puts into a pass
	Memory
}

// Memory is what activations and, in training, gradients need; weights and the kernels' scratch are not part of it.
type Memory struct {
	PeakBytes int64 `json:"peak_bytes"` // in use at most
	LiveBytes int64 `json:"live_bytes"` // the largest live set as the tape counts it, without inputs and targets
}

func memory(m autograd.Memory) Memory { return Memory{PeakBytes: m.Peak, LiveBytes: m.Live} }

// BenchModel times forward passes of a model at several batch sizes, each the median of samples after one pass that
// does not count.
func BenchModel(ctx context.Context, store *modelstore.Store, ref string, batches []int,
	samples int) ([]ModelBench, error) {
	const op = "diffusion.BenchModel"
	if samples < 1 || len(batches) == 0 || slices.Min(batches) < 1 || slices.Max(batches) > 4096 {
		return nil, fault.InvalidField(op, "batches", "%v with %d samples, want sizes of 1 to 4096 and at least 1 sample",
			batches, samples)
	}
	models := modelstore.NewManager(store, Family, nil,
		func(ctx context.Context, e modelstore.Entry, dir string) (*engine.Loaded, error) {
			return engine.Load(ctx, e, dir, engine.Config{})
		})
	defer models.Close()
	h, err := models.Acquire(ctx, ref)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	defer h.Release()
	m := h.Model()
	var all []ModelBench
	for _, n := range batches {
		times, err := timePasses(ctx, m, n, samples)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		median := times[len(times)/2].Seconds()
		all = append(all, ModelBench{
			Model: m.Entry.Ref(), Batch: n, Seconds: median, Best: times[0].Seconds(), PerSecond: float64(n) / median,
			GFs: float64(n) * float64(m.FLOPs) / median / 1e9, FLOPs: m.FLOPs, MaxBatch: engine.DefaultMaxRows,
			Memory: memory(m.Memory()),
		})
	}
	return all, nil
}

// timePasses returns the sorted times of passes of n rows. The engine has no requests, so its model is idle.
func timePasses(ctx context.Context, m *engine.Loaded, n, samples int) ([]time.Duration, error) {
	size := m.Model.Height * m.Model.Width * m.Model.Channels
	x, out := make([]float32, n*size), make([]float32, n*size)
	timestep, class := make([]float32, n), make([]int32, n)
	times := make([]time.Duration, 0, samples)
	for i := range samples + 1 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for r := range n {
			timestep[r], class[r] = float32(r%m.Model.Schedule.T()), engine.Unconditional
		}
		begun := time.Now()
		if err := tensor.Catch(func() { m.Model.Denoiser.Denoise(out, x, timestep, class) }); err != nil {
			return nil, err
		}
		if i > 0 {
			times = append(times, time.Since(begun))
		}
	}
	slices.SortFunc(times, cmp.Compare)
	return times, nil
}

// TrainBench is the speed of training.
type TrainBench struct {
	Recipe           string  `json:"recipe"`
	Steps            int     `json:"steps"` // timed
	Batch            int     `json:"batch"` // samples of one step
	StepsPerSecond   float64 `json:"steps_per_second"`
	SamplesPerSecond float64 `json:"samples_per_second"`
	GFs              float64 `json:"gflops"` // forward and backward, taken as three forward passes
	Memory
}

// warmSteps are not timed.
const warmSteps = 5

// BenchTrain trains a recipe for a few steps below deps.Runs and publishes into a store there, not into deps.Store.
func BenchTrain(ctx context.Context, text []byte, deps TrainDeps, steps int) (TrainBench, error) {
	const op = "diffusion.BenchTrain"
	if steps < 1 {
		return TrainBench{}, fault.InvalidField(op, "steps", "%d, want at least 1", steps)
	}
	r, err := recipe.Parse(text)
	if err != nil {
		return TrainBench{}, err
	}
	scratch, err := modelstore.Open(modelstore.Root{
		Name: "bench", Dir: filepath.Join(deps.Runs, "models"), Writable: true,
	})
	if err != nil {
		return TrainBench{}, fault.Wrap(op, err)
	}
	deps.Store = scratch
	r.Train.Steps, r.Train.Epochs, r.Train.LogEvery, r.Train.Patience = warmSteps+steps, 0, 1, 0
	r.Train.EvalEvery, r.Train.PreviewEvery, r.Train.CheckpointEvery = 0, 0, 0
	r.Train.Warmup = min(r.Train.Warmup, warmSteps)
	r.Data.Select = 64 // the evaluation after the last step is not timed, but it shall not take long
	var begun, ended time.Time
	var need Memory
	e, err := r.Run(ctx, deps, func(e train.Event) {
		if e.Kind != train.Stepped {
			return
		}
		switch e.Step {
		case warmSteps:
			begun = time.Now()
		case warmSteps + steps:
			ended, need = time.Now(), memory(e.Memory)
		}
	})
	if err != nil {
		return TrainBench{}, fault.Wrap(op, err)
	}
	var c unet.Config
	if err := json.Unmarshal(e.Manifest.Config, &c); err != nil {
		return TrainBench{}, fault.Wrap(op, err)
	}
	perSecond := float64(steps) / ended.Sub(begun).Seconds()
	full, err := r.Train.Defaults(e.Manifest.Data.Samples)
	if err != nil {
		return TrainBench{}, fault.Wrap(op, err)
	}
	b := TrainBench{Recipe: r.Name, Steps: steps, Batch: full.Batch, StepsPerSecond: perSecond, Memory: need}
	b.SamplesPerSecond = perSecond * float64(b.Batch)
	b.GFs = b.SamplesPerSecond * 3 * float64(c.FLOPs()) / 1e9
	return b, nil
}
