package attn

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// GradRows is the number of rows of a query block of the derivative, as far as whole positions go.
const GradRows = 64

// Grads are the operands and results of the derivative: y and lse as Forward made them, dy the derivative of y.
type Grads[T Float] struct {
	DQ, DK, DV     Rows[T]
	DY, Q, K, V, Y Rows[T]
	LSE            []T
}

// gradTask is one call of the derivative on its way through the pool.
type gradTask[T Float] struct {
	Shape
	Grads[T]
	mode gradMode

	positions, qblocks int // of a query block; their number
	step, kblocks      int // keys done at once, Block or, for more parts, fewer where that decides no bit; their number
}

// gradMode is what the parts of a gradTask are.
type gradMode int

const (
	wholeItems  gradMode = iota // sequences' key heads, all derivatives
	keyBlocks                   // blocks of keys of an item, their derivatives
	queryBlocks                 // blocks of queries of an item, their derivatives
)

// gradWorker is the memory of one part.
type gradWorker[T Float] struct {
	tiles      gemm.Tiles[T]
	k, v       []T // panels of 16 keys, of values by key, of a block
	kLines     []T // keys by panels of columns
	q, dy      []T // [rows, padded]
	p, ds      []T // [rows, scoresLD]
	dq         []T // [query blocks, rows, padded]
	dk, dv     []T // [Block, padded]
	lse, dot   []T // [rows]
	n          []int
	e, padded  int
	group      int
	keys, seen int // of the key block: that there are, that the query block sees
}

var (
	gradTasks32   freeList[gradTask[float32]]
	gradTasks64   freeList[gradTask[float64]]
	gradWorkers32 freeList[gradWorker[float32]]
	gradWorkers64 freeList[gradWorker[float64]]
)

func gradTasks[T Float]() *freeList[gradTask[T]] {
	if isF32[T]() {
		return (*freeList[gradTask[T]])(unsafe.Pointer(&gradTasks32))
	}
	return (*freeList[gradTask[T]])(unsafe.Pointer(&gradTasks64))
}

func gradWorkers[T Float]() *freeList[gradWorker[T]] {
	if isF32[T]() {
		return (*freeList[gradWorker[T]])(unsafe.Pointer(&gradWorkers32))
	}
	return (*freeList[gradWorker[T]])(unsafe.Pointer(&gradWorkers64))
}

// Backward computes the derivatives of Forward. With few sequences and heads, those of keys and values and those of
// queries are computed each for themselves, for more parts: the bits are the same.
func Backward[T Float](s Shape, g Grads[T]) {
	t := gradTasks[T]().get()
	t.Shape, t.Grads = s, g
	group := s.Heads / s.KVHeads
	t.positions = max(1, GradRows/group)
	t.qblocks = (s.T + t.positions - 1) / t.positions
	items := s.B * s.KVHeads
	work := 10 * float64(items*s.T*group) * float64(s.S*s.E)
	if threads := pool.Threads(); work > 1<<21 && items < 2*threads && (items < threads || items%threads != 0) {
		t.keyBlocks(64)
		t.mode = keyBlocks
		pool.Run(items*t.kblocks, t)
		t.keyBlocks(Block)
		t.mode = queryBlocks
		pool.Run(items*t.qblocks, t)
	} else {
		t.keyBlocks(Block)
		t.mode = wholeItems
		pool.Run(items, t)
	}
	*t = gradTask[T]{}
	gradTasks[T]().put(t)
}

// keyBlocks cuts the keys into blocks of step.
func (t *gradTask[T]) keyBlocks(step int) { t.step, t.kblocks = step, (t.S+step-1)/step }

