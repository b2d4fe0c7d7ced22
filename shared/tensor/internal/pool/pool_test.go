package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type count struct{ hits []atomic.Int32 }

func (c *count) Do(part int) { c.hits[part].Add(1) }

func (c *count) check(t *testing.T, each int32) {
	t.Helper()
	for i := range c.hits {
		if got := c.hits[i].Load(); got != each {
			t.Fatalf("part %d ran %d times, want %d", i, got, each)
		}
	}
}

func TestEveryPartRunsOnce(t *testing.T) {
	defer SetThreads(0)
	for _, threads := range []int{1, 2, 3, 8, 2} {
		SetThreads(threads)
		for _, parts := range []int{0, 1, 2, 7, 100} {
			c := &count{hits: make([]atomic.Int32, parts)}
			for range 50 {
				Run(parts, c)
			}
			c.check(t, 50)
		}
	}
}

func TestCallersAtTheSameTime(t *testing.T) {
	SetThreads(4)
	defer SetThreads(0)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			c := &count{hits: make([]atomic.Int32, 13)}
			for i := range 200 {
				Run(13, c)
				if i%50 == 0 {
					time.Sleep(time.Millisecond) // lets the workers park
				}
			}
			c.check(t, 200)
		})
	}
	wg.Wait()
}

type nested struct{ inner *count }

func (n nested) Do(int) { Run(len(n.inner.hits), n.inner) }

func TestNestedCallRunsInline(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	c := &count{hits: make([]atomic.Int32, 5)}
	Run(4, nested{c})
	c.check(t, 4)
}

type bomb struct{}

func (bomb) Do(part int) {
	if part == 3 {
		panic("part 3")
	}
}

func TestPanicReachesTheCaller(t *testing.T) {
	SetThreads(2)
	defer SetThreads(0)
	for range 20 {
		func() {
			defer func() {
				if r := recover(); r != "part 3" {
					t.Fatalf("recovered %v, want the panic of the part", r)
				}
			}()
			Run(8, bomb{})
		}()
	}
	c := &count{hits: make([]atomic.Int32, 8)}
	Run(8, c)
	c.check(t, 1)
}

func TestRunAllocatesNothing(t *testing.T) {
	SetThreads(2)
	defer SetThreads(0)
	c := &count{hits: make([]atomic.Int32, 8)}
	Run(8, c)
	if n := testing.AllocsPerRun(100, func() { Run(8, c) }); n != 0 {
		t.Fatalf("%v allocations per call, want 0", n)
	}
}

func TestOneThreadEndsTheWorkers(t *testing.T) {
	SetThreads(1)
	before := runtime.NumGoroutine()
	SetThreads(6)
	Run(20, &count{hits: make([]atomic.Int32, 20)})
	SetThreads(1)
	defer SetThreads(0)
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d goroutines remain, %d before", runtime.NumGoroutine(), before)
}

func TestForCoversTheRange(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	for _, n := range []int{0, 1, 5, 64, 1000} {
		c := &count{hits: make([]atomic.Int32, n)}
		For(n, 7, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				c.Do(i)
			}
		})
		c.check(t, 1)
	}
}

// BenchmarkRun is the cost of an empty task: of two parts while the worker polls, and of two parts after it has parked.
func BenchmarkRun(b *testing.B) {
	SetThreads(2)
	defer SetThreads(0)
	b.Run("polling", func(b *testing.B) {
		for b.Loop() {
			Run(2, empty{})
		}
	})
	b.Run("parked", func(b *testing.B) {
		var spent time.Duration
		for b.Loop() {
			for shared.parked.Load() == 0 {
				time.Sleep(spinFor)
			}
			start := time.Now()
			Run(2, empty{})
			spent += time.Since(start)
		}
		b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/op")
	})
}

type empty struct{}

func (empty) Do(int) {}

// An idle pool is parked, so it uses no CPU.
func TestIdleWorkersPark(t *testing.T) {
	SetThreads(4)
	defer SetThreads(0)
	Run(20, &count{hits: make([]atomic.Int32, 20)})
	for range 1000 {
		if shared.parked.Load() == 3 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d workers are parked, want 3", shared.parked.Load())
}
