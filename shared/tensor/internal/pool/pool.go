package pool

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Task is work cut into parts that may run at the same time. Do is called once for every part.
// Callers keep their Task values (in a free list, say) so that passing one allocates nothing.
type Task interface {
	Do(part int)
}

// spinFor bounds the polling of an idle worker, and of a caller that waits for the last parts.
const spinFor = 50 * time.Microsecond

// keepFor is how long a thread polls before it lets others run on its core between looks: a worker of this pool that
// the system has put there, or another process.
const keepFor = 3 * time.Microsecond

// open and waiting are bits of state; the bits below count the workers inside the current job.
const (
	open    = 1 << 40
	waiting = 1 << 41
	inside  = open - 1
)

// maxThreads bounds the number of threads; it is the capacity of the wake-up channel, so that waking
// never blocks.
const maxThreads = 1024

// workers is the state of the one pool; its zero value works.
type workers struct {
	mu      sync.Mutex   // held by the caller whose job is current, and by SetThreads
	running int          // workers that exist or are ending
	quit    atomic.Int64 // how many workers still have to end

	state  atomic.Int64  // open | waiting | number of workers inside the job
	parked atomic.Int64  // workers that block on wake and that nobody has claimed yet
	wake   chan struct{} // one token for every claimed worker
	done   chan struct{} // the last worker inside tells the waiting caller

	task  Task
	parts int64
	next  atomic.Int64
	fault atomic.Pointer[any] // the first panic of a part, raised again in the caller
}

var shared workers

// wanted is the configured number of threads, 0 meaning GOMAXPROCS.
var wanted atomic.Int64

// SetThreads sets how many threads, the caller's included, run the parts of a task; n <= 0 means
// GOMAXPROCS, and at most 1024 are used. SetThreads(1) ends all workers. It waits for the task in
// progress and must not be called from inside a task.
func SetThreads(n int) {
	wanted.Store(int64(min(max(n, 0), maxThreads)))
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.resize()
}

// Threads is the number of threads that Run uses, the caller's included.
func Threads() int {
	if n := int(wanted.Load()); n > 0 {
		return n
	}
	return min(runtime.GOMAXPROCS(0), maxThreads)
}

// Run calls t.Do for every part 0 <= part < n and returns when all are done. With one part, one
// thread, or when the pool is serving another call (a nested one included), everything runs in the
// calling goroutine, in ascending order. A panic in a part is raised again in the caller after the
// parts in progress have ended; parts not yet begun are dropped.
func Run(n int, t Task) {
	if n <= 1 || Threads() == 1 || !shared.mu.TryLock() {
		for i := range max(n, 0) {
			t.Do(i)
		}
		return
	}
	shared.run(n, t)
}

func (p *workers) run(n int, t Task) {
	if p.running != Threads()-1 {
		p.resize()
	}
	p.task, p.parts = t, int64(n)
	p.next.Store(0)
	p.state.Or(open)
	p.unpark(n - 1)
	p.work()
	p.join()
	p.task = nil
	fault := p.fault.Swap(nil)
	p.mu.Unlock()
	if fault != nil {
		panic(*fault)
	}
}

// work takes parts until none is left, then closes the job, so that no worker enters in vain.
func (p *workers) work() {
	defer p.state.And(^open)
	defer func() {
		if r := recover(); r != nil {
			first := r // r itself must not escape: it would be allocated in every call
			p.fault.CompareAndSwap(nil, &first)
			p.next.Store(p.parts)
		}
	}()
	for {
		i := p.next.Add(1) - 1
		if i >= p.parts {
			return
		}
		p.task.Do(int(i))
	}
}

// join waits, after the job was closed, until the workers inside have left; then all parts are done.
func (p *workers) join() {
	start := time.Now()
	for {
		for range 64 {
			if p.state.Load()&inside == 0 {
				return
			}
		}
		if !giveWay(start) {
			break
		}
	}
	for {
		s := p.state.Load()
		if s&inside == 0 {
			return
		}
		if p.state.CompareAndSwap(s, s|waiting) {
			<-p.done
			return
		}
	}
}

