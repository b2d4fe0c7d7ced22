package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// toy learns y = 3 x0 - 2 x1 + 1 from noisy inputs with a small network.
type toy struct {
	Hidden *nn.Linear `weights:"hidden"`
	Out    *nn.Linear `weights:"out"`

	x, y []float32

	// Hooks of single tests.
	poison int // step whose loss is made infinite; 0: none
	metric func(loss float64) map[string]float64
	steps  int // losses computed
}

const toySamples = 50

func newToy() *toy {
	t := &toy{Hidden: nn.NewLinear(2, 8, true), Out: nn.NewLinear(8, 1, true)}
	nn.Init(t, 5)
	t.x, t.y = make([]float32, 2*toySamples), make([]float32, toySamples)
	rng.New(11).Normal(t.x, 0, 0, rng.General)
	for i := range t.y {
		t.y[i] = 3*t.x[2*i] - 2*t.x[2*i+1] + 1
	}
	return t
}

func (t *toy) Params() []*nn.Param { return nn.Params(t) }
func (t *toy) Samples() int        { return toySamples }
func (t *toy) Fingerprint() string { return "toy" }

func (t *toy) forward(tape *autograd.Tape, x *tensor.Tensor) *autograd.Value {
	return t.Out.Forward(tape, autograd.SiLU(t.Hidden.Forward(tape, tape.Const(x))))
}

func (t *toy) Loss(tape *autograd.Tape, b Batch) (*autograd.Value, error) {
	t.steps++
	n := len(b.Samples)
	x, y := tensor.New(tensor.Float32, n, 2), tensor.New(tensor.Float32, n, 1)
	for i, s := range b.Samples {
		noise := make([]float32, 2)
		b.Rng.Normal(noise, b.Draws[i], uint32(b.Step), rng.Noise)
		for j := range 2 {
			x.F32()[2*i+j] = t.x[2*int(s)+j] + 0.01*noise[j]
		}
		y.F32()[i] = t.y[s]
	}
	if t.poison > 0 && b.Step+1 == t.poison {
		y.F32()[0] = float32(math.Inf(1))
	}
	return nn.MSE(t.forward(tape, x), tape.Const(y)), nil
}

func (t *toy) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	twin := newToy()
	for i, p := range nn.Params(twin) {
		p.CopyFrom(model[i].Tensor)
		p.Changed()
	}
	tape := autograd.NewTape(nil)
	x := tensor.FromFloat32(t.x, toySamples, 2)
	loss := nn.MSE(twin.forward(tape, x), tape.Const(tensor.FromFloat32(t.y, toySamples, 1)))
	if t.metric != nil {
		return t.metric(first(loss.Tensor)), nil
	}
	return map[string]float64{"loss": first(loss.Tensor)}, nil
}

func (t *toy) Preview(_ context.Context, _ []weights.Param, step int) ([]Preview, error) {
	return []Preview{{Name: fmt.Sprint(step), Image: image.NewGray(image.Rect(0, 0, 1, 1))}}, nil
}

func toyConfig() Config {
	return Config{Steps: 60, Batch: 8, Micro: 4, LearningRate: 0.02, Warmup: 5, WeightDecay: 0.01, Clip: 1, EMA: 0.95,
		Seed: 3, EvalEvery: 15, CheckpointEvery: 10, LogEvery: 7}
}

