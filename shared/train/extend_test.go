package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// chained is a toy whose loss depends on a state that every step moves at random, as a persistent chain does.
type chained struct {
	*toy
	chain, next *tensor.Tensor
	fail        int // step after which AfterStep fails, from 1; 0: none
	after       []int
	alarms      []string
}

func newChained() *chained {
	return &chained{toy: newToy(), chain: tensor.New(tensor.Float32, 3), next: tensor.New(tensor.Float32, 3)}
}

func (c *chained) State() []weights.Param { return []weights.Param{{Name: "chain", Tensor: c.chain}} }

func (c *chained) Loss(t *autograd.Tape, b Batch) (*autograd.Value, error) {
	l, err := c.toy.Loss(t, b)
	if err != nil {
		return nil, err
	}
	for i, x := range c.chain.F32() {
		c.next.F32()[i] = float32(0.9*x) + 0.001*float32(b.Draws[0]%7)
	}
	w := tensor.New(tensor.Float32, 1)
	w.F32()[0] = 1 + c.chain.F32()[0]
	return autograd.Mul(l, t.Const(w)), nil
}

func (c *chained) AfterStep(step int, stream rng.Stream) error {
	noise := make([]float32, 3)
	stream.Normal(noise, 0, uint32(step), rng.General)
	for i, x := range c.next.F32() {
		c.chain.F32()[i] = x + 0.01*noise[i]
	}
	c.after = append(c.after, step)
	if c.fail == step+1 {
		return errors.New("the chain broke")
	}
	return nil
}

func (c *chained) Report(context.Context, []weights.Param) (Report, error) {
	return Report{Series: map[string][]float64{"chain": {float64(c.chain.F32()[0])}}, Alarms: c.alarms}, nil
}

// TestResumeWithState stops a run with a state at every kind of moment, in the midst of a step too.
func TestResumeWithState(t *testing.T) {
	for _, optimizer := range []string{AdamW, SGD} {
		cfg := toyConfig()
		cfg.Optimizer = optimizer
		if optimizer == SGD {
			cfg.Momentum = 0.9
		}
		want, err := os.ReadFile(mustRun(t, t.TempDir(), newChained(), cfg, nil).Checkpoint)
		if err != nil {
			t.Fatal(err)
		}
		for _, stop := range []int{1, 9, 10, 15, 31, 59} {
			t.Run(fmt.Sprint(optimizer, stop), func(t *testing.T) {
				dir := t.TempDir()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				_, err := Run(ctx, dir, &stopping{newChained(), 2*stop + 1, cancel}, cfg, nil)
				wantFault(t, err, fault.Cancelled, fmt.Sprintf("%d of 60 steps", stop))
				got, err := os.ReadFile(mustRun(t, dir, newChained(), cfg, nil).Checkpoint)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Error("the resumed run ends with another checkpoint")
				}
			})
		}
	}
}

// stopping cancels its run after the loss of a micro-batch, of two a step.
type stopping struct {
	*chained
	at     int
	cancel func()
}

func (s *stopping) Loss(t *autograd.Tape, b Batch) (*autograd.Value, error) {
	if s.at--; s.at == 0 {
		s.cancel()
	}
	return s.chained.Loss(t, b)
}

func TestAfterStep(t *testing.T) {
	task := newChained()
	mustRun(t, t.TempDir(), task, toyConfig(), nil)
	if len(task.after) != 60 || task.after[0] != 0 || task.after[59] != 59 {
		t.Errorf("AfterStep was called for the steps %v", task.after)
	}
	// A step that fails half way leaves no checkpoint of its own.
	dir := t.TempDir()
	task = newChained()
	task.fail = 25
	_, err := Run(context.Background(), dir, task, toyConfig(), nil)
	if err == nil || !strings.Contains(err.Error(), "the chain broke") {
		t.Errorf("the error is %v", err)
	}
	if got := checkpoints(dir); !slices.Equal(got, []string{stepFile(10), stepFile(20)}) {
		t.Errorf("the checkpoints are %q", got)
	}
}

func TestReports(t *testing.T) {
	task := newChained()
	task.alarms = []string{"dimension 3 has collapsed"}
	var at []int
	mustRun(t, t.TempDir(), task, toyConfig(), func(e Event) {
		if e.Kind != Reported {
			return
		}
		at = append(at, e.Step)
		if len(e.Series["chain"]) != 1 || !slices.Equal(e.Alarms, task.alarms) {
			t.Errorf("the report is %v, %q", e.Series, e.Alarms)
		}
	})
	if !slices.Equal(at, []int{15, 30, 45, 60}) {
		t.Errorf("there were reports after the steps %v", at)
	}
}

