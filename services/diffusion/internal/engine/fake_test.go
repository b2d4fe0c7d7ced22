package engine

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// The tensor pool's workers belong to the process.
func TestMain(m *testing.M) {
	const worker = "github.com/manifold-gen/manifold/shared/tensor/internal/pool.(*workers)."
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(worker+"worker"))
}

// The fake's classes; the last two misbehave.
const (
	classNaN   = 3
	classPanic = 4
	classes    = 5
)

// fake is a denoiser without a network: every output depends on all of its row, its timestep and its class.
type fake struct {
	size int
	mu   sync.Mutex
	rows []int         // of each pass
	gate chan struct{} // when set, every pass waits for a token
	in   chan struct{} // when set, every pass announces itself
}

func (f *fake) Denoise(dst, x, timestep []float32, class []int32) {
	f.mu.Lock()
	f.rows = append(f.rows, len(class))
	gate, in := f.gate, f.in
	f.mu.Unlock()
	if in != nil {
		in <- struct{}{}
	}
	if gate != nil {
		<-gate
	}
	for r, c := range class {
		row, out := x[r*f.size:(r+1)*f.size], dst[r*f.size:(r+1)*f.size]
		mean := float32(0)
		for _, v := range row {
			mean += v / float32(f.size)
		}
		for i, v := range row {
			out[i] = float32(0.6*v) + float32(0.1*mean) + float32(c)*0.05 + timestep[r]*1e-5
		}
		switch c {
		case classNaN:
			out[0] = float32(math.NaN())
		case classPanic:
			panic(&tensor.Error{Op: "Fake", Msg: "asked to"})
		}
	}
}

func (f *fake) passes() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.rows)
}

// hold makes every pass from now on announce itself and wait for a token.
func (f *fake) hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gate, f.in = make(chan struct{}), make(chan struct{})
}

// free lets passes run again.
func (f *fake) free() {
	f.mu.Lock()
	gate := f.gate
	f.gate, f.in = nil, nil
	f.mu.Unlock()
	close(gate)
}

var cosine = schedule.Cosine(1000)

func fakeModel() (Model, *fake) {
	f := &fake{size: 4 * 4}
	return Model{
		Name: "fake@1", Height: 4, Width: 4, Channels: 1, Classes: classes,
		Schedule: cosine, Prediction: schedule.V, Clip: true, Denoiser: f,
	}, f
}

func start(t *testing.T, m Model, cfg Config) *Engine {
	t.Helper()
	e, err := New(m, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func benchSampler(b *testing.B, name string) sampler.Sampler {
	b.Helper()
	s, err := sampler.New(name, cosine, sampler.Config{Steps: 100})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func mustSampler(t *testing.T, name string, steps int) sampler.Sampler {
	t.Helper()
	s, err := sampler.New(name, cosine, sampler.Config{Steps: steps})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// outcome is all that a stream gave.
type outcome struct {
	steps    []StepDone
	previews []Preview
	states   []State
	result   *Result
	err      error
}

func read(ctx context.Context, s *Stream) outcome {
	var o outcome
	for {
		e, err := s.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return o
		case err != nil:
			o.err = err
			return o
		case e.Step != nil:
			o.steps = append(o.steps, *e.Step)
		case e.Preview != nil:
			o.previews = append(o.previews, *e.Preview)
		case e.State != nil:
			o.states = append(o.states, *e.State)
		case e.Result != nil:
			o.result = e.Result
		}
	}
}

func run(t *testing.T, e *Engine, r Request) outcome {
	t.Helper()
	s, err := e.Submit(t.Context(), r)
	if err != nil {
		return outcome{err: err}
	}
	return read(t.Context(), s)
}

func mustRun(t *testing.T, e *Engine, r Request) outcome {
	t.Helper()
	o := run(t, e, r)
	if o.err != nil || o.result == nil {
		t.Fatalf("%+v: %v", r, o.err)
	}
	return o
}

// samePix compares pictures byte by byte.
func samePix(a, b [][]byte) bool {
	return slices.EqualFunc(a, b, func(x, y []byte) bool { return slices.Equal(x, y) })
}
