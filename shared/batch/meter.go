package batch

import (
	"math/bits"
	"sync"
	"time"
)

// meterWeight is the share of a new measurement in the running mean: about the last ten batches count.
const meterWeight = 0.2

// Meter keeps how long batches take by their number of rows, in classes of powers of two. It is safe for concurrent
// use; the zero value is ready and knows nothing.
type Meter struct {
	mu      sync.Mutex
	seconds [32]float64 // running mean per row, by class; 0 where nothing was measured
}

// Observe takes in one measurement; rows below 1 are ignored.
func (m *Meter) Observe(rows int, took time.Duration) {
	if rows < 1 || took <= 0 {
		return
	}
	perRow := took.Seconds() / float64(rows)
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.seconds[class(rows)]
	if *s == 0 {
		*s = perRow
		return
	}
	*s += meterWeight * (perRow - *s)
}

// Estimate is how long a batch of that many rows takes, from the nearest class measured, the larger one of two
// equally near; 0 when nothing was measured. A row costs no more in a larger batch, so an estimate from a smaller
// class is too high, never too low, and one from a larger class too low.
func (m *Meter) Estimate(rows int) time.Duration {
	if rows < 1 {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := class(rows)
	for d := range len(m.seconds) {
		for _, i := range [2]int{c + d, c - d} {
			if i >= 0 && i < len(m.seconds) && m.seconds[i] > 0 {
				return time.Duration(m.seconds[i] * float64(rows) * float64(time.Second))
			}
		}
	}
	return 0
}

// class is the number of the power of two at or below rows.
func class(rows int) int { return min(bits.Len(uint(rows))-1, 31) }

// Reset forgets all measurements: after a change of threads or kernels they mean nothing.
func (m *Meter) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.seconds[:])
}
