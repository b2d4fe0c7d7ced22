package engine

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// fake is a model of pictures of 2x2 pixels and codes of two numbers whose results are easy to predict.
type fake struct {
	mu     sync.Mutex
	passes []int         // rows of each
	gate   chan struct{} // when not nil, a pass waits for it
	bad    float32       // a code that gives NaN
}

func (f *fake) Size() model.Size { return model.Size{Height: 2, Width: 2, Channels: 1, Code: []int{2}} }

func (f *fake) pass(rows int) {
	f.mu.Lock()
	gate := f.gate
	f.passes = append(f.passes, rows)
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

func (f *fake) Deterministic() bool { return false }

func (f *fake) Encode(mean, variance, x []float32, n int, _ []int32) {
	f.pass(n)
	for i := range n {
		mean[2*i], mean[2*i+1] = x[4*i]+x[4*i+1], x[4*i+2]+x[4*i+3]
		if variance != nil {
			variance[2*i], variance[2*i+1] = 1, 4
		}
	}
}

func (f *fake) Decode(dst, z []float32, n int, _ []int32) {
	f.pass(n)
	for i := range n {
		a, b := z[2*i]/2, z[2*i+1]/2
		if f.bad != 0 && z[2*i] == f.bad {
			a = float32(math.NaN())
		}
		copy(dst[4*i:], []float32{a, a, b, b})
	}
}

func (f *fake) Kind() model.ScoreKind { return model.LowerBound }

func (f *fake) Score(x []float32, n int, _ []int32, samples int, s rng.Stream, first uint64) (model.Score, error) {
	f.pass(n)
	r := model.Score{Kind: model.LowerBound, Samples: samples}
	for i := range n {
		u := make([]float32, 1)
		s.Uniform(u, first+uint64(i), 0, rng.General)
		r.Values = append(r.Values, float64(x[4*i])+float64(u[0]))
	}
	return r, nil
}

// coin is a chain of one unit that is tossed in every sweep.
type coin struct{ fake }

func (c *coin) StateSize() int { return 1 }
func (c *coin) Sweeps() int    { return 10 }
func (c *coin) Clamps() bool   { return false }

func (c *coin) Start(state []float32, s rng.Stream, chain uint64, init []float32, _ int32) {
	s.Uniform(state, chain, 0, rng.Latent)
	if init != nil {
		state[0] = init[0]
	}
}

func (c *coin) Sweep(runs []model.Run) {
	c.pass(len(runs))
	for _, r := range runs {
		u := make([]float32, 1)
		r.Stream.Uniform(u, r.Chain, r.Sweep, rng.General)
		r.State[0] = (r.State[0] + u[0]) / 2
	}
}

func (c *coin) Show(dst, state []float32) {
	for i := range dst {
		dst[i] = state[0]
	}
}

func (c *coin) Energy(state []float32) float64 { return -float64(state[0]) }

func start(t *testing.T, m model.Model, cfg Config) *Engine {
	t.Helper()
	e, err := New("fake", m, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func TestRowsInAnyCompany(t *testing.T) {
	f := &fake{}
	e := start(t, f, Config{MaxRows: 5})
	f.gate = make(chan struct{})
	var wg sync.WaitGroup
	for k := range 7 {
		wg.Go(func() {
			x := make([]float32, 4*3)
			for i := range x {
				x[i] = float32(k*100 + i)
			}
			mean, variance, _, err := e.Encode(t.Context(), x, 3, nil)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 3 {
				if mean[2*i] != x[4*i]+x[4*i+1] || mean[2*i+1] != x[4*i+2]+x[4*i+3] || variance[2*i+1] != 4 {
					t.Errorf("request %d, row %d: %v", k, i, mean)
				}
			}
			if y, _, err := e.Decode(t.Context(), mean, 3, nil); err != nil || y[0] != mean[0]/2 || y[11] != mean[5]/2 {
				t.Errorf("request %d: %v, %v", k, y, err)
			}
		})
	}
	for e.Live() < 7 { // all but those of the first pass wait behind it
		time.Sleep(time.Millisecond)
	}
	close(f.gate)
	wg.Wait()
	shared := false
	for _, n := range f.passes {
		shared = shared || n > 3
		if n > 5 {
			t.Errorf("a pass of %d rows, want at most 5", n)
		}
	}
	if !shared {
		t.Error("no pass was shared")
	}
	if e.Live() != 0 {
		t.Errorf("%d requests left", e.Live())
	}
}

func TestScoresDoNotDependOnChunks(t *testing.T) {
	x := make([]float32, 4*20)
	for i := range x {
		x[i] = float32(i)
	}
	var want []float64
	for _, samples := range []int{1, 1000, 5000} { // 20, 4 and 1 pictures in a pass
		e := start(t, &fake{}, Config{})
		s, _, err := e.Score(t.Context(), x, 20, nil, samples, rng.New(3))
		if err != nil || len(s.Values) != 20 {
			t.Fatalf("%d scores, %v", len(s.Values), err)
		}
		if want == nil {
			want = s.Values
		}
		if !slices.Equal(s.Values, want) {
			t.Errorf("%d samples: %v, want %v", samples, s.Values, want)
		}
	}
}

type outcome struct {
	sweeps []Sweep
	states []State
	result *Result
	err    error
}

func read(ctx context.Context, s *Stream) (o outcome) {
	for {
		e, err := s.Next(ctx)
		switch {
		case err != nil:
			if !errors.Is(err, io.EOF) {
				o.err = err
			}
			return o
		case e.Sweep != nil:
			o.sweeps = append(o.sweeps, *e.Sweep)
		case e.State != nil:
			o.states = append(o.states, *e.State)
		case e.Result != nil:
			o.result = e.Result
		}
	}
}

func chains(t *testing.T, e *Engine, r ChainRequest) outcome {
	t.Helper()
	s, err := e.Chains(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	o := read(t.Context(), s)
	if o.err != nil || o.result == nil {
		t.Fatalf("ended with %v", o.err)
	}
	return o
}

func request(n, sweeps int) ChainRequest {
	return ChainRequest{Seed: 5, N: n, Sweeps: sweeps, Every: 1, Temperature: 1, Class: model.Unconditional}
}

func TestChainsInAnyCompany(t *testing.T) {
	alone := chains(t, start(t, &coin{}, Config{}), request(3, 20))
	if len(alone.sweeps) != 20 || len(alone.result.Pix) != 3 {
		t.Fatalf("%d sweeps, %d pictures", len(alone.sweeps), len(alone.result.Pix))
	}
	e := start(t, &coin{}, Config{MaxRows: 6})
	var wg sync.WaitGroup
	for n := 1; n <= 8; n++ {
		wg.Go(func() {
			o := chains(t, e, request(n, 20))
			for i := range min(n, 3) {
				if o.result.Energies[i] != alone.result.Energies[i] {
					t.Errorf("chain %d of %d: %v, alone %v", i, n, o.result.Energies[i], alone.result.Energies[i])
				}
			}
		})
	}
	wg.Wait()
}

func TestChainGoesOn(t *testing.T) {
	whole := chains(t, start(t, &coin{}, Config{}), request(2, 30))
	r := request(2, 30)
	r.States = true
	o := chains(t, start(t, &coin{}, Config{StateInterval: -1}), r)
	if len(o.states) == 0 {
		t.Fatal("no states")
	}
	for _, at := range []int{0, len(o.states) / 2, len(o.states) - 1} {
		r := request(2, 30)
		r.Resume = &o.states[at]
		rest := chains(t, start(t, &coin{}, Config{}), r)
		if !slices.Equal(rest.result.Energies, whole.result.Energies) {
			t.Errorf("from sweep %d: %v, want %v", r.Resume.Sweep, rest.result.Energies, whole.result.Energies)
		}
		if rest.sweeps[0].Sweep != r.Resume.Sweep+1 {
			t.Errorf("it went on with sweep %d after %d", rest.sweeps[0].Sweep, r.Resume.Sweep)
		}
	}
	bad := []State{
		{Sweep: 5, Chains: o.states[0].Chains[:1]}, {Sweep: 30, Chains: o.states[0].Chains},
		{Sweep: 0, Chains: o.states[0].Chains}, {Sweep: 5, Chains: [][]byte{{1}, {2}}},
		{Sweep: 5, Chains: [][]byte{{0, 0, 0xc0, 0x7f}, {0, 0, 0, 0}}},
	}
	e := start(t, &coin{}, Config{})
	for i := range bad {
		r := request(2, 30)
		r.Resume = &bad[i]
		if _, err := e.Chains(t.Context(), r); fault.ReasonOf(err) != "RESUME_STATE_MISMATCH" {
			t.Errorf("state %d: %v", i, err)
		}
	}
}

func TestHandOverEndsChainsWithAState(t *testing.T) {
	e := start(t, &coin{}, Config{StateInterval: time.Hour})
	r := request(1, 1_000_000)
	r.States, r.Every = true, 1000
	s, err := e.Chains(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.HandOver()
	o := read(t.Context(), s)
	if fault.ReasonOf(o.err) != "HANDED_OVER" || len(o.states) != 1 {
		t.Errorf("ended with %v and %d states", o.err, len(o.states))
	}
	if _, err := e.Chains(t.Context(), r); fault.ReasonOf(err) != "DRAINING" {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCancelStops(t *testing.T) {
	c := &coin{}
	e := start(t, c, Config{})
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := e.Chains(ctx, request(2, 1_000_000))
		if err != nil {
			t.Fatal(err)
		}
		for range i % 5 {
			_, _ = s.Next(ctx)
		}
		cancel()
		if o := read(t.Context(), s); fault.KindOf(o.err) != fault.Cancelled {
			t.Fatalf("ended with %v", o.err)
		}
	}
	if e.Live() != 0 {
		t.Errorf("%d requests left", e.Live())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if _, _, _, err := e.Encode(ctx, make([]float32, 4), 1, nil); fault.KindOf(err) != fault.Deadline {
		t.Errorf("a passed deadline: %v", err)
	}
}

func TestNotFiniteStaysAlone(t *testing.T) {
	e := start(t, &fake{bad: 7}, Config{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			z := []float32{float32(i), 1}
			_, _, err := e.Decode(t.Context(), z, 1, nil)
			if want := i == 7; (fault.ReasonOf(err) == "NOT_FINITE") != want {
				t.Errorf("code %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

func TestWhatAModelCannotDo(t *testing.T) {
	e := start(t, &fake{}, Config{})
	var u UnsupportedError
	if _, err := e.Chains(t.Context(), request(1, 1)); !errors.As(err, &u) {
		t.Errorf("chains: %v", err)
	}
	if !CanDraw(&fake{}) || CanDraw(&coin{}) {
		t.Error("codes with variances can be drawn, units of a chain cannot")
	}
}

func TestPixels(t *testing.T) {
	got := Pixels([]float32{-1, 0, 0.5, 1, 2, 1.0 / 255, 254.0 / 255})
	if want := []byte{0, 0, 128, 255, 255, 1, 254}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func BenchmarkDecodeOneRow(b *testing.B) {
	e, err := New("fake", &fake{}, Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	z := make([]float32, 2)
	for b.Loop() {
		if _, _, err := e.Decode(context.Background(), z, 1, nil); err != nil {
			b.Fatal(err)
		}
	}
}
