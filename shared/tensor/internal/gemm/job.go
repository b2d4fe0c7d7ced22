package gemm

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// job is one call of the package. Its parts are rectangles of the output (rows by panels); every part
// computes whole reductions, so neither their number nor their order changes a bit.
type job[T Float] struct {
	kern    kernels
	ep      Epilogue[T]
	sums    sums[T]
	b       operand
	segs    []segment
	steps   []step
	grid    grid
	packing packTask[T]
	packed  []T // B packed for this call

	product productTask[T]
	sparse  sparseTask
	conv2d  convTask[T]
	phases  []phase // of conv2d and narrow
	flip    flipTask[T]
	wgrad   wgradTask[T]
	narrow  narrowTask[T]

	spare []segment // memory for segments
}

// step is a range of the reduction that is computed for a whole part before the next one begins, so that
// what it touches stays in cache. It consists of whole blocks.
type step struct {
	segs   []segment
	k0, k1 int
}

// stepK bounds the length of a step unless a single block or a short rest needs more.
const stepK = 1024

// makeSteps lets B follow the segments line by line, strideB bytes apart, and cuts the segments into
// steps.
func (j *job[T]) makeSteps(strideB int) {
	j.steps = cutSteps(j.steps, j.segs, follow(j.segs, strideB))
}

// follow lets B follow the segments, and returns their length.
func follow(segs []segment, strideB int) int {
	k := 0
	for i := range segs {
		segs[i].offB = k * strideB
		k += int(segs[i].n)
	}
	return k
}

// cutSteps cuts the segments, total k in all, into steps, in the memory of those given.
func cutSteps(steps []step, segs []segment, total int) []step {
	steps = steps[:0]
	s0, k0, k := 0, 0, 0
	for i, s := range segs {
		k += int(s.n)
		if i == len(segs)-1 || (s.end != 0 && k-k0 >= stepK && total-k >= stepK/2) {
			steps = append(steps, step{segs: segs[s0 : i+1], k0: k0, k1: k})
			s0, k0 = i+1, k
		}
	}
	return steps
}

// runs appends segments for n consecutive k in blocks of the given length, starting at byte offset offA.
func (j *job[T]) runs(n, block, offA, strideA int) {
	for k := 0; k < n; k += block {
		m := min(block, n-k)
		j.segs = append(j.segs, segment{offA: offA + k*strideA, n: int32(m), end: 1})
	}
}

// release puts the job back. It drops every reference to operands and keeps its own memory.
func (j *job[T]) release() {
	for i := range j.phases {
		j.phases[i].b.base = nil
	}
	*j = job[T]{segs: j.segs[:0], spare: j.spare[:0], steps: j.steps[:0], packed: j.packed, phases: j.phases[:0],
		sparse: j.sparse.kept(),
		wgrad:  wgradTask[T]{x: j.wgrad.x, dyPacked: j.wgrad.dyPacked, narrow: j.wgrad.narrow}}
	if size[T]() == 4 {
		jobs32.put((*job[float32])(unsafe.Pointer(j)))
	} else {
		jobs64.put((*job[float64])(unsafe.Pointer(j)))
	}
}

// grid cuts the output into parts: bands of rows by chunks of panels, for each of a number of items.
type grid struct {
	rows, bandRows, bands       int
	panels, chunkPanels, chunks int
	items                       int
}

// smallWork is the number of operations below which a job is not worth a second thread.
const smallWork = 1 << 20

// choose sets the cut. A row of the grid stands for unit rows of the kernels (a conv's output row);
// maxRows and maxPanels are what fits in cache.
func (g *grid) choose(items, rows, unit, maxRows, panels, maxPanels int, flops float64) {
	*g = grid{rows: rows, bandRows: min(rows, max(maxRows, 1)), panels: panels, chunkPanels: min(panels, maxPanels),
		items: items}
	want := 1
	if threads := pool.Threads(); threads > 1 && flops >= smallWork {
		want = threads
		if flops >= 8*smallWork {
			want = 4 * threads
		}
	}
	const minRows = 24 // of the kernels: a multiple of every tile height
	for g.count() < want {
		switch {
		case g.bandRows*unit >= 2*minRows && g.bandRows > 1:
			g.bandRows = (g.bandRows + 1) / 2
		case g.chunkPanels > maxPanels0:
			g.chunkPanels = (g.chunkPanels + 1) / 2
		default:
			want = 0
		}
	}
	g.bandRows = (g.rows + g.bands - 1) / g.bands
	if unit == 1 && g.bands > 1 {
		g.bandRows = (g.bandRows + minRows - 1) / minRows * minRows
	}
	g.chunkPanels = (g.panels + g.chunks - 1) / g.chunks
	g.count()
}

// maxPanels0 is the number of panels below which a chunk is not cut further.
const maxPanels0 = maxPanels

// count is the number of parts.
func (g *grid) count() int {
	g.bands = (g.rows + g.bandRows - 1) / g.bandRows
	g.chunks = (g.panels + g.chunkPanels - 1) / g.chunkPanels
	return g.items * g.bands * g.chunks
}

// part is one rectangle: rows [r0, r1) and panels [p0, p1) of an item.
type part struct{ item, r0, r1, p0, p1 int }

// at is part i. Chunks of panels vary slowest within an item, so that neighbours share B.
func (g *grid) at(i int) part {
	band := i % g.bands
	chunk := i / g.bands % g.chunks
	r0, p0 := band*g.bandRows, chunk*g.chunkPanels
	return part{
		item: i / g.bands / g.chunks,
		r0:   r0, r1: min(r0+g.bandRows, g.rows),
		p0: p0, p1: min(p0+g.chunkPanels, g.panels),
	}
}

// panelsOf is the number of panels of n columns.
func panelsOf(n int) int { return (n + Width - 1) / Width }
