package bench

import (
	"slices"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// sample is the least work of one sample: far more than the clock's resolution, far less than a turn.
const sample = 50 * time.Millisecond

// Turns makes w ready once and returns what measures it, for comparisons in turns with other programs: each call is a
// turn, the median of at least three samples that together last as long as the call asks for.
func (w Workload) Turns() func(time.Duration) Measurement {
	run := w.New()
	run()
	return func(length time.Duration) Measurement {
		run() // the caches are another program's
		begin := time.Now()
		run()
		n := max(1, int(sample/max(time.Since(begin), time.Microsecond)))
		var times []float64
		for end := time.Now().Add(length); len(times) < 3 || time.Now().Before(end); {
			times = append(times, timed(run, n))
		}
		slices.Sort(times)
		return w.measurement(times[len(times)/2])
	}
}

// measurement is w at the given seconds a run.
func (w Workload) measurement(seconds float64) Measurement {
	return Measurement{
		Name: w.Name, Unit: w.Unit, Kernels: tensor.Kernels(), Threads: tensor.Threads(),
		Seconds: seconds, PerSecond: w.Items / seconds, GFs: w.Flops / seconds / 1e9, Flops: w.Flops, Bytes: w.Bytes,
	}
}

// timed is the time of one of n runs in seconds.
func timed(run func(), n int) float64 {
	begin := time.Now()
	for range n {
		run()
	}
	return time.Since(begin).Seconds() / float64(n)
}
