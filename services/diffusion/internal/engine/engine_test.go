package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Eight requests at different steps, with different samplers, classes and guidance, share one pass per tick: the
// number of passes is that of the longest of them, not their sum.
func TestOneForwardPerTick(t *testing.T) {
	m, f := fakeModel()
	e := start(t, m, Config{})
	var requests []Request
	longest, rowsPerTick := 0, 0
	for i := range 8 {
		s := mustSampler(t, sampler.Names()[i%5], 5+3*i)
		r := Request{Seed: uint64(i), Classes: []int32{int32(i % 3)}, Sampler: s, Guidance: 1 + float64(i%2)}
		requests = append(requests, r)
		longest = max(longest, s.Evaluations())
		rowsPerTick += r.rows()
	}
	f.hold()
	var streams []*Stream
	for i, r := range requests {
		s, err := e.Submit(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
		if i == 0 {
			<-f.in // the first request's first pass is under way; the others wait
		}
	}
	warm := len(f.passes()) - 1
	f.free()
	for i, s := range streams {
		o := read(t.Context(), s)
		if o.err != nil || len(o.steps) != requests[i].Sampler.Steps() {
			t.Fatalf("request %d: %d steps, %v", i, len(o.steps), o.err)
		}
	}
	passes := f.passes()[warm:]
	if got := e.Forwards(); got != int64(len(passes)) || got > int64(longest+1) {
		t.Errorf("%d passes counted, %d seen, at most %d expected", got, len(passes), longest+1)
	}
	if passes[0] != 1 || passes[1] != rowsPerTick {
		t.Errorf("passes of %v rows, want 1 and then %d", passes[:2], rowsPerTick)
	}
}

// Alone or together, in passes of any size, a request's bytes are the same.
func TestBatchDoesNotMatter(t *testing.T) {
	m, _ := fakeModel()
	alone := start(t, m, Config{})
	var requests []Request
	for i := range 12 {
		r := Request{
			Seed: uint64(i / 2), Sampler: mustSampler(t, sampler.Names()[i%5], 3+i), Guidance: 1 + float64(i%3)/2,
			Classes: []int32{0, 1, 2, Unconditional}[:1+i%4], PreviewEvery: 1 + i%3, PreviewEstimate: i%2 == 0,
		}
		requests = append(requests, r)
	}
	var want []outcome
	for _, r := range requests {
		want = append(want, mustRun(t, alone, r))
	}
	for _, maxRows := range []int{1, 2, 7, 32} {
		e := start(t, m, Config{MaxRows: maxRows, MaxActiveRows: 64})
		var streams []*Stream
		for _, r := range requests {
			s, err := e.Submit(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
		}
		for i, s := range streams {
			o := read(t.Context(), s)
			if o.err != nil || !samePix(o.result.Pix, want[i].result.Pix) {
				t.Errorf("passes of %d: request %d differs: %v", maxRows, i, o.err)
			}
			for _, p := range o.previews {
				k := slices.IndexFunc(want[i].previews, func(q Preview) bool { return q.Step == p.Step })
				if k >= 0 && !samePix(p.Pix, want[i].previews[k].Pix) {
					t.Errorf("passes of %d: preview %d of request %d differs", maxRows, p.Step, i)
				}
			}
		}
	}
	// Picture i of a request equals picture i of a larger one.
	s := mustSampler(t, "ddpm", 9)
	small := mustRun(t, alone, Request{Seed: 5, Classes: []int32{1, 2}, Sampler: s, Guidance: 1})
	large := mustRun(t, alone, Request{Seed: 5, Classes: []int32{1, 2, 0, 1, 2}, Sampler: s, Guidance: 1})
	if !samePix(small.result.Pix, large.result.Pix[:2]) {
		t.Error("the first pictures of a larger request differ")
	}
}

// From the state after any evaluation of any sampler the rest is the same, byte by byte.
func TestResumeEverywhere(t *testing.T) {
	m, _ := fakeModel()
	e := start(t, m, Config{StateInterval: -1})
	for _, name := range sampler.Names() {
		r := Request{
			Seed: 11, Classes: []int32{0, 2}, Sampler: mustSampler(t, name, 7), Guidance: 2.5,
			PreviewEvery: 2, States: true,
		}
		whole, states := collect(t, e, r)
		if want := r.Sampler.Evaluations() - 1; len(states) != want {
			t.Fatalf("%s: %d states, want %d", name, len(states), want)
		}
		for _, st := range states {
			again := r
			again.States = false
			for _, b := range st.Pictures {
				s := new(sampler.State)
				if err := s.UnmarshalBinary(b); err != nil {
					t.Fatal(err)
				}
				again.Resume = append(again.Resume, s)
			}
			o := mustRun(t, e, again)
			if !samePix(o.result.Pix, whole.result.Pix) {
				t.Errorf("%s from evaluation %d: other pictures", name, st.Evaluation)
			}
			if want := r.Sampler.Evaluations() - st.Evaluation; o.result.Evaluations != want {
				t.Errorf("%s from evaluation %d: %d evaluations, want %d", name, st.Evaluation, o.result.Evaluations, want)
			}
			if o.steps[0].Step != st.Step+1 || len(o.steps) != 7-st.Step {
				t.Errorf("%s from step %d: steps begin at %d", name, st.Step, o.steps[0].Step)
			}
			for i, s := range o.steps {
				w := whole.steps[st.Step+i]
				if s.Step != w.Step || s.Timestep != w.Timestep || s.Noise != w.Noise {
					t.Errorf("%s from step %d: %+v, want %+v", name, st.Step, s, w)
				}
			}
			for _, p := range o.previews {
				k := slices.IndexFunc(whole.previews, func(q Preview) bool { return q.Step == p.Step })
				if k < 0 || !samePix(p.Pix, whole.previews[k].Pix) {
					t.Errorf("%s from step %d: preview %d differs", name, st.Step, p.Step)
				}
			}
		}
	}
}

// collect reads a stream as fast as it is written, so that no state is replaced by the next one.
func collect(t *testing.T, e *Engine, r Request) (outcome, []State) {
	t.Helper()
	f, ok := e.model.Denoiser.(*fake)
	if !ok {
		t.Fatal("not the fake")
	}
	f.hold()
	s, err := e.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var o outcome
	for range r.Sampler.Evaluations() {
		<-f.in
		for s.Pending() > 0 {
			ev, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			o.add(ev)
		}
		f.gate <- struct{}{}
	}
	f.mu.Lock()
	f.gate, f.in = nil, nil
	f.mu.Unlock()
	rest := read(t.Context(), s)
	if rest.err != nil {
		t.Fatal(rest.err)
	}
	o.steps = append(o.steps, rest.steps...)
	o.previews = append(o.previews, rest.previews...)
	o.states = append(o.states, rest.states...)
	o.result = rest.result
	return o, o.states
}

func (o *outcome) add(e Event) {
	switch {
	case e.Step != nil:
		o.steps = append(o.steps, *e.Step)
	case e.Preview != nil:
		o.previews = append(o.previews, *e.Preview)
	case e.State != nil:
		o.states = append(o.states, *e.State)
	}
}

// A thousand requests given up at any point, some while they wait: no pass but the one under way serves them, and
// nothing of them is left.
func TestCancelAThousandTimes(t *testing.T) {
	m, f := fakeModel()
	e := start(t, m, Config{MaxActiveRows: 4})
	random := rand.New(rand.NewPCG(1, 2))
	s := mustSampler(t, "heun", 50)
	other := mustSampler(t, "ddim", 400)
	for i := range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		r := Request{Seed: 1, Classes: []int32{0, 1}, Sampler: s, Guidance: 1 + float64(i%2), States: i%3 == 0}
		var busy *Stream
		if i%4 == 0 { // something else keeps the engine busy, so that the request waits
			var err error
			busy, err = e.Submit(t.Context(), Request{Classes: []int32{0, 0, 0, 0}, Sampler: other, Guidance: 1})
			if err != nil {
				t.Fatal(err)
			}
		}
		stream, err := e.Submit(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		for range random.IntN(20) {
			if _, err := stream.Next(ctx); err != nil || busy != nil {
				break
			}
		}
		cancel()
		before := len(f.passes())
		o := read(t.Context(), stream)
		if o.result == nil && fault.KindOf(o.err) != fault.Cancelled {
			t.Fatalf("ended with %v", o.err)
		}
		if busy != nil {
			busy.Close()
			read(t.Context(), busy)
		} else if after := len(f.passes()); after > before+1 {
			t.Fatalf("%d passes after the request was given up", after-before)
		}
		if n := e.Live(); n != 0 {
			t.Fatalf("%d requests left", n)
		}
		if e.queue.Len() != 0 {
			t.Fatal("the queue is not empty")
		}
	}
	runtime.GC()
	if got := mustRun(t, e, Request{Seed: 3, Classes: []int32{1}, Sampler: s, Guidance: 1}); len(got.steps) != 50 {
		t.Errorf("%d steps afterwards", len(got.steps))
	}
}

func TestDeadline(t *testing.T) {
	m, f := fakeModel()
	e := start(t, m, Config{})
	s := mustSampler(t, "ddim", 1000)
	t.Run("passes while it runs", func(t *testing.T) {
		f.hold()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		e.meter.Reset() // nothing measured: admitted
		stream, err := e.Submit(ctx, Request{Classes: []int32{0}, Sampler: s, Guidance: 1})
		if err != nil {
			t.Fatal(err)
		}
		<-f.in
		<-ctx.Done()
		f.free()
		if o := read(t.Context(), stream); fault.KindOf(o.err) != fault.Deadline {
			t.Errorf("ended with %v", o.err)
		}
	})
	t.Run("cannot be met", func(t *testing.T) {
		e.meter.Reset()
		e.meter.Observe(1, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := e.Submit(ctx, Request{Classes: []int32{0}, Sampler: s, Guidance: 1})
		if fault.ReasonOf(err) != "DEADLINE_TOO_SHORT" || fault.KindOf(err) != fault.Deadline {
			t.Errorf("1000 s of work in 60 s: %v", err)
		}
		f.hold()
		busy, err := e.Submit(t.Context(), Request{Classes: make([]int32, 64), Sampler: s, Guidance: 1})
		if err != nil {
			t.Fatal(err)
		}
		<-f.in
		_, err = e.Submit(ctx, Request{Classes: []int32{0}, Sampler: mustSampler(t, "ddim", 50), Guidance: 1})
		if fault.ReasonOf(err) != "DEADLINE_UNREACHABLE" || fault.KindOf(err) != fault.Overloaded {
			t.Errorf("50 s of work beside 64 times as much: %v", err)
		}
		busy.Close()
		f.free()
		read(t.Context(), busy)
		if e.Live() != 0 {
			t.Error("a refused request is still there")
		}
	})
}

// A reader that does not read loses previews; steps and the result wait for it, and others are not held up.
func TestSlowReader(t *testing.T) {
	m, _ := fakeModel()
	e := start(t, m, Config{})
	s := mustSampler(t, "ddim", 100)
	slow, err := e.Submit(t.Context(), Request{Seed: 1, Classes: []int32{0}, Sampler: s, Guidance: 1, PreviewEvery: 1})
	if err != nil {
		t.Fatal(err)
	}
	mustRun(t, e, Request{Seed: 2, Classes: []int32{0}, Sampler: mustSampler(t, "ddim", 1000), Guidance: 1})
	o := read(t.Context(), slow)
	if len(o.steps) != 100 || o.result == nil {
		t.Errorf("%d steps, result %v", len(o.steps), o.result != nil)
	}
	if len(o.previews) != 100 {
		t.Errorf("%d previews of 100 that fit into what may wait", len(o.previews))
	}
}

func TestFailuresStayAlone(t *testing.T) {
	m, f := fakeModel()
	e := start(t, m, Config{})
	s := mustSampler(t, "ddim", 20)
	good := Request{Seed: 9, Classes: []int32{0, 1}, Sampler: s, Guidance: 1.5}
	want := mustRun(t, e, good)

	t.Run("values that are not finite", func(t *testing.T) {
		f.hold()
		a, err := e.Submit(t.Context(), good)
		if err != nil {
			t.Fatal(err)
		}
		<-f.in
		b, err := e.Submit(t.Context(), Request{Classes: []int32{0, classNaN}, Sampler: s, Guidance: 1})
		if err != nil {
			t.Fatal(err)
		}
		f.free()
		if o := read(t.Context(), b); fault.ReasonOf(o.err) != "NOT_FINITE" {
			t.Errorf("the bad one: %v", o.err)
		}
		if o := read(t.Context(), a); o.err != nil || !samePix(o.result.Pix, want.result.Pix) {
			t.Errorf("the good one: %v", o.err)
		}
	})
	t.Run("a panic", func(t *testing.T) {
		o := run(t, e, Request{Classes: []int32{classPanic}, Sampler: s, Guidance: 1})
		if fault.KindOf(o.err) != fault.Internal {
			t.Errorf("the bad one: %v", o.err)
		}
		if o := mustRun(t, e, good); !samePix(o.result.Pix, want.result.Pix) {
			t.Error("a later one differs")
		}
	})
	t.Run("requests that make no sense", func(t *testing.T) {
		half, _ := collectState(t, e, good)
		rows := map[string]Request{
			"no pictures":   {Sampler: s, Guidance: 1},
			"65 pictures":   {Classes: make([]int32, 65), Sampler: s, Guidance: 1},
			"class 5":       {Classes: []int32{5}, Sampler: s, Guidance: 1},
			"class -2":      {Classes: []int32{-2}, Sampler: s, Guidance: 1},
			"NaN guidance":  {Classes: []int32{0}, Sampler: s, Guidance: math.NaN()},
			"short resume":  {Classes: []int32{0, 1}, Sampler: s, Guidance: 1, Resume: half[:1]},
			"other sampler": {Classes: []int32{0, 1}, Sampler: mustSampler(t, "heun", 20), Guidance: 1, Resume: half},
			"fewer steps":   {Classes: []int32{0, 1}, Sampler: mustSampler(t, "ddim", 3), Guidance: 1, Resume: half},
		}
		for name, r := range rows {
			o := run(t, e, r)
			if k := fault.KindOf(o.err); k != fault.Invalid && k != fault.Precondition {
				t.Errorf("%s: %v", name, o.err)
			}
		}
	})
	if e.Live() != 0 {
		t.Errorf("%d requests left", e.Live())
	}
}

// collectState returns the states of a request after 10 steps.
func collectState(t *testing.T, e *Engine, r Request) ([]*sampler.State, outcome) {
	t.Helper()
	j := newJob(t.Context(), r, &e.model)
	for _, s := range j.states {
		s.Step = 10
	}
	return j.states, outcome{}
}
