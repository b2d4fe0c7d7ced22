package gemm

import (
	"sync"
	"unsafe"
)

// scratch is the working memory of one part of a job. It lives in a free list, so that neither its
// slices nor the kernel argument inside it are allocated in steady state.
type scratch[T Float] struct {
	arg  tile
	rowA []int // byte offsets of the rows of A
	rowC []int // byte offsets of the rows of C
	a    []T   // copied part of A
	b    []T   // packed part of B
	// What the kernels add at last, in the first column: see tile.
	bias, residual unsafe.Pointer
	// Whether B is fetched ahead; the lines that follow those of the panel group, and those of the part.
	fetches     bool
	next, after coming

	tmp  [maxRows * maxPanels * Width]T
	list listed
	scan scan
	look inspection
	top  [Width]uint32
	user uintptr // who used it last, see userOf
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

// scratchList is a free list that gives every goroutine the scratch it used last, which lies in the cache of its core.
type scratchList[T Float] struct {
	mu   sync.Mutex
	free []*scratch[T]
}

func (l *scratchList[T]) get() *scratch[T] {
	user := userOf()
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.free) - 1
	if last < 0 {
		return new(scratch[T])
	}
	for i, s := range l.free {
		if s.user == user {
			l.free[i], l.free[last] = l.free[last], s
			break
		}
	}
	s := l.free[last]
	l.free = l.free[:last]
	return s
}

func (l *scratchList[T]) put(s *scratch[T]) {
	s.user = userOf()
	l.mu.Lock()
	l.free = append(l.free, s)
	l.mu.Unlock()
}

// userOf tells goroutines apart, most of the time: by where their stacks lie. Only speed depends on it.
func userOf() uintptr {
	var here byte
	return uintptr(unsafe.Pointer(&here)) >> 14
}

// The free lists of both element types.
var (
	scratch32 scratchList[float32]
	scratch64 scratchList[float64]
	jobs32    freeList[job[float32]]
	jobs64    freeList[job[float64]]
)

func newScratch[T Float]() *scratch[T] {
	if size[T]() == 4 {
		return (*scratch[T])(unsafe.Pointer(scratch32.get()))
	}
	return (*scratch[T])(unsafe.Pointer(scratch64.get()))
}

func (s *scratch[T]) release() {
	// It keeps no operand alive, and nothing for the next user to add or to fetch.
	s.arg, s.bias, s.residual, s.fetches, s.next, s.after = tile{}, nil, nil, false, coming{}, coming{}
	if size[T]() == 4 {
		scratch32.put((*scratch[float32])(unsafe.Pointer(s)))
	} else {
		scratch64.put((*scratch[float64])(unsafe.Pointer(s)))
	}
}

func newJob[T Float]() *job[T] {
	if size[T]() == 4 {
		return (*job[T])(unsafe.Pointer(jobs32.get()))
	}
	return (*job[T])(unsafe.Pointer(jobs64.get()))
}

// grow returns s with n elements, whose contents are unspecified.
func grow[V any](s []V, n int) []V {
	if cap(s) < n {
		return make([]V, n+n/4)[:n]
	}
	return s[:n]
}

// first is the address of the first element.
func first[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// rowsFrom fills dst with n offsets from, from+step, ... and returns it.
func rowsFrom(dst []int, n, from, step int) []int {
	dst = grow(dst, n)
	for i := range dst {
		dst[i] = from
		from += step
	}
	return dst
}
