//go:build unix

package cli

import (
	"os"
	"syscall"
	"time"
)

// cpuTime is the CPU time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// dutyCycle lets a process run for a part of every period, until stop is called.
func dutyCycle(p *os.Process, period, run time.Duration) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			for _, s := range []struct {
				signal syscall.Signal
				wait   time.Duration
			}{{syscall.SIGCONT, run}, {syscall.SIGSTOP, period - run}} {
				_ = p.Signal(s.signal) // a process that has ended is no failure
				select {
				case <-done:
					_ = p.Signal(syscall.SIGCONT)
					return
				case <-time.After(s.wait):
				}
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