// Do does one part.
func (t *gradTask[T]) Do(part int) {
	w := gradWorkers[T]().get()
	w.e, w.padded, w.group = t.E, (t.E+gemm.Width-1)/gemm.Width*gemm.Width, t.Heads/t.KVHeads
	switch t.mode {
	case keyBlocks:
		j := part % t.kblocks
		t.blocks(w, part/t.kblocks, j, j+1, 0, t.qblocks)
	case queryBlocks:
		i := part % t.qblocks
		t.blocks(w, part/t.qblocks, 0, t.kblocks, i, i+1)
	default:
		t.blocks(w, part, 0, t.kblocks, 0, t.qblocks)
	}
	gradWorkers[T]().put(w)
}

// blocks goes over the key blocks j0 .. j1-1 and the query blocks i0 .. i1-1 of an item.
func (t *gradTask[T]) blocks(w *gradWorker[T], item, j0, j1, i0, i1 int) {
	b, h := item/t.KVHeads, item%t.KVHeads
	rows := t.positions * w.group
	w.begin(rows)
	if t.mode != keyBlocks {
		w.dq = grow(w.dq, (i1-i0)*rows*w.padded)
		clear(w.dq)
	}
	length := t.S
	if t.Lengths != nil {
		length = min(length, t.Lengths[b])
	}
	for j := j0; j < j1; j++ {
		from := j * t.step
		w.keys = max(0, min(t.step, length-from))
		if w.keys > 0 {
			t.packBlock(w, b, h, from)
		}
		if t.mode != queryBlocks {
			clear(w.dk[:w.keys*w.padded])
			clear(w.dv[:w.keys*w.padded])
		}
		for i := i0; i < i1; i++ {
			last := min((i+1)*t.positions, t.T) - 1
			if w.seen = min(w.keys, t.keys(b, last)-from); w.seen > 0 {
				t.pair(w, b, h, from, i, w.dqOf(i-i0, rows))
			}
		}
		if t.mode != queryBlocks {
			t.storeKeys(w, b, h, from)
		}
	}
	if t.mode == keyBlocks {
		return
	}
	for i := i0; i < i1; i++ {
		t.storeQueries(w, b, h, i, w.dqOf(i-i0, rows))
	}
}

// dqOf is the derivatives of the queries of the i-th query block of the part; nil if it computes none.
func (w *gradWorker[T]) dqOf(i, rows int) []T {
	if at := i * rows * w.padded; at < len(w.dq) {
		return w.dq[at:]
	}
	return nil
}

// begin prepares for blocks of a number of rows.
func (w *gradWorker[T]) begin(rows int) {
	w.k, w.v = grow(w.k, Block*w.e), grow(w.v, Block*w.e)
	w.kLines = grow(w.kLines, Block*w.padded)
	w.q, w.dy = grow(w.q, rows*w.padded), grow(w.dy, rows*w.padded)
	w.p, w.ds = grow(w.p, rows*scoresLD), grow(w.ds, rows*scoresLD)
	w.dk, w.dv = grow(w.dk, Block*w.padded), grow(w.dv, Block*w.padded)
	w.lse, w.dot, w.n = grow(w.lse, rows), grow(w.dot, rows), grow(w.n, rows)
	w.dq = w.dq[:0]
	clear(w.q) // beyond e
	clear(w.dy)
}

// packBlock lays out the keys and values of the block at from.
func (t *gradTask[T]) packBlock(w *gradWorker[T], b, h, from int) {
	k, v := t.K.at(b*t.S+from, h, t.E), t.V.at(b*t.S+from, h, t.E)
	gemm.PackRows(w.k, k, w.keys, t.E, t.K.LD)
	gemm.PackRows(w.v, v, w.keys, t.E, t.V.LD)
	if t.mode != keyBlocks && t.E%gemm.Width != 0 {
		packValues(w.kLines, k, 0, w.keys, Block, t.E, t.K.LD)
	}
}

