package tensor

import (
	"sync"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// SetThreads sets how many threads operations use, the caller's included; 0 is GOMAXPROCS. The number
// never changes a bit of any result: outputs are divided among threads, reductions never. It waits for
// the operation in progress.
func SetThreads(n int) { pool.SetThreads(n) }

// Threads is the number of threads in use.
func Threads() int { return pool.Threads() }

// Sizes of the pieces that operations are cut into, in elements. Cheap loops are bound by memory, dear
// ones compute tens of instructions per element. No piece is so long that a kernel call, which the
// scheduler cannot interrupt, takes a millisecond.
const (
	cheap    = 1 << 14
	dear     = 1 << 12
	maxPiece = 1 << 18
)

// job is one operation on its way through the pool: a loop over units and its arguments. Jobs are kept
// in a free list, so that running one allocates nothing.
type job struct {
	loop    func(j *job, lo, hi int)
	n, size int

	t    [10]*Tensor
	own  [4]Tensor
	i    [8]int
	c, d float64

	ok  bool
	ids []int32
	w   walk
	adj AdamWParams

	rope   *RoPETable
	states []AdamWState
	state  [1]AdamWState
}

// Do runs one piece; it implements pool.Task.
func (j *job) Do(part int) {
	lo := part * j.size
	j.loop(j, lo, min(lo+j.size, j.n))
}

var jobs struct {
	sync.Mutex
	free []*job
}

// newJob takes a cleared job from the free list.
func newJob() *job {
	jobs.Lock()
	defer jobs.Unlock()
	if n := len(jobs.free); n > 0 {
		j := jobs.free[n-1]
		jobs.free = jobs.free[:n-1]
		return j
	}
	return &job{}
}

// run calls the loop of the type of d for the units 0..n-1 in pieces of at least grain and at most limit
// units, on all threads, and frees the job.
func (j *job) run(d DType, n, grain, limit int, f32, f64 func(j *job, lo, hi int)) {
	j.loop, j.n = f32, n
	if d == Float64 {
		j.loop = f64
	}
	j.size = min(pool.Chunk(n, max(grain, 1)), max(limit, 1))
	pool.Run((n+j.size-1)/j.size, j)
	j.release()
}

// release clears the job and returns it to the free list.
func (j *job) release() {
	*j = job{}
	jobs.Lock()
	jobs.free = append(jobs.free, j)
	jobs.Unlock()
}

// elements runs a loop over n elements; pieces begin on multiples of 64, so that no two threads write to
// one cache line.
func (j *job) elements(d DType, n, grain int, f32, f64 func(j *job, lo, hi int)) {
	j.loop, j.n = f32, n
	if d == Float64 {
		j.loop = f64
	}
	j.size = min((pool.Chunk(n, grain)+63)/64*64, maxPiece)
	pool.Run((n+j.size-1)/j.size, j)
	j.release()
}

// rows runs a loop over n rows of c elements each.
func (j *job) rows(d DType, n, c, grain int, f32, f64 func(j *job, lo, hi int)) {
	c = max(c, 1)
	j.run(d, n, (grain+c-1)/c, maxPiece/c, f32, f64)
}
