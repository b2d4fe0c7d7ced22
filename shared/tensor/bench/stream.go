package bench

import (
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// streaming is the best speed, in GB/s, of reading the given bytes again and again with the threads in use: those of
// the cache that holds them.
func streaming(bytes int) float64 {
	threads := pool.Threads()
	t := &stream{data: make([]float32, max(bytes/4, 1)), found: make([]float32, 16*threads)}
	for i := range t.data { // pages never written share one page of memory
		t.data[i] = 1
	}
	t.size = (len(t.data) + threads - 1) / threads
	times := make([]float64, 5)
	for i := range times {
		times[i] = timed(func() { pool.Run(threads, t) }, max(1, (8<<20)/max(bytes, 1)))
	}
	return float64(4*len(t.data)) / slices.Min(times) / 1e9
}

// stream is a task whose part reads one piece of the data with the cheapest of reductions.
type stream struct {
	data, found []float32
	size        int
}

// Do implements pool.Task.
func (t *stream) Do(part int) {
	lo := min(part*t.size, len(t.data))
	t.found[16*part] = vec.AbsMax(t.data[lo:min(lo+t.size, len(t.data))])
}
