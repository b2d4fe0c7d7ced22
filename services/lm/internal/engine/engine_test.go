package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/sample"
	"github.com/manifold-gen/manifold/shared/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cycle is a model of bytes whose next token depends on all before it.
type cycle struct {
	pause time.Duration
	limit int
}

type cycleContext struct{ sum, n int }

func (c *cycleContext) Len() int { return c.n }

const (
	size = 257
	end  = 256
)

func (*cycle) Tokens() model.Tokens { return byteTokens{} }
func (*cycle) Open() model.Context  { return &cycleContext{} }
func (c *cycle) Limit() int         { return c.limit }

func (c *cycle) Step(contexts []model.Context, further [][]int32, rows [][]float64) error {
	time.Sleep(c.pause)
	for i, x := range contexts {
		s, _ := x.(*cycleContext)
		for _, t := range further[i] {
			s.sum = s.sum*31%1009 + int(t)
			s.n++
		}
		if rows[i] == nil {
			continue
		}
		for t := range rows[i] {
			rows[i][t] = math.Inf(-1)
		}
		if s.sum == 13 {
			continue // nothing may follow
		}
		a, b := 'a'+s.sum%26, 'a'+(s.sum/26)%26
		if a == b {
			rows[i][a] = 0
			continue
		}
		rows[i][a], rows[i][b] = math.Log(0.75), math.Log(0.25)
		if s.n > 40 && s.sum%7 == 0 {
			rows[i][b], rows[i][end] = math.Inf(-1), math.Log(0.25)
		}
	}
	return nil
}

type byteTokens struct{}

func (byteTokens) Size() int            { return size }
func (byteTokens) End() int32           { return end }
func (byteTokens) Piece(t int32) string { return fmt.Sprint(t) }
func (byteTokens) Append(dst []byte, t int32, _ bool) []byte {
	if t == end {
		return dst
	}
	return append(dst, byte(t))
}

func (byteTokens) Encode(s string) ([]int32, error) {
	var l []int32
	for _, b := range []byte(s) {
		l = append(l, int32(b))
	}
	return l, nil
}

func newEngine(t *testing.T, m model.Model) *Engine {
	t.Helper()
	e, err := New("cycle@1", m, Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func prompt(s string) []int32 {
	l, _ := byteTokens{}.Encode(s)
	return l
}

func request(seed uint64) Request {
	return Request{Prompt: prompt("it was"), N: 3, Most: 60, Seed: seed, Sampling: sample.Plain(), Alternatives: 2,
		Stop: []string{"never", "comes"}}
}

// read takes all tokens of a stream and its result, without times.
func read(t *testing.T, s *Stream) (l []Token, r *Result) {
	t.Helper()
	for {
		e, err := s.Next(t.Context())
		if errors.Is(err, io.EOF) {
			r.Timing = Timing{}
			return l, r
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Result != nil {
			r = e.Result
			continue
		}
		l = append(l, *e.Token)
	}
}

func generate(t *testing.T, e *Engine, r Request) ([]Token, *Result) {
	t.Helper()
	s, err := e.Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, s)
}

// TestSameBesideOthers is the promise that a continuation does not depend on what else is going on.
func TestSameBesideOthers(t *testing.T) {
	e := newEngine(t, &cycle{})
	want := map[uint64]*Result{}
	for seed := range uint64(8) {
		_, want[seed] = generate(t, e, request(seed))
	}
	streams := map[uint64]*Stream{}
	for seed := range uint64(8) {
		s, err := e.Generate(t.Context(), request(seed))
		if err != nil {
			t.Fatal(err)
		}
		streams[seed] = s
	}
	for seed, s := range streams {
		if _, got := read(t, s); !reflect.DeepEqual(got, want[seed]) {
			t.Errorf("seed %d: %+v beside others, %+v alone", seed, got, want[seed])
		}
	}
	one := request(3)
	one.N = 1
	if _, got := generate(t, e, one); !reflect.DeepEqual(got.Continuations, want[3].Continuations[:1]) {
		t.Errorf("one continuation %+v, the first of three %+v", got.Continuations, want[3].Continuations[0])
	}
}

func TestResumeAfterEveryToken(t *testing.T) {
	e := newEngine(t, &cycle{})
	r := request(5)
	r.Sampling.Repetition, r.Sampling.Frequency = 1.1, 0.01
	all, want := generate(t, e, r)
	for at := range all {
		again := r
		again.Resume = make([]Written, r.N)
		for _, tok := range all[:at] {
			w := &again.Resume[tok.Index]
			w.Tokens = append(w.Tokens, tok.ID)
			w.Nats += tok.Nats
		}
		rest, got := generate(t, e, again)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("resumed after %d tokens: %+v, want %+v", at, got, want)
		}
		if len(rest) != len(all)-at || len(rest) > 0 && !reflect.DeepEqual(rest, all[at:]) {
			t.Fatalf("resumed after %d tokens: other tokens", at)
		}
	}
}

func TestTextsOfEventsMakeTheContinuation(t *testing.T) {
	e := newEngine(t, &cycle{})
	tokens, r := generate(t, e, request(1))
	texts := make([]strings.Builder, 3)
	for _, tok := range tokens {
		texts[tok.Index].WriteString(tok.Text)
	}
	for i, c := range r.Continuations {
		if texts[i].String() != c.Text {
			t.Errorf("continuation %d: events %q, result %q", i, texts[i].String(), c.Text)
		}
	}
	full := r.Continuations[0].Text
	stop := request(1)
	stop.Stop = []string{full[20:23]}
	at := strings.Index(full, stop.Stop[0])
	if _, got := generate(t, e, stop); got.Continuations[0].Text != full[:at] ||
		got.Continuations[0].Finish != FinishStop {
		t.Errorf("stopped before %q: %q (%s), want %q", stop.Stop[0], got.Continuations[0].Text,
			got.Continuations[0].Finish, full[:at])
	}
}

func TestWriterHoldsBack(t *testing.T) {
	type step struct{ in, out string }
	for _, c := range []struct {
		name  string
		stop  []string
		steps []step
		last  string
		ended bool
	}{
		{"characters", nil, []step{{"a\xc3", "a"}, {"\xa9", "é"}, {"\xf0\x9f\x98", ""}, {"\x80", "😀"}}, "", false},
		{"broken ones", nil, []step{{"\xc3", ""}, {"x", "\uFFFDx"}, {"\xf0\x9f", ""}}, "\uFFFD\uFFFD", false},
		{"a stop text that comes", []string{"END"}, []step{{"a E", "a "}, {"N", ""}, {"Dx", "E"}}, "", true},
		{"one that does not", []string{"END"}, []step{{"EN", ""}, {"E", "EN"}, {"N", ""}}, "EN", false},
		{"the first of two", []string{"bc", "abcd"}, []step{{"xabc", "x"}}, "a", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWriter(c.stop)
			var text string
			stopped := false
			for _, s := range c.steps {
				var got string
				if got, stopped = w.add([]byte(s.in)); !c.ended && got != s.out {
					t.Errorf("after %q: %q, want %q", s.in, got, s.out)
				}
				text += got
			}
			if !c.ended {
				if got := w.flush(); got != c.last {
					t.Errorf("at the end %q, want %q", got, c.last)
				}
			}
			if stopped != c.ended {
				t.Errorf("stopped: %v", stopped)
			}
		})
	}
}

