package tensor

import "sync"

// buffer is temporary memory of one operation. Buffers grow to the largest use and are kept in a free
// list: as many as there were operations at the same time.
type buffer struct {
	f32 []float32
	f64 []float64
}

var buffers struct {
	sync.Mutex
	free []*buffer
}

// scratch takes a buffer from the free list and returns n elements of it, whatever they held before.
func scratch[T float](n int) (*buffer, []T) {
	b := takeBuffer()
	if s, ok := any(&b.f32).(*[]T); ok {
		return b, grown(s, n)
	}
	return b, grown(any(&b.f64).(*[]T), n)
}

func takeBuffer() *buffer {
	buffers.Lock()
	defer buffers.Unlock()
	if n := len(buffers.free); n > 0 {
		b := buffers.free[n-1]
		buffers.free = buffers.free[:n-1]
		return b
	}
	return &buffer{}
}

func grown[T float](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n)
	}
	return (*s)[:n]
}

// release returns the buffer to the free list.
func (b *buffer) release() {
	buffers.Lock()
	buffers.free = append(buffers.free, b)
	buffers.Unlock()
}
