package batch

import (
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		rows := []struct {
			name   string
			need   Need
			reason string
			kind   fault.Kind
			retry  time.Duration
		}{
			{"no deadline", Need{Finish: time.Hour}, "", fault.None, 0},
			{"nothing measured", Need{Deadline: in(time.Second)}, "", fault.None, 0},
			{"in time", Need{in(time.Second), 100 * time.Millisecond, 900 * time.Millisecond}, "", fault.None, 0},
			{"behind others", Need{in(time.Second), 100 * time.Millisecond, 3 * time.Second},
				"DEADLINE_UNREACHABLE", fault.Overloaded, 2 * time.Second},
			{"just missed", Need{in(time.Second), 100 * time.Millisecond, time.Second + 1},
				"DEADLINE_UNREACHABLE", fault.Overloaded, minRetry},
			{"far behind", Need{in(time.Second), 100 * time.Millisecond, 3 * time.Hour},
				"DEADLINE_UNREACHABLE", fault.Overloaded, maxRetry},
			{"never", Need{in(time.Second), 2 * time.Second, 3 * time.Second}, "DEADLINE_TOO_SHORT", fault.Deadline, 0},
			{"over", Need{Deadline: in(-time.Second)}, "DEADLINE_EXCEEDED", fault.Deadline, 0},
		}
		for i, r := range rows {
			q := NewQueue[int](100)
			err := q.Push(i, r.need)
			if fault.ReasonOf(err) != r.reason || fault.KindOf(err) != r.kind {
				t.Errorf("%s: %v", r.name, err)
			}
			var e *fault.Error
			if errors.As(err, &e) && e.RetryAfter != r.retry {
				t.Errorf("%s: retry after %v, want %v", r.name, e.RetryAfter, r.retry)
			}
			if (q.Len() == 1) != (err == nil) {
				t.Errorf("%s: %d waiting", r.name, q.Len())
			}
		}
	})
}

func TestQueueOrderAndBounds(t *testing.T) {
	q := NewQueue[int](3)
	for i := range 3 {
		if err := q.Push(i, Need{}); err != nil {
			t.Fatal(err)
		}
	}
	var e *fault.Error
	if err := q.Push(3, Need{}); !errors.As(err, &e) || e.Reason != "QUEUE_FULL" || e.RetryAfter < minRetry {
		t.Fatalf("a fourth of three: %v", err)
	}
	<-q.Ready()
	if _, ok := q.Pop(func(i int) bool { return i == 1 }); ok {
		t.Error("1 overtook 0")
	}
	if !q.Remove(1) || q.Remove(1) {
		t.Error("Remove")
	}
	if i, ok := q.Pop(nil); !ok || i != 0 {
		t.Errorf("popped %d, %v", i, ok)
	}
	if got := q.Items(); !slices.Equal(got, []int{2}) {
		t.Errorf("left %v", got)
	}
	boom := errors.New("closed")
	if left := q.Close(boom); !slices.Equal(left, []int{2}) {
		t.Errorf("closed with %v", left)
	}
	if err := q.Push(9, Need{}); !errors.Is(err, boom) {
		t.Errorf("pushed after Close: %v", err)
	}
	if _, ok := q.Pop(nil); ok {
		t.Error("popped after Close")
	}
}