func TestScoreEqualsGeneration(t *testing.T) {
	e := newEngine(t, &cycle{})
	tokens, r := generate(t, e, Request{Prompt: prompt("x"), N: 1, Most: 700, Seed: 9, Sampling: sample.Plain(),
		IgnoreEnd: true, Alternatives: 3})
	var ids []int32
	for _, tok := range tokens {
		if tok.ID >= 0 {
			ids = append(ids, tok.ID)
		}
	}
	got, _, err := e.Score(t.Context(), prompt("x"), ids, 3)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, v := range got.Nats {
		sum += v
		if v != tokens[i].Nats || !reflect.DeepEqual(got.Alternatives[i], tokens[i].Alternatives) {
			t.Fatalf("token %d: %v, generated with %v", i, v, tokens[i].Nats)
		}
	}
	if sum != r.Continuations[0].Nats {
		t.Errorf("sum %v, generated with %v", sum, r.Continuations[0].Nats)
	}
}

func TestCancelledRequestsLeave(t *testing.T) {
	e := newEngine(t, &cycle{pause: time.Millisecond})
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		r := request(1)
		r.Most, r.IgnoreEnd = 60_000, true
		s, err := e.Generate(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		cancel()
		s.Leave()
	}
	if n := e.Live(); n != 0 {
		t.Errorf("%d requests live", n)
	}
}

// TestSlowReaderLosesNothing has a reader who comes late: the request waits for him in bounded memory.
func TestSlowReaderLosesNothing(t *testing.T) {
	e := newEngine(t, &cycle{})
	r := request(2)
	r.Prompt, r.Most, r.IgnoreEnd, r.N = prompt("abcd"), 5_000, true, 2
	want, _ := generate(t, e, r)
	s, err := e.Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for s.Pending() < pendingTokens && e.Live() > 0 {
		time.Sleep(time.Millisecond)
	}
	if n := s.Pending(); n > pendingTokens+2 {
		t.Errorf("%d events wait", n)
	}
	if _, got := generate(t, e, request(1)); got == nil {
		t.Error("no answer beside a slow reader")
	}
	if got, _ := read(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("%d tokens, want %d", len(got), len(want))
	}
}

func TestHandOver(t *testing.T) {
	e := newEngine(t, &cycle{pause: time.Millisecond})
	r := request(1)
	r.Most, r.IgnoreEnd, r.HandOver = 60_000, true, true
	s, err := e.Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.HandOver()
	for {
		if _, err = s.Next(t.Context()); err != nil {
			break
		}
	}
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("handed over with %v", err)
	}
	if _, err := e.Generate(t.Context(), r); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("admitted while draining: %v", err)
	}
}

func TestLimitOfTheModel(t *testing.T) {
	e := newEngine(t, &cycle{limit: 10})
	r := request(1)
	r.IgnoreEnd = true
	_, got := generate(t, e, r)
	for _, c := range got.Continuations {
		if c.Tokens > 4 {
			t.Errorf("%d tokens after 6 of 10", c.Tokens)
		}
	}
	r.Prompt = prompt("it was the best")
	if _, err := e.Generate(t.Context(), r); fault.KindOf(err) != fault.Invalid {
		t.Errorf("too long a prompt: %v", err)
	}
}
