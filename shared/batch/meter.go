package batch

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

// meterWeight is the share of a new measurement in the running mean: about the last ten batches count. The first few
// count alike, so that one slow one among them, of cold caches or a busy machine, is soon outvoted.
const meterWeight = 0.2

// meterHalf is the time without a new measurement after which an estimate counts for half of what it said. What is too
// high refuses the very requests that would show it; so it fades until one of them is admitted and measured.
const meterHalf = 20 * time.Second

// Meter keeps how long batches take by their number of rows, in classes of powers of two. It is safe for concurrent
// use; the zero value is ready and knows nothing.
type Meter struct {
	mu      sync.Mutex
	classes [32]measured
}

// measured is what is known of one class.
type measured struct {
	seconds float64 // running mean per row; 0 where nothing was measured
	n       int     // measurements in it, up to 1/meterWeight
	at      time.Time
}

// Observe takes in one measurement; rows below 1 are ignored.
func (m *Meter) Observe(rows int, took time.Duration) {
	if rows < 1 || took <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &m.classes[class(rows)]
	c.n = min(c.n+1, int(1/meterWeight))
	c.seconds += (took.Seconds()/float64(rows) - c.seconds) / float64(c.n)
	c.at = time.Now()
}

// Estimate is how long a batch of that many rows takes, from the nearest class measured, the larger one of two
// equally near; 0 when nothing was measured. A row costs no more in a larger batch, so an estimate from a smaller
// class is too high, never too low, and one from a larger class too low. Without new measurements estimates fade.
func (m *Meter) Estimate(rows int) time.Duration {
	if rows < 1 {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := class(rows)
	for d := range len(m.classes) {
		for _, i := range [2]int{c + d, c - d} {
			if i >= 0 && i < len(m.classes) && m.classes[i].n > 0 {
				k := m.classes[i]
				faded := math.Exp2(-time.Since(k.at).Seconds() / meterHalf.Seconds())
				return time.Duration(k.seconds * faded * float64(rows) * float64(time.Second))
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
	clear(m.classes[:])
}