// encode gives the weights' bytes for comparison.
func encode(t *testing.T, ws []weights.Param) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w")
	if err := write(path, ws, ""); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustRun(t *testing.T, dir string, task Task, cfg Config, events func(Event)) *Result {
	t.Helper()
	res, err := Run(context.Background(), dir, task, cfg, events)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func wantFault(t *testing.T, err error, kind fault.Kind, parts ...string) {
	t.Helper()
	if fault.KindOf(err) != kind {
		t.Fatalf("error %v is of kind %v, want %v", err, fault.KindOf(err), kind)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}

func TestRunLearnsAndReports(t *testing.T) {
	dir := t.TempDir()
	cfg := toyConfig()
	cfg.Steps, cfg.PreviewEvery = 400, 200
	counts := map[EventKind]int{}
	var kinds []EventKind
	res := mustRun(t, dir, newToy(), cfg, func(e Event) {
		counts[e.Kind]++
		kinds = append(kinds, e.Kind)
		if e.Kind == Stepped && (e.LearningRate <= 0 || e.PerSecond <= 0 || !finite(e.Losses["loss"])) {
			t.Errorf("odd step event %+v", e)
		}
	})
	if res.Metrics["loss"] > 0.1 || res.Steps != 400 {
		t.Errorf("after %d steps the loss is %v, want at most 0.1", res.Steps, res.Metrics)
	}
	want := map[EventKind]int{Started: 1, Stepped: 58, Evaluated: 27, Previewed: 2, Checkpoint: 40, Finished: 1}
	for k, n := range want {
		if counts[k] != n {
			t.Errorf("%d %s events, want %d", counts[k], k, n)
		}
	}
	if kinds[0] != Started || kinds[len(kinds)-1] != Finished {
		t.Errorf("the events begin with %s and end with %s", kinds[0], kinds[len(kinds)-1])
	}
	list, _ := os.ReadDir(dir)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	if w := []string{bestFile, clockFile, lockFile, stepFile(390), stepFile(400)}; !slices.Equal(names, w) {
		t.Errorf("the directory holds %q, want %q", names, w)
	}
}

// TestResumeIsExact stops runs at every kind of moment and compares their ends with that of an undisturbed run.
func TestResumeIsExact(t *testing.T) {
	cfg := toyConfig()
	whole := t.TempDir()
	want := mustRun(t, whole, newToy(), cfg, nil)
	wantBytes := encode(t, want.Weights)
	wantFile, err := os.ReadFile(want.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, stop := range []int{1, 9, 10, 15, 31, 45, 59} {
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(context.Background())
			// Cancelling from an event of the step stops it before whatever follows: at 15 and 45 the evaluation.
			c := cfg
			c.LogEvery = 1
			_, err := Run(ctx, dir, newToy(), c, func(e Event) {
				if e.Kind == Stepped && e.Step == stop {
					cancel()
				}
			})
			wantFault(t, err, fault.Cancelled, fmt.Sprintf("%d of 60 steps", stop))
			res := mustRun(t, dir, newToy(), cfg, nil)
			if !bytes.Equal(encode(t, res.Weights), wantBytes) {
				t.Error("the resumed run ends with other weights")
			}
			if res.Metrics["loss"] != want.Metrics["loss"] {
				t.Errorf("metrics %v, want %v", res.Metrics, want.Metrics)
			}
		})
	}
	// With the same reporting interval the whole checkpoint has the same bytes, and a finished run is not run again.
	again := newToy()
	res := mustRun(t, whole, again, cfg, nil)
	if again.steps != 0 || !bytes.Equal(encode(t, res.Weights), wantBytes) {
		t.Errorf("a finished run computed %d losses", again.steps)
	}
	other := mustRun(t, t.TempDir(), newToy(), cfg, nil)
	if got, _ := os.ReadFile(other.Checkpoint); !bytes.Equal(got, wantFile) {
		t.Error("two equal runs write different checkpoints")
	}
}

func TestThreadsDoNotMatter(t *testing.T) {
	defer tensor.SetThreads(0)
	var want []byte
	for _, n := range []int{1, 2, 8} {
		tensor.SetThreads(n)
		got := encode(t, mustRun(t, t.TempDir(), newToy(), toyConfig(), nil).Weights)
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d threads give other weights", n)
		}
	}
}

func TestMicroBatchesAreMeans(t *testing.T) {
	// The sizes of micro-batches change bits, but nothing more.
	cfg := toyConfig()
	cfg.Steps = 5
	var losses []float64
	for _, micro := range []int{8, 4, 1} {
		cfg.Micro = micro
		losses = append(losses, mustRun(t, t.TempDir(), newToy(), cfg, nil).Metrics["loss"])
	}
	for _, l := range losses[1:] {
		if math.Abs(l-losses[0]) > 1e-5*losses[0] {
			t.Errorf("losses %v differ", losses)
		}
	}
}

