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

// speeds are those of the cheapest passes over memory with the threads in use, in GB/s of the arrays they name.
type speeds struct{ read, fill, update float64 }

// measureSpeeds moves arrays of the given bytes in all, again and again.
func measureSpeeds(bytes int) speeds {
	n := bytes / 4
	t := &stream{data: make([]float32, n), found: make([]float32, 16*pool.Threads())}
	for i := range t.data {
		t.data[i] = 1
	}
	read := streaming(bytes)
	time := func(from, to []float32) float64 {
		t.from, t.to = from, to
		t.size = ((len(to)+pool.Threads()-1)/pool.Threads() + 15) &^ 15
		times := make([]float64, 5)
		for i := range times {
			times[i] = timed(func() { pool.Run(pool.Threads(), t) }, max(1, (8<<20)/bytes))
		}
		return slices.Min(times) * 1e9
	}
	both := time(t.data[:n/2], t.data[n/2:n/2*2]) // reading one half and filling the other
	half := float64(4 * (n / 2))
	return speeds{read: read, fill: half / max(both-half/read, half/read), update: float64(4*n) / time(t.data, t.data)}
}

// stream is a task whose part reads one piece of the data with the cheapest of reductions, or turns the signs of a
// piece if it has where to put it.
type stream struct {
	data, found []float32
	from, to    []float32
	size        int
}

// Do implements pool.Task.
func (t *stream) Do(part int) {
	if t.to != nil {
		lo := min(part*t.size, len(t.to))
		hi := min(lo+t.size, len(t.to))
		vec.Map(vec.Neg, t.to[lo:hi], t.from[lo:hi])
		return
	}
	lo := min(part*t.size, len(t.data))
	t.found[16*part] = vec.AbsMax(t.data[lo:min(lo+t.size, len(t.data))])
}