func TestQueueConcurrently(t *testing.T) {
	q := NewQueue[int](10_000)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				if err := q.Push(g*1000+i, Need{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := [4]int{}
	for n := 0; n < 2000; {
		<-q.Ready()
		for {
			v, ok := q.Pop(nil)
			if !ok {
				break
			}
			if v%1000 != next[v/1000] {
				t.Fatalf("producer %d: %d before %d", v/1000, v%1000, next[v/1000])
			}
			next[v/1000]++
			n++
		}
	}
	wg.Wait()
}

func TestMeter(t *testing.T) { synctest.Test(t, testMeter) }

func testMeter(t *testing.T) {
	var m Meter
	if m.Estimate(4) != 0 || m.Estimate(0) != 0 {
		t.Error("estimates without measurements")
	}
	m.Observe(0, time.Second)
	m.Observe(4, 8*time.Millisecond)
	for rows, ms := range map[int]int64{4: 8, 6: 12, 1: 2, 100: 200} {
		if got := m.Estimate(rows).Round(time.Microsecond).Milliseconds(); got != ms {
			t.Errorf("%d rows: %d ms, want %d", rows, got, ms)
		}
	}
	m.Observe(64, 64*time.Millisecond)
	if got := m.Estimate(16); got.Round(time.Microsecond) != 16*time.Millisecond {
		t.Errorf("between two classes: %v, want the larger one's 16ms", got)
	}
	for range 100 {
		m.Observe(4, 16*time.Millisecond)
	}
	if got := m.Estimate(4); got < 15*time.Millisecond || got > 16*time.Millisecond {
		t.Errorf("did not follow: %v", got)
	}
}

// TestMeterRecovers: one slow first batch does not keep long requests out for good, neither while others are measured
// nor on a server that is idle since.
func TestMeterRecovers(t *testing.T) {
	const (
		slow, fast = 2 * time.Second, 10 * time.Millisecond // of one batch of 8 rows
		batches    = 100
		limit      = 10 * time.Second // ten times what the request takes
	)
	ask := func(m *Meter) error {
		q := NewQueue[int](1)
		alone := batches * m.Estimate(8)
		return q.Push(1, Need{Deadline: time.Now().Add(limit), Alone: alone, Finish: alone})
	}
	synctest.Test(t, func(t *testing.T) {
		var m Meter
		m.Observe(8, slow)
		if err := ask(&m); fault.ReasonOf(err) != "DEADLINE_TOO_SHORT" {
			t.Errorf("after the slow one: %v", err)
		}
		var waited time.Duration
		for ask(&m) != nil {
			time.Sleep(time.Second)
			if waited += time.Second; waited > 10*meterHalf {
				t.Fatalf("still refused after %v of silence", waited)
			}
		}
		if waited < meterHalf {
			t.Errorf("the measurement was forgotten after %v", waited)
		}
		m.Observe(8, fast)
		if got := m.Estimate(8); got > slow*3/4 {
			t.Errorf("two measurements, %v and %v, make %v", slow, fast, got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var m Meter
		m.Observe(8, slow)
		n := 0
		for ; ask(&m) != nil; n++ {
			m.Observe(8, fast)
			time.Sleep(fast)
		}
		if n > 20 {
			t.Errorf("refused until %d fast batches were measured", n)
		}
	})
}

func TestChoose(t *testing.T) {
	rows := []struct {
		name  string
		wants []Want
		max   int
		want  []int
		rows  int
	}{
		{"none", nil, 8, []int{}, 0},
		{"all fit", []Want{{2, 1}, {3, 2}}, 8, []int{2, 3}, 8},
		{"shared", []Want{{64, 2}, {1, 1}, {64, 1}}, 8, []int{2, 1, 3}, 8},
		{"small ones first served", []Want{{8, 1}, {8, 1}, {8, 1}}, 8, []int{3, 3, 2}, 8},
		{"nothing wanted", []Want{{0, 1}, {1, 2}}, 8, []int{0, 1}, 2},
		{"larger than the batch", []Want{{2, 4}, {1, 1}}, 3, []int{1, 0}, 4},
		{"the odd row goes to who fits", []Want{{4, 2}, {4, 1}}, 4, []int{1, 2}, 4},
	}
	for _, r := range rows {
		counts := make([]int, len(r.wants))
		if n := Choose(counts, r.wants, r.max); n != r.rows || !slices.Equal(counts, r.want) {
			t.Errorf("%s: %v with %d rows, want %v with %d", r.name, counts, n, r.want, r.rows)
		}
	}
}

// pictures is an event of a step with a preview of that many bytes.
type pictures struct{ step, bytes int }

func (p pictures) PreviewBytes() int { return p.bytes }
func (p pictures) IsState() bool     { return false }

func TestPreviewsThatWait(t *testing.T) {
	for _, c := range []struct{ size, want int }{{1, 10}, {pendingPreviews / 3, 3}, {pendingPreviews + 1, 1}} {
		s := NewStream[pictures](func() {})
		for step := 1; step <= 10; step++ {
			s.Push(pictures{step: step})
			s.Push(pictures{step, c.size})
		}
		s.End(io.EOF)
		var steps, previews, last int
		for {
			e, err := s.Next(t.Context())
			if err != nil {
				break
			}
			if e.bytes == 0 {
				steps++
				continue
			}
			previews, last = previews+1, e.step
		}
		if steps != 10 || previews != c.want || last != 10 || s.previews != 0 {
			t.Errorf("%d bytes each: %d steps, %d previews up to step %d, %d bytes wait", c.size, steps, previews, last,
				s.previews)
		}
	}
}