// enter joins the current job if there is one.
func (p *workers) enter() bool {
	for {
		s := p.state.Load()
		if s&open == 0 {
			return false
		}
		if p.state.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

// leave ends the part of a worker in a job and wakes the caller if it waits for the last one.
func (p *workers) leave() {
	for {
		s := p.state.Load()
		if s&waiting != 0 && s&inside == 1 {
			if p.state.CompareAndSwap(s, s-1-waiting) {
				p.done <- struct{}{}
				return
			}
		} else if p.state.CompareAndSwap(s, s-1) {
			return
		}
	}
}

// unpark wakes up to n parked workers.
func (p *workers) unpark(n int) {
	for n > 0 {
		k := p.parked.Load()
		if k == 0 {
			return
		}
		if p.parked.CompareAndSwap(k, k-1) {
			p.wake <- struct{}{}
			n--
		}
	}
}

// resize starts or ends workers; the caller holds mu, so no job is open.
func (p *workers) resize() {
	if p.wake == nil {
		p.wake = make(chan struct{}, maxThreads)
		p.done = make(chan struct{}, 1)
	}
	want := Threads() - 1
	for ; p.running > want; p.running-- {
		p.quit.Add(1)
	}
	p.unpark(maxThreads)
	for ; p.running < want; p.running++ {
		go p.worker()
	}
}

// worker is the life of one worker goroutine.
func (p *workers) worker() {
	// Weights may lie in mapped files: a page that is gone becomes a panic, which run carries to the caller.
	debug.SetPanicOnFault(true)
	idle := time.Now()
	for {
		if p.enter() {
			p.work()
			p.leave()
			idle = time.Now()
		}
		if n := p.quit.Load(); n > 0 && p.quit.CompareAndSwap(n, n-1) {
			return
		}
		if p.poll(idle) {
			continue
		}
		p.park()
		idle = time.Now()
	}
}

// poll waits for a job until spinFor after idle; it reports whether there is something to look at.
func (p *workers) poll(idle time.Time) bool {
	for {
		for range 64 {
			if p.state.Load()&open != 0 {
				return true
			}
		}
		if !giveWay(idle) {
			return false
		}
	}
}

// giveWay lets goroutines, and after a while other threads, run between two looks of a loop that polls since start. It
// reports whether the loop may go on.
func giveWay(start time.Time) bool {
	polled := time.Since(start)
	if polled > spinFor {
		return false
	}
	runtime.Gosched()
	if polled > keepFor {
		yield()
	}
	return true
}

// park blocks until a caller or resize claims this worker. It looks once more after it has declared
// itself parked, so that a job opened in between is not missed.
func (p *workers) park() {
	p.parked.Add(1)
	for p.state.Load()&open != 0 || p.quit.Load() > 0 {
		k := p.parked.Load()
		if k == 0 {
			break // claimed: the token is on its way
		}
		if p.parked.CompareAndSwap(k, k-1) {
			return
		}
	}
	<-p.wake
}

// For splits 0 <= i < n into ranges of at least grain elements, a few for every thread, and calls
// f(lo, hi) for each by Run. A closure that captures variables costs an allocation: steady paths
// use Run with a kept Task.
func For(n, grain int, f func(lo, hi int)) {
	if n <= 0 {
		return
	}
	size := Chunk(n, grain)
	if size >= n {
		f(0, n)
		return
	}
	Run((n+size-1)/size, &ranges{n: n, size: size, f: f})
}

// Chunk is the size of the ranges into which For splits n elements: at least grain, and about four
// ranges for every thread.
func Chunk(n, grain int) int {
	t := Threads()
	if t == 1 {
		return max(n, 1)
	}
	return max(grain, (n+4*t-1)/(4*t), 1)
}

type ranges struct {
	n, size int
	f       func(lo, hi int)
}

// Do implements Task.
func (r *ranges) Do(part int) {
	lo := part * r.size
	r.f(lo, min(lo+r.size, r.n))
}