func TestNotFiniteStopsBeforeTheOptimiser(t *testing.T) {
	dir := t.TempDir()
	bad := newToy()
	bad.poison = 33
	_, err := Run(context.Background(), dir, bad, toyConfig(), nil)
	wantFault(t, err, fault.Internal, "step 33", "learning rate", stepFile(30))
	if fault.ReasonOf(err) != "NOT_FINITE" {
		t.Errorf("the reason is %s", fault.ReasonOf(err))
	}
	for _, p := range bad.Params() {
		if !allFinite(p.Tensor) {
			t.Errorf("the bad gradient reached %s", p.Name)
		}
	}
	// The last good checkpoint is there, and a sound task goes on from it to the usual end.
	res := mustRun(t, dir, newToy(), toyConfig(), nil)
	want := mustRun(t, t.TempDir(), newToy(), toyConfig(), nil)
	if !bytes.Equal(encode(t, res.Weights), encode(t, want.Weights)) {
		t.Error("the run that went on ends with other weights")
	}
}

func TestBadWeightIsNamed(t *testing.T) {
	bad := newToy()
	bad.Out.Weight.F32()[3] = float32(math.NaN())
	_, err := Run(context.Background(), t.TempDir(), bad, toyConfig(), nil)
	wantFault(t, err, fault.Internal, "step 1", "out.weight", "no checkpoint")
}

func TestEarlyStopKeepsTheBest(t *testing.T) {
	dir := t.TempDir()
	task := newToy()
	n := 0
	values := []float64{5, 3, 4, 3.5, 2, 1}
	task.metric = func(loss float64) map[string]float64 {
		n++
		return map[string]float64{"score": values[n-1], "loss": loss}
	}
	cfg := toyConfig()
	cfg.EvalEvery, cfg.Patience, cfg.Select = 10, 2, "score"
	res := mustRun(t, dir, task, cfg, nil)
	if !res.EarlyStopped || res.Steps != 40 || res.Metrics["score"] != 3 {
		t.Fatalf("stopped early %v at step %d with %v; want step 40 with the best, 3", res.EarlyStopped, res.Steps, res.Metrics)
	}
	best, err := weights.OpenRead(filepath.Join(dir, bestFile))
	if err != nil {
		t.Fatal(err)
	}
	defer best.Close()
	for _, w := range res.Weights {
		stored, err := best.Tensor(w.Name)
		if err != nil || !slices.Equal(stored.F32(), w.Tensor.F32()) {
			t.Errorf("%s is not the best one, %v", w.Name, err)
		}
	}
	again := mustRun(t, dir, newToy(), cfg, nil)
	if again.Steps != 40 || again.Metrics["score"] != 3 || !again.EarlyStopped {
		t.Errorf("opened again it has step %d and %v", again.Steps, again.Metrics)
	}
}

func TestOneRunPerDirectory(t *testing.T) {
	dir := t.TempDir()
	var inner error
	mustRun(t, dir, newToy(), toyConfig(), func(e Event) {
		if e.Kind == Stepped && inner == nil {
			_, inner = Run(context.Background(), dir, newToy(), toyConfig(), nil)
		}
	})
	wantFault(t, inner, fault.Precondition, "another run")
	if strings.Contains(inner.Error(), dir) {
		t.Errorf("the error shows the directory: %v", inner)
	}
}

