//go:build unix

package pool

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// An idle pool uses no CPU, as the system counts it. The bound is far above what a parked pool needs and far below one
// polling thread, so that other work on the machine does not matter.
func TestIdleUsesNoCPU(t *testing.T) {
	SetThreads(4)
	defer SetThreads(0)
	Run(20, &count{hits: make([]atomic.Int32, 20)})
	time.Sleep(20 * time.Millisecond)
	const wait = 400 * time.Millisecond
	before := cpuTime(t)
	time.Sleep(wait)
	if used := cpuTime(t) - before; used > wait/10 {
		t.Errorf("%v of CPU in %v of idleness", used, wait)
	}
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
