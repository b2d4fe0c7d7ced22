package tensor

import (
	"runtime"
	"sync/atomic"
)

var threads atomic.Int64

// SetThreads sets how many threads operations use; 0 is GOMAXPROCS. The number never changes a bit of
// any result: outputs are divided among threads, reductions never.
func SetThreads(n int) { threads.Store(int64(n)) }

// Threads is the number of threads in use.
func Threads() int {
	if n := threads.Load(); n > 0 {
		return int(n)
	}
	return runtime.GOMAXPROCS(0)
}