func TestOtherRunIsNotResumed(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, dir, newToy(), toyConfig(), nil)
	for name, change := range map[string]func(*Config){
		"seed":  func(c *Config) { c.Seed++ },
		"steps": func(c *Config) { c.Steps++ },
		"rate":  func(c *Config) { c.LearningRate *= 2 },
	} {
		cfg := toyConfig()
		change(&cfg)
		_, err := Run(context.Background(), dir, newToy(), cfg, nil)
		if fault.KindOf(err) != fault.Precondition {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := toyConfig()
	cfg.LogEvery, cfg.CheckpointEvery = 1, 1
	mustRun(t, dir, newToy(), cfg, nil)
}

func TestDamagedCheckpointIsPassedOver(t *testing.T) {
	want := encode(t, mustRun(t, t.TempDir(), newToy(), toyConfig(), nil).Weights)
	dir := t.TempDir()
	stopAt(t, dir, 45)
	all := checkpoints(dir)
	if len(all) != 2 {
		t.Fatalf("checkpoints %q, want two", all)
	}
	if err := os.Truncate(filepath.Join(dir, all[1]), 100); err != nil {
		t.Fatal(err)
	}
	var warned error
	res := mustRun(t, dir, newToy(), toyConfig(), func(e Event) {
		if e.Kind == Warning {
			warned = e.Err
		}
	})
	wantFault(t, warned, fault.Corrupt, all[1])
	if !bytes.Equal(encode(t, res.Weights), want) {
		t.Error("the run resumed from the older checkpoint ends with other weights")
	}
	// With none left that can be read, nothing is thrown away.
	for _, name := range checkpoints(dir) {
		if err := os.Truncate(filepath.Join(dir, name), 50); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Run(context.Background(), dir, newToy(), toyConfig(), nil)
	wantFault(t, err, fault.Corrupt, "none of 2 checkpoints")
}

// stopAt cancels a run of the toy after some steps.
func stopAt(t *testing.T, dir string, step int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cfg := toyConfig()
	cfg.LogEvery = 1
	_, err := Run(ctx, dir, newToy(), cfg, func(e Event) {
		if e.Kind == Stepped && e.Step == step {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestCancelStopsWithinOneMicroBatch(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	task := newToy()
	counted := 0
	_, err := Run(ctx, t.TempDir(), &cancelling{toy: task, after: 5, cancel: cancel, count: &counted}, toyConfig(), nil)
	wantFault(t, err, fault.Cancelled, "stopped after 2 of 60 steps")
	if counted != 5 {
		t.Errorf("%d micro-batches were computed, want 5", counted)
	}
}

// cancelling cancels the run in the midst of a micro-batch.
type cancelling struct {
	*toy
	after  int
	cancel context.CancelFunc
	count  *int
}

func (c *cancelling) Loss(t *autograd.Tape, b Batch) (*autograd.Value, error) {
	*c.count++
	if *c.count == c.after {
		c.cancel()
	}
	return c.toy.Loss(t, b)
}

func TestShapeErrorOfATaskIsAnError(t *testing.T) {
	_, err := Run(context.Background(), t.TempDir(), misshapen{newToy()}, toyConfig(), nil)
	wantFault(t, err, fault.Internal, "step 1", "tensor.")
}

type misshapen struct{ *toy }

func (m misshapen) Loss(t *autograd.Tape, _ Batch) (*autograd.Value, error) {
	return m.forward(t, tensor.New(tensor.Float32, 3, 3)), nil
}

func TestConfigErrors(t *testing.T) {
	rows := map[string]Config{
		"steps and epochs": {Steps: 1, Epochs: 1},
		"neither":          {},
		"batch":            {Steps: 1, Batch: -1, Micro: 1},
		"micro":            {Steps: 1, Batch: 8, Micro: 3},
		"learning_rate":    {Steps: 1, LearningRate: math.NaN()},
		"clip":             {Steps: 1, Clip: -1},
		"ema":              {Steps: 1, EMA: 1},
		"patience":         {Steps: 1, Patience: 1},
		"many steps":       {Steps: 1 << 40},
		"epochs":           {Epochs: math.Inf(1)},
	}
	for name, cfg := range rows {
		if _, err := cfg.Defaults(10); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg, err := Config{Epochs: 2.5, Batch: 96}.Defaults(1000)
	if err != nil || cfg.Steps != 27 || cfg.Micro != 32 {
		t.Errorf("2.5 epochs of 1000 in batches of 96: %d steps, micro-batches of %d, %v; want 27 and 32", cfg.Steps, cfg.Micro, err)
	}
	if _, err := (Config{Steps: 1}).Defaults(0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no samples: %v", err)
	}
}

func TestOrderVisitsEverySampleOncePerEpoch(t *testing.T) {
	o := newOrder(1, 10)
	b := Batch{Samples: make([]int32, 4), Draws: make([]uint64, 4)}
	var all []int32
	for p := uint64(0); p < 40; p += 4 {
		o.fill(&b, p)
		all = append(all, b.Samples...)
	}
	for e := range 4 {
		epoch := slices.Clone(all[10*e : 10*e+10])
		if e > 0 && slices.Equal(epoch, all[:10]) {
			t.Error("two epochs have the same order")
		}
		slices.Sort(epoch)
		if !slices.Equal(epoch, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("epoch %d visits %v", e, epoch)
		}
	}
	o.fill(&b, 12) // going back, as a resumed run may
	if !slices.Equal(b.Samples, all[12:16]) {
		t.Error("a position gives another sample when it is visited again")
	}
}