// pair does query block i against the key block at from.
func (t *gradTask[T]) pair(w *gradWorker[T], b, h, from, i int, dq []T) {
	first := i * t.positions
	n := min(t.positions, t.T-first)
	rows := n * w.group
	t.loadQueries(w, b, h, from, first, n)
	cols := (w.seen + gemm.Width - 1) / gemm.Width * gemm.Width
	left := func(x []T) gemm.Left[T] { return gemm.Left[T]{Data: x, Row: w.padded, Step: 1} }
	panels := func(x []T) gemm.Right[T] { return gemm.Right[T]{Data: x, Step: gemm.Width, Panel: gemm.Width * w.e} }
	w.tiles.Multiply(w.p, scoresLD, left(w.q), panels(w.k), rows, cols, w.e, false)
	w.tiles.Multiply(w.ds, scoresLD, left(w.dy), panels(w.v), rows, cols, w.e, false)
	weighGradRows(w.p, w.ds, scoresLD, rows, cols, w.n, w.lse, w.dot)
	if t.mode != queryBlocks {
		turned := func(x []T) gemm.Left[T] { return gemm.Left[T]{Data: x, Row: 1, Step: scoresLD} }
		lines := func(x []T) gemm.Right[T] { return gemm.Right[T]{Data: x, Step: w.padded, Panel: gemm.Width} }
		w.tiles.Multiply(w.dv, w.padded, turned(w.p), lines(w.dy), w.seen, w.padded, rows, true)
		w.tiles.Multiply(w.dk, w.padded, turned(w.ds), lines(w.q), w.seen, w.padded, rows, true)
	}
	if t.mode != keyBlocks {
		k := gemm.Right[T]{Data: w.kLines, Step: gemm.Width, Panel: Block * gemm.Width}
		if t.E%gemm.Width == 0 {
			k = gemm.Right[T]{Data: t.K.at(b*t.S+from, h, t.E), Step: t.K.LD, Panel: gemm.Width}
		}
		ds := gemm.Left[T]{Data: w.ds, Row: scoresLD, Step: 1}
		w.tiles.Multiply(dq, w.padded, ds, k, rows, w.padded, w.seen, true)
	}
}

// loadQueries gathers the rows of n positions from position first on.
func (t *gradTask[T]) loadQueries(w *gradWorker[T], b, h, from, first, n int) {
	scale := [1]T{T(t.Scale)}
	for g := range w.group {
		head := h*w.group + g
		scaleRows(w.q[g*w.padded:], t.Q.at(b*t.T+first, head, t.E), w.group*w.padded, t.Q.LD, n, t.E, scale[:], 0)
		for i := range n {
			r := i*w.group + g
			dy := t.DY.at(b*t.T+first+i, head, t.E)[:t.E]
			copy(w.dy[r*w.padded:], dy)
			w.dot[r] = vec.Dot(t.Y.at(b*t.T+first+i, head, t.E)[:t.E], dy)
			w.lse[r] = t.LSE[(b*t.Heads+head)*t.T+first+i]
			w.n[r] = min(max(t.keys(b, first+i)-from, 0), w.seen)
		}
	}
}

// storeKeys writes the derivatives of the keys and values of the block at from; those beyond the sequence are 0.
func (t *gradTask[T]) storeKeys(w *gradWorker[T], b, h, from int) {
	for r := range min(t.step, t.S-from) {
		dk, dv := t.DK.at(b*t.S+from+r, h, t.E)[:t.E], t.DV.at(b*t.S+from+r, h, t.E)[:t.E]
		if r >= w.keys {
			clear(dk)
			clear(dv)
			continue
		}
		copy(dk, w.dk[r*w.padded:])
		copy(dv, w.dv[r*w.padded:])
	}
}

// storeQueries writes the derivatives of query block i.
func (t *gradTask[T]) storeQueries(w *gradWorker[T], b, h, i int, dq []T) {
	first := i * t.positions
	n := min(t.positions, t.T-first)
	scale := [1]T{T(t.Scale)}
	for g := range w.group {
		dst := t.DQ.at(b*t.T+first, h*w.group+g, t.E)
		scaleRows(dst, dq[g*w.padded:], t.DQ.LD, w.group*w.padded, n, t.E, scale[:], 0)
	}
}
