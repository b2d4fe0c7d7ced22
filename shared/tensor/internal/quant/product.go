package quant

import (
	"sync"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// Finisher is what follows a product while its result is in the cache: c begins at element (row, col) of the result and
// has rows x cols elements, rows ld apart. It may be called for different blocks at the same time.
type Finisher interface {
	Finish(c []float32, ld, row, col, rows, cols int)
}

// args is the argument of a kernel; the assembly knows its layout.
type args struct {
	w, a, c    unsafe.Pointer // weights, records, results
	rowA, rowC int            // bytes between rows
	steps      int
	panels     int // taken one after the other
}

// wideRows is the largest number of rows of a kernel.
const wideRows = 8

// callWork bounds rows x panels x steps of one kernel call, which the scheduler cannot interrupt.
const callWork = 1 << 15

// nearWork bounds the bytes of weights of a part where several groups of rows run over them: half of the second cache.
const nearWork = 512 << 10

// Bytes of weights times rows below which a product is not divided among threads, and below which every thread takes
// one part: a part more costs an exchange between cores, which is worth some 20 KB of weights in the cache.
const smallWork, shortWork = 100 << 10, 600 << 10

// job is one product on its way through the pool.
type job struct {
	c    []float32
	ldc  int
	x    *Rows
	m    int
	w    *Packed
	f    Finisher
	isa  cpu.ISA
	size int // panels of a part
}

// scratch is what one part of a product needs.
type scratch struct {
	args args
	tile [Width]float32
	u    unpacked
}

var jobs = freeList[job]{}
var scratches = freeList[scratch]{}

// freeList keeps values for the next use.
type freeList[T any] struct {
	sync.Mutex
	free []*T
}

func (l *freeList[T]) take() *T {
	l.Lock()
	defer l.Unlock()
	if n := len(l.free); n > 0 {
		v := l.free[n-1]
		l.free = l.free[:n-1]
		return v
	}
	return new(T)
}

func (l *freeList[T]) put(v *T) {
	l.Lock()
	l.free = append(l.free, v)
	l.Unlock()
}

// MatMul sets c [m, n] to the product of the first m rows of x and the weights, and calls f, if not nil, for every
// element once.
func MatMul(c []float32, x *Rows, m int, w *Packed, f Finisher) {
	if m == 0 {
		return
	}
	j := jobs.take()
	*j = job{c: c, ldc: w.n, x: x, m: m, w: w, f: f, isa: native()}
	panels := w.panels()
	j.size = panels
	if len(w.data) > smallWork/m {
		t := pool.Threads()
		if len(w.data) > shortWork/m {
			t *= 4
		}
		j.size = max(1, min((panels+t-1)/t, callWork/(min(m, wideRows)*w.k/Step)))
		if m > wideRows {
			j.size = max(1, min(j.size, nearWork/w.panel))
		}
	}
	pool.Run((panels+j.size-1)/j.size, j)
	*j = job{}
	jobs.put(j)
}

// Do implements pool.Task: it computes the columns of some panels.
func (j *job) Do(part int) {
	s := scratches.take()
	defer scratches.put(s)
	lo := part * j.size
	hi := min(lo+j.size, j.w.panels())
	whole := min(hi, j.w.n/Width) // panels without padding
	for row := 0; row < j.m; {
		r := 1
		if j.isa == cpu.AVX512 {
			r = min(wideRows, j.m-row)
		}
		j.few(s, lo, whole, row, r)
		row += r
	}
	if whole < hi {
		j.last(s, whole)
	}
	if j.f != nil {
		col, end := lo*Width, min(hi*Width, j.w.n)
		j.f.Finish(j.c[col:], j.ldc, 0, col, j.m, end-col)
	}
}

// few computes r rows by panels lo to hi, which have no padding.
func (j *job) few(s *scratch, lo, hi, row, r int) {
	if lo >= hi {
		return
	}
	c := j.c[row*j.ldc+lo*Width:]
	j.kernel(s, unsafe.Pointer(unsafe.SliceData(c)), j.ldc, lo, hi, row, r)
}

// last computes the panel with padding by way of a tile.
func (j *job) last(s *scratch, panel int) {
	cols := j.w.n - panel*Width
	for row := range j.m {
		j.kernel(s, unsafe.Pointer(&s.tile), Width, panel, panel+1, row, 1)
		copy(j.c[row*j.ldc+panel*Width:][:cols], s.tile[:cols])
	}
}

// kernel runs the few-row kernel of the instruction set.
func (j *job) kernel(s *scratch, c unsafe.Pointer, ldc, lo, hi, row, r int) {
	steps := j.w.k / Step
	s.args = args{
		w: unsafe.Pointer(&j.w.data[lo*j.w.panel]), a: unsafe.Pointer(&j.x.recs[row*steps]), c: c,
		rowA: steps * recordBytes, rowC: 4 * ldc, steps: steps, panels: hi - lo,
	}
	if !runFew(j.isa, j.w.kind, r, &s.args) {
		j.portable(s, ldc, lo, hi, row, r)
	}
}
