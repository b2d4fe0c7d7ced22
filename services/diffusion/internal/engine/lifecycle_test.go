package engine

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/shared/fault"
)

// At shutdown a stream that can go on elsewhere ends with a state; the others run to their end.
func TestHandOver(t *testing.T) {
	m, f := fakeModel()
	e := start(t, m, Config{MaxActiveRows: 3})
	s := mustSampler(t, "dpmpp_2m", 40)
	f.hold()
	movable := Request{Seed: 4, Classes: []int32{1, 2}, Sampler: s, Guidance: 1, States: true}
	a, err := e.Submit(t.Context(), movable)
	if err != nil {
		t.Fatal(err)
	}
	<-f.in
	b, err := e.Submit(t.Context(), Request{Seed: 5, Classes: []int32{1}, Sampler: s, Guidance: 1})
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := e.Submit(t.Context(), movable)
	if err != nil {
		t.Fatal(err)
	}
	f.gate <- struct{}{}
	<-f.in
	e.HandOver()
	f.free()
	o := read(t.Context(), a)
	if fault.ReasonOf(o.err) != "HANDED_OVER" || fault.KindOf(o.err) != fault.Unavailable || len(o.states) != 1 {
		t.Fatalf("%d states, %v", len(o.states), o.err)
	}
	if w := read(t.Context(), waiting); fault.ReasonOf(w.err) != "HANDED_OVER" {
		t.Errorf("the waiting one: %v", w.err)
	}
	if o := read(t.Context(), b); o.err != nil || len(o.steps) != 40 {
		t.Errorf("the other one: %d steps, %v", len(o.steps), o.err)
	}
	if _, err := e.Submit(t.Context(), movable); fault.ReasonOf(err) != "DRAINING" {
		t.Errorf("a new one: %v", err)
	}
	elsewhere := start(t, m, Config{})
	want := mustRun(t, elsewhere, movable)
	for _, p := range o.states[0].Pictures {
		st := new(sampler.State)
		if err := st.UnmarshalBinary(p); err != nil {
			t.Fatal(err)
		}
		movable.Resume = append(movable.Resume, st)
	}
	if got := mustRun(t, elsewhere, movable); !samePix(got.result.Pix, want.result.Pix) {
		t.Error("the other replica made other pictures")
	}
}

func TestClose(t *testing.T) {
	m, f := fakeModel()
	e, err := New(m, Config{MaxActiveRows: 1})
	if err != nil {
		t.Fatal(err)
	}
	f.hold()
	var streams []*Stream
	for range 3 {
		s, err := e.Submit(t.Context(), Request{Classes: []int32{0}, Sampler: mustSampler(t, "ddim", 10), Guidance: 1})
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
	}
	<-f.in
	go f.free()
	e.Close()
	e.Close()
	for i, s := range streams {
		if o := read(t.Context(), s); fault.KindOf(o.err) != fault.Unavailable {
			t.Errorf("request %d ended with %v", i, o.err)
		}
	}
}

// States take at most their share of the stream, or their rate.
func TestStatesKeepTheirBounds(t *testing.T) {
	m, _ := fakeModel()
	e := start(t, m, Config{StateInterval: time.Nanosecond})
	r := Request{Classes: []int32{0, 1}, Sampler: mustSampler(t, "ddpm", 1000), Guidance: 1, States: true}
	begun := time.Now()
	s, err := e.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	total, states, count := 0, 0, 0
	for {
		ev, err := s.Next(t.Context())
		if err != nil {
			break
		}
		bytes := 100
		if ev.State != nil {
			count++
			bytes = len(ev.State.Pictures[0]) + len(ev.State.Pictures[1]) + 100
			states += bytes
		}
		total += bytes
		s.Sent(bytes, ev.State != nil)
	}
	if float64(states) > max(0.05*float64(total), (1<<20)*time.Since(begun).Seconds()) || count == 0 {
		t.Errorf("%d states with %d of %d bytes", count, states, total)
	}
	t.Logf("%d states with %d of %d bytes", count, states, total)
}

func TestNoiseLevels(t *testing.T) {
	for _, name := range sampler.Names() {
		levels := NoiseLevels(mustSampler(t, name, 10))
		if len(levels) != 11 || levels[10] != 0 || !slices.IsSortedFunc(levels, func(a, b float64) int {
			return int(math.Copysign(1, b-a))
		}) {
			t.Errorf("%s: %v", name, levels)
		}
	}
}
