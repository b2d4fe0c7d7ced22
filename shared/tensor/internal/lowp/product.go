package lowp

import (
	"fmt"
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// Epilogue is applied to parts of the result while they are in cache, after the bias.
type Epilogue interface {
	// Finish is called exactly once for every element, in blocks: rows [row, row+rows) and columns [col, col+cols).
	// c[0] is element (row, col) and the row stride is ld.
	Finish(c []float32, ld, row, col, rows, cols int)
}

// Then is what happens to whole rows after the epilogue: a layer norm if Gamma is not nil, written over the row, and
// the narrowing into Out if that is not nil. The zero value does nothing.
type Then struct {
	Gamma, Beta []float32
	Eps         float64
	Out         *Rows
	Format      Format // of Out
}

// some says whether there is anything to do.
func (t *Then) some() bool { return t.Gamma != nil || t.Out != nil }

// rows does it to rows [row, row+n) of c.
func (t *Then) rows(c []float32, ld, cols, row, n int) {
	for i := range n {
		x := c[i*ld : i*ld+cols]
		if t.Gamma != nil {
			vec.LayerNormRow(x, x, t.Gamma, t.Beta, t.Eps)
		}
		if t.Out != nil {
			t.Out.Set(row+i, x)
		}
	}
}

// Product is C = A B + Bias, then Ep, then Then. Bias, Ep and Then may be absent, and C too if there is an Out that
// takes the rows. Without A, the rows of X are narrowed by the parts that read them.
type Product struct {
	C    []float32 // M x N, or nil
	A    *Rows
	X    []float32 // M x K, instead of A
	M    int       // rows of X
	B    *Weights
	Bias []float32
	Ep   Epilogue
	Then Then
}

// job is one product on its way through the pool. A part is a block of rows by a chunk of panels.
type job struct {
	Product
	kern           kernels
	m, n           int
	ld             int // of c
	size, mr, np   int // rows of a block and size of its tiles
	panels         int
	chunks, chunk  int  // how many chunks of panels, and of how many panels
	local          bool // the result of a part lives in the part's own scratch
	bias, c        []float32
	done           []atomic.Int32 // finished chunks of every block of rows
	padded, hidden []float32      // memory of bias and c
}

// cacheBytes is what a block's rows, and its result where that is read again, take of the second-level cache.
const cacheBytes = 3 << 17

// Multiply-adds that are worth a second thread, those worth a part once all threads are busy, and those of the longest
// part: about half a millisecond.
const smallWork, partWork, longWork = 1 << 19, 1 << 22, 1 << 27

// Run computes the product.
func (p *Product) Run() {
	m, n := p.M, p.B.N
	ok := p.A != nil || len(p.X) >= m*p.B.K
	if p.A != nil {
		m, ok = p.A.M, p.A.K == p.B.K && p.A.Format == p.B.Format
	}
	if !ok || (p.C != nil && len(p.C) < m*n) || (p.Bias != nil && len(p.Bias) != n) {
		panic(fmt.Sprintf("lowp: product of %d rows and %dx%d %s", m, p.B.K, n, p.B.Format))
	}
	if p.Then.Out != nil {
		p.Then.Out.Resize(p.Then.Format, m, n)
	}
	if m == 0 || n == 0 {
		return
	}
	j := newJob()
	j.Product, j.kern, j.m, j.n, j.ld, j.c, j.bias = *p, kernelsFor(p.B.Format), m, n, n, p.C, p.Bias
	j.panels = (n + Width - 1) / Width
	j.cut()
	if j.bias != nil && n%Width != 0 { // kernels read whole panels
		j.padded = grow(j.padded, j.panels*Width)
		clear(j.padded[copy(j.padded, j.bias):])
		j.bias = j.padded
	}
	blocks := (m + j.size - 1) / j.size
	if p.C == nil {
		j.ld, j.local = j.panels*Width, j.chunks == 1
		if !j.local {
			j.hidden = grow(j.hidden, m*j.ld)
			j.c = j.hidden
		}
	}
	if p.Then.some() && j.chunks > 1 {
		if len(j.done) < blocks {
			j.done = make([]atomic.Int32, blocks)
		}
		for i := range blocks {
			j.done[i].Store(0)
		}
	}
	if parts := blocks * j.chunks; parts == 1 {
		j.Do(0)
	} else {
		pool.Run(parts, j)
	}
	j.release()
}

// cut chooses the parts: no more than threads for little work, because a part costs an exchange between cores, and up
// to four for each thread otherwise. Rows are divided if every thread gets a whole tile, so that the rows of a part
// stay with one core from product to product; fewer rows are divided by columns, so that weights are read once.
func (j *job) cut() {
	const least, most = 16, 128 // rows of a block
	threads := pool.Threads()
	work := j.m * j.n * j.B.K
	parts := 1
	if work >= smallWork && threads > 1 {
		parts = threads * min(max(work/(threads*partWork), 1), 4)
	}
	switch {
	case j.m < maxRows*threads:
		j.size = min(j.m, least)
	case j.m < parts*least:
		blocks := max(j.m/least/threads, 1) * threads
		j.size = (j.m + blocks - 1) / blocks
	default: // the largest block in cache whose parts end together
		bytes := 4 * max(j.B.Format.lines(j.B.K), 1)
		if j.Ep != nil || j.Then.some() {
			bytes += 4 * j.n
		}
		size := min(max(cacheBytes/bytes/maxRows*maxRows, least), most)
		best := math.MaxInt
		for ; size >= least; size -= maxRows {
			blocks := (j.m + size - 1) / size
			if longest := (blocks + threads - 1) / threads * size; longest < best {
				best, j.size = longest, size
			}
		}
	}
	blocks := (j.m + j.size - 1) / j.size
	j.mr, j.np = j.kern.shape(min(j.size, j.m))
	j.chunks = max((parts+blocks-1)/blocks, (j.size*j.n*j.B.K+longWork-1)/longWork, 1)
	j.chunk = (j.panels + j.chunks - 1) / j.chunks
	if j.chunk > j.np {
		j.chunk = (j.chunk + j.np - 1) / j.np * j.np
	}
	j.chunks = (j.panels + j.chunk - 1) / j.chunk
}

// Do implements pool.Task.
func (j *job) Do(part int) {
	block, chunk := part/j.chunks, part%j.chunks
	r0 := block * j.size
	rows := min(j.size, j.m-r0)
	p0 := chunk * j.chunk
	p1 := min(p0+j.chunk, j.panels)
	s := newScratch()
	var c []float32 // from the block's first row
	if j.local {
		s.c = grow(s.c, rows*j.ld)
		c = s.c
	} else {
		c = j.c[r0*j.ld:]
	}
	if j.A != nil {
		j.sweep(s, c, j.A, r0, rows, p0, p1)
	} else {
		j.sweep(s, c, s.narrowed(j.B.Format, j.X[r0*j.B.K:], rows, j.B.K), 0, rows, p0, p1)
	}
	if j.Ep != nil {
		col := p0 * Width
		cols := min(p1*Width, j.n) - col
		j.Ep.Finish(c[col:(rows-1)*j.ld+col+cols], j.ld, r0, col, rows, cols)
	}
	if j.Then.some() && (j.chunks == 1 || int(j.done[block].Add(1)) == j.chunks) {
		j.Then.rows(c, j.ld, j.n, r0, rows)
	}
	s.release()
}

// Weights are fetched a group of panels ahead if that is at most farthest bytes, half of a first-level cache, and
// farLines lines ahead otherwise.
const farthest, farLines = 1 << 15, 16

// sweep runs the kernels over rows [r0, r0+rows) of a and panels [p0, p1); c begins at row r0.
func (j *job) sweep(s *scratch, c []float32, a *Rows, r0, rows, p0, p1 int) {
	b := j.B
	lines := b.Format.lines(b.K)
	t := &s.arg
	*t = tile{strideA: a.stride, panelB: lines * lineBytes, lines: lines, bf16: b.Format == BF16}
	for p := p0; p < p1; {
		t.np = min(j.np, p1-p)
		cols := t.np * Width
		width := min(cols, j.ld-p*Width)
		// The first rows that read the weights fetch what follows: the next panels, or, of long panels, the next lines.
		t.ahead = t.np * t.panelB
		if t.ahead > farthest {
			t.ahead = farLines * lineBytes
		}
		t.b = unsafe.Pointer(unsafe.SliceData(b.data[min(p*t.panelB, len(b.data)):]))
		if b.Format == Int8 {
			t.scale, t.start = unsafe.Pointer(&b.scale[p*Width]), unsafe.Pointer(&b.start[p*Width])
		}
		if j.bias != nil {
			t.bias = unsafe.Pointer(&j.bias[p*Width])
		}
		for r := 0; r < rows; {
			t.mr = min(j.mr, rows-r)
			t.a = unsafe.Pointer(unsafe.SliceData(a.data[min((r0+r)*a.stride, len(a.data)):]))
			if a.Format == Int8 {
				t.rowScale = unsafe.Pointer(&a.Scale[r0+r])
			}
			kernel := j.kern.table[t.mr-1][t.np-1]
			out := c[r*j.ld+p*Width:]
			if width == cols {
				t.c, t.stride = unsafe.Pointer(&out[0]), j.ld*4
				kernel(unsafe.Pointer(t))
			} else {
				t.c, t.stride = unsafe.Pointer(&s.tmp), cols*4
				kernel(unsafe.Pointer(t))
				for i := range t.mr {
					copy(out[i*j.ld:i*j.ld+width], s.tmp[i*cols:])
				}
			}
			t.ahead = 0
			r += t.mr
		}
		p += t.np
	}
}