func TestStateNames(t *testing.T) {
	_, err := Run(context.Background(), t.TempDir(), &twins{newChained()}, toyConfig(), nil)
	wantFault(t, err, fault.Internal, `"chain"`)
}

type twins struct{ *chained }

func (d *twins) State() []weights.Param { return append(d.chained.State(), d.chained.State()...) }

func TestOptimizerConfig(t *testing.T) {
	for _, c := range []struct {
		optimizer string
		momentum  float64
		want      string
	}{
		{"adam", 0, "train.optimizer"}, {"", 0.9, "train.momentum"}, {SGD, 1, "train.momentum"}, {SGD, -1, "train.momentum"},
	} {
		_, err := Config{Steps: 1, Optimizer: c.optimizer, Momentum: c.momentum}.Defaults(1)
		wantFault(t, err, fault.Invalid, c.want)
	}
	// A run from before there was a choice goes on.
	old, err := (&Config{Steps: 1}).fingerprint(newToy())
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := (&Config{Steps: 1, Optimizer: AdamW}).fingerprint(newToy()); now != old {
		t.Error("naming the default optimiser changes the fingerprint")
	}
	if now, _ := (&Config{Steps: 1, Optimizer: SGD}).fingerprint(newToy()); now == old {
		t.Error("another optimiser has the same fingerprint")
	}
	const before = "0244e5a15fdc7f52bd13f0fd358a14cb7e4316fcae2a252f0d8e5f2b2324141a" // with numerics version 2
	if tensor.NumericsVersion == 2 && old != before {
		t.Errorf("the fingerprint is %s, not as it was", old)
	}
}

// stages are three toys, each of which begins with what the one before ended with.
func stages(opened *[]string, wrap func(stage int, t Task) Task) []Stage {
	var list []Stage
	for i := range 3 {
		name := fmt.Sprintf("layer %d", i+1)
		list = append(list, Stage{Name: name, Open: func(before []*Result) (Task, Config, error) {
			*opened = append(*opened, name)
			if len(before) != i {
				return nil, Config{}, fmt.Errorf("%d results, want %d", len(before), i)
			}
			task := newChained()
			if i > 0 {
				for j, p := range task.Params() {
					p.CopyFrom(before[i-1].Weights[j].Tensor)
					p.Changed()
				}
			}
			cfg := toyConfig()
			cfg.Seed = uint64(i + 1)
			return wrap(i, task), cfg, nil
		}})
	}
	return list
}

func plain(_ int, t Task) Task { return t }

func TestStages(t *testing.T) {
	dir := t.TempDir()
	var opened []string
	finished := 0
	results, err := Stages(context.Background(), dir, stages(&opened, plain), func(e Event) {
		if e.Stages != 3 || e.Stage != fmt.Sprintf("layer %d", e.StageIndex+1) {
			t.Errorf("an event is of stage %q, %d of %d", e.Stage, e.StageIndex, e.Stages)
		}
		if e.Kind == Finished {
			finished++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 3 || finished != 3 {
		t.Fatalf("%d results, %d stages finished", len(results), finished)
	}
	for i := range 3 {
		if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%d-layer-%[1]d", i+1), stepFile(60))); err != nil {
			t.Error(err)
		}
	}
	// Again: nothing is trained, and the results are the same.
	again, err := Stages(context.Background(), dir, stages(&opened, plain), func(e Event) {
		if e.Kind == Stepped {
			t.Errorf("stage %d was trained again", e.StageIndex)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if !bytes.Equal(encode(t, again[i].Weights), encode(t, results[i].Weights)) {
			t.Errorf("stage %d has other weights", i+1)
		}
	}
}

func TestStagesStop(t *testing.T) {
	var opened []string
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	results, err := Stages(ctx, dir, stages(&opened, plain), func(e Event) {
		if e.StageIndex == 1 && e.Step == 30 {
			cancel()
		}
	})
	wantFault(t, err, fault.Cancelled, "layer 2 (stage 2 of 3)", "30 of 60 steps")
	if len(results) != 1 {
		t.Errorf("%d results, want that of the first stage", len(results))
	}
	if len(opened) != 2 {
		t.Errorf("opened are %q", opened)
	}
	for _, bad := range [][]Stage{nil, {{Name: "a"}}, append(stages(&opened, plain), stages(&opened, plain)...)} {
		_, err := Stages(context.Background(), t.TempDir(), bad, nil)
		wantFault(t, err, fault.Internal)
	}
}
