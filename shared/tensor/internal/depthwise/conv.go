package depthwise

import (
	"math"
	"sync"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// Float is an element type.
type Float = gemm.Float

// task is one call on its way through the pool: a part takes a band of lines.
type task[T Float] struct {
	c       gemm.Conv
	x, y, w []T // as the kernels see them, with channels channels
	ep      gemm.Epilogue[T]

	channels       int
	phases         []phase
	stepH, stepW   int // phases down and across
	lines, width   int // of a picture of y
	xLines, xWidth int
	band           int // lines of a part

	// Where the operands' own channels are others than those of the kernels, pictures go through copies.
	wide       bool
	backward   bool
	xIn, yOut  []T // the operands
	xc, yc, wc []T // the copies
	inC, outC  int // channels of the operands
	spread     int // channels of a copy for each of the input's
	join       int // channels of a copy for each of the result's
	picture    int // the first picture of the copies

	preparing bool
	grad      grad[T]
}

var free struct {
	sync.Mutex
	f32 []*task[float32]
	f64 []*task[float64]
	// Arguments of kernels, which would otherwise be allocated for every part.
	args []*args
}

func newArgs() *args {
	free.Lock()
	defer free.Unlock()
	if n := len(free.args); n > 0 {
		a := free.args[n-1]
		free.args = free.args[:n-1]
		return a
	}
	return &args{}
}

func (a *args) release() {
	*a = args{}
	free.Lock()
	defer free.Unlock()
	free.args = append(free.args, a)
}

func freeTasks[T Float]() *[]*task[T] {
	if size[T]() == 4 {
		return (*[]*task[T])(unsafe.Pointer(&free.f32))
	}
	return (*[]*task[T])(unsafe.Pointer(&free.f64))
}

func newTask[T Float]() *task[T] {
	free.Lock()
	defer free.Unlock()
	l := freeTasks[T]()
	if n := len(*l); n > 0 {
		t := (*l)[n-1]
		*l = (*l)[:n-1]
		return t
	}
	return &task[T]{}
}

// release keeps the task's own memory and no operand.
func (t *task[T]) release() {
	*t = task[T]{phases: t.phases[:0], xc: t.xc, yc: t.yc, wc: t.wc,
		grad: grad[T]{sums: t.grad.sums, total: t.grad.total, dyc: t.grad.dyc}}
	free.Lock()
	defer free.Unlock()
	l := freeTasks[T]()
	*l = append(*l, t)
}

// Forward computes y, and then ep on it if it is not nil.
func Forward[T Float](y, x, w []T, c gemm.Conv, ep gemm.Epilogue[T]) {
	if len(y) == 0 {
		return
	}
	c.StrideH, c.StrideW = max(c.StrideH, 1), max(c.StrideW, 1)
	t := newTask[T]()
	t.c, t.x, t.y, t.w, t.ep = c, x, y, w, ep
	t.phases = append(t.phases, forward(c))
	t.stepH, t.stepW = 1, 1
	t.lines, t.width = c.Out()
	t.xLines, t.xWidth = c.H, c.W
	t.inC, t.outC = c.Ci, c.Co
	t.spread, t.join = c.Co/c.Ci, 1
	t.run()
	t.release()
}

// InputGrad computes dx.
func InputGrad[T Float](dx, dy, w []T, c gemm.Conv) {
	if len(dx) == 0 {
		return
	}
	if len(w) == 0 || len(dy) == 0 {
		clear(dx)
		return
	}
	c.StrideH, c.StrideW = max(c.StrideH, 1), max(c.StrideW, 1)
	t := newTask[T]()
	t.c, t.x, t.y, t.w, t.backward = c, dy, dx, w, true
	t.stepH, t.stepW = c.StrideH, c.StrideW
	for ph := range c.StrideH {
		for pw := range c.StrideW {
			t.phases = append(t.phases, backward(c, ph, pw))
		}
	}
	t.lines, t.width = c.H, c.W
	t.xLines, t.xWidth = c.Out()
	t.inC, t.outC = c.Co, c.Ci
	t.spread, t.join = 1, c.Co/c.Ci
	t.run()
	t.release()
}

// run computes all pictures, or those of one copy after another.
func (t *task[T]) run() {
	const part, copied = 1 << 14, 1 << 20 // elements of a part, of a copy
	c := &t.c
	t.channels = max(c.Co, lanes)
	t.wide = c.Co < lanes || c.Co != c.Ci
	t.band = max(1, part/max(t.width*t.channels, 1))
	flops := 2 * float64(t.lines*t.width*t.channels) * float64(c.KH*c.KW)
	if !t.wide {
		dispatch((c.N*t.lines+t.band-1)/t.band, t, flops*float64(c.N))
		return
	}
	t.xIn, t.yOut = t.x, t.y
	t.band = min(t.band, t.lines)
	in, out := t.xLines*t.xWidth, t.lines*t.width
	pictures := min(c.N, max(1, copied/((in+out)*t.channels)))
	t.xc, t.yc = grow(t.xc, pictures*in*t.channels), grow(t.yc, pictures*out*t.channels)
	t.wc = grow(t.wc, c.KH*c.KW*t.channels)
	widen(t.wc, t.w, c.KH*c.KW, c.Co, 1, t.channels)
	t.x, t.y, t.w = t.xc, t.yc, t.wc
	n := c.N
	for t.picture = 0; t.picture < n; t.picture += pictures {
		c.N = min(pictures, n-t.picture)
		t.preparing = true
		dispatch(c.N, t, flops*float64(c.N))
		t.preparing = false
		dispatch((c.N*t.lines+t.band-1)/t.band, t, flops*float64(c.N))
	}
}

// dispatch runs n parts, on one thread if they are too little work for more.
func dispatch(n int, t pool.Task, flops float64) {
	const small = 1 << 18
	if flops >= small {
		pool.Run(n, t)
		return
	}
	for i := range n {
		t.Do(i)
	}
}

// Do computes a part, or copies a picture.
func (t *task[T]) Do(i int) {
	if t.grad.bands > 0 {
		t.gradPart(i)
		return
	}
	if t.preparing {
		in := t.xLines * t.xWidth
		from := t.picture + i
		widen(t.xc[i*in*t.channels:], t.xIn[from*in*t.inC:], in, t.inC, t.spread, t.channels)
		return
	}
	a := newArgs()
	defer a.release()
	r0, r1 := i*t.band, min((i+1)*t.band, t.c.N*t.lines)
	for r := r0; r < r1; r++ {
		n, h := r/t.lines, r%t.lines
		for pw := range t.stepW {
			if pw < t.width {
				t.line(a, n, h/t.stepH, &t.phases[h%t.stepH*t.stepW+pw])
			}
		}
	}
	from, y := r0, t.y
	if t.wide {
		t.narrow(r0, r1)
		from, y = t.picture*t.lines+r0, t.yOut
	}
	if t.ep != nil {
		to := from + r1 - r0
		t.ep.Finish(y[from*t.width*t.outC:to*t.width*t.outC], t.outC, from*t.width, 0, (to-from)*t.width, t.outC)
	}
}

// line computes line k of a phase of picture n.
func (t *task[T]) line(a *args, n, k int, p *phase) {
	es := size[T]() * t.channels
	lo, hi := p.rows.span(k)
	y := unsafe.Add(first(t.y), (n*t.lines*t.width+p.y0+k*p.yRow)*es)
	if lo == hi {
		t.clear(y, p, 0, p.cols.n)
		return
	}
	x := unsafe.Add(first(t.x), (n*t.xLines+k*p.rows.stride+p.rows.off+lo)*t.xWidth*es)
	w := unsafe.Add(first(t.w), (p.w0+lo*p.wRow)*es)
	a.yPixel, a.xPixel = p.yCol*es, p.cols.stride*es
	a.xRow, a.xTap, a.wRow, a.wTap = t.xWidth*es, es, p.wRow*es, p.wTap*es
	a.rows, a.bytes = hi-lo, es
	k0, k1 := p.cols.inner()
	for c := 0; c < p.cols.n; {
		u, v := p.cols.span(c)
		n := 1
		if c >= k0 && c < k1 {
			n = k1 - c
		}
		if u == v {
			t.clear(y, p, c, c+1)
		} else {
			a.y = unsafe.Add(y, c*a.yPixel)
			a.x = unsafe.Add(x, (c*p.cols.stride+p.cols.off+u)*es)
			a.w = unsafe.Add(w, u*a.wTap)
			a.taps, a.pixels = v-u, n
			filter[T](a)
		}
		c += n
	}
}

// clear sets pixels [c0, c1) of a line of a phase to 0.
func (t *task[T]) clear(y unsafe.Pointer, p *phase, c0, c1 int) {
	for c := c0; c < c1; c++ {
		clear(unsafe.Slice((*T)(unsafe.Add(y, c*p.yCol*t.channels*size[T]())), t.channels))
	}
}

// narrow brings lines [r0, r1) of the copy of y to the result.
func (t *task[T]) narrow(r0, r1 int) {
	src := t.y[r0*t.width*t.channels:]
	dst := t.yOut[(t.picture*t.lines+r0)*t.width*t.outC:]
	for p := range (r1 - r0) * t.width {
		d, s := dst[p*t.outC:(p+1)*t.outC], src[p*t.channels:(p+1)*t.channels]
		if t.join == 1 {
			copy(d, s)
			continue
		}
		for c := range d {
			sum := s[c*t.join]
			for _, v := range s[c*t.join+1 : (c+1)*t.join] {
				sum += v
			}
			d[c] = sum
		}
	}
}

// widen copies pixels of n channels, each spread times, to pixels of channels channels, the last of which are 0.
func widen[T Float](dst, src []T, pixels, n, spread, channels int) {
	for p := range pixels {
		d, s := dst[p*channels:(p+1)*channels], src[p*n:(p+1)*n]
		if spread == 1 {
			clear(d[copy(d, s):])
			continue
		}
		for c, v := range s {
			for m := range spread {
				d[c*spread+m] = v
			}
		}
		clear(d[n*spread:])
	}
}

// size is the number of bytes of one element.
func size[T Float]() int {
	var z T
	return int(unsafe.Sizeof(z))
}

// first is the address of the first element.
func first[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// grow returns s with n elements, whose contents are unspecified.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// fma is the fused multiply-add of either element type.
func fma[T Float](a, b, c T) T {
	if size[T]() == 4 {
		return T(vec.FMA32(float32(a), float32(b), float32(c)))
	}
	return T(math.FMA(float64(a), float64(b), float64(c)))
}
