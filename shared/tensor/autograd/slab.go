package autograd

// slab hands out elements of large chunks with stable addresses; reset makes all of them available
// again without giving the chunks back.
type slab[T any] struct {
	chunks [][]T
	chunk  int // chunk in use
	used   int // elements of it handed out
	total  int // elements handed out since reset, by next
}

const slabChunk = 1024

// next returns one element, which still holds what it held before the reset.
func (s *slab[T]) next() *T {
	s.total++
	return &s.take(1)[0]
}

// take returns n adjacent elements.
func (s *slab[T]) take(n int) []T {
	for s.chunk < len(s.chunks) {
		c := s.chunks[s.chunk]
		if s.used+n <= len(c) {
			s.used += n
			return c[s.used-n : s.used : s.used]
		}
		s.chunk++
		s.used = 0
	}
	s.chunks = append(s.chunks, make([]T, max(n, slabChunk)))
	s.used = n
	return s.chunks[s.chunk][:n:n]
}

// at returns element i of those handed out by next since reset; only next may have been used.
func (s *slab[T]) at(i int) *T { return &s.chunks[i/slabChunk][i%slabChunk] }

func (s *slab[T]) reset() { s.chunk, s.used, s.total = 0, 0, 0 }
