package lowp

import "sync"

// scratch is the working memory of one part of a job.
type scratch struct {
	arg tile
	c   []float32
	a   Rows // rows that the part narrowed itself
	tmp [maxRows * maxPanels * Width]float32
}

// freeList keeps values of one type for reuse.
type freeList[V any] struct {
	mu   sync.Mutex
	free []*V
}

func (l *freeList[V]) get() *V {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		v := l.free[n-1]
		l.free = l.free[:n-1]
		return v
	}
	return new(V)
}

func (l *freeList[V]) put(v *V) {
	l.mu.Lock()
	l.free = append(l.free, v)
	l.mu.Unlock()
}

var (
	scratches freeList[scratch]
	jobs      freeList[job]
)

func newScratch() *scratch { return scratches.get() }

// narrowed is m rows of x in the scratch's own memory.
func (s *scratch) narrowed(f Format, x []float32, m, k int) *Rows {
	s.a.Resize(f, m, k)
	for i := range m {
		s.a.Set(i, x[i*k:(i+1)*k])
	}
	return &s.a
}

func (s *scratch) release() {
	s.arg = tile{} // keeps no operand alive
	scratches.put(s)
}

func newJob() *job { return jobs.get() }

// release puts the job back with its own memory alone.
func (j *job) release() {
	*j = job{done: j.done, padded: j.padded, hidden: j.hidden}
	jobs.put(j)
}
