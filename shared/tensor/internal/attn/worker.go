package attn

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// scoresLD is the row stride of scores: off a power of two, so that rows do not share cache sets.
const scoresLD = Block + gemm.Width

// source is the keys and values of one head of one sequence.
type source[T Float] struct {
	k []T           // panels of 16 keys, [.., E, 16]
	v gemm.Right[T] // rows of values
}

// worker is the memory of one part: a block of query rows on its way over the keys.
type worker[T Float] struct {
	tiles  gemm.Tiles[T]
	e      int // numbers of a head
	padded int // e rounded up to whole panels

	q []T   // [rows, e], scaled
	p []T   // [rows, scoresLD], scores, then weights
	o []T   // [rows, padded]
	m []T   // [rows], maxima
	l []T   // [rows], sums
	c []T   // [rows], factors of what was summed before the block
	n []int // [rows], keys seen

	top, sum []T   // [rows], of the block
	nb       []int // [rows], keys seen of the block

	k, v  []T         // keys and values packed by this part
	heads []source[T] // of a sequence
}

var (
	workers32 freeList[worker[float32]]
	workers64 freeList[worker[float64]]
)

func workers[T Float]() *freeList[worker[T]] {
	if isF32[T]() {
		return (*freeList[worker[T]])(unsafe.Pointer(&workers32))
	}
	return (*freeList[worker[T]])(unsafe.Pointer(&workers64))
}

func isF32[T Float]() bool {
	var z T
	return unsafe.Sizeof(z) == 4
}

// grow returns s with n elements, whose contents are unspecified.
func grow[V any](s []V, n int) []V {
	if cap(s) < n {
		return make([]V, n+n/4)[:n]
	}
	return s[:n]
}

// begin prepares for a number of rows.
func (w *worker[T]) begin(rows, e int) {
	w.e, w.padded = e, (e+gemm.Width-1)/gemm.Width*gemm.Width
	w.q, w.p, w.o = grow(w.q, rows*e), grow(w.p, rows*scoresLD), grow(w.o, rows*w.padded)
	w.m, w.l, w.c, w.n = grow(w.m, rows), grow(w.l, rows), grow(w.c, rows), grow(w.n, rows)
	w.top, w.sum, w.nb = grow(w.top, rows), grow(w.sum, rows), grow(w.nb, rows)
	for r := range rows {
		w.m[r], w.l[r] = minusInf[T](), 0
	}
}

// attend takes all rows over the keys that they see. An equal number of rows belongs to each of the heads.
func (w *worker[T]) attend(heads []source[T]) {
	all, most := len(w.n), 0
	for _, n := range w.n {
		most = max(most, n)
	}
	rows := all / len(heads)
	for from := 0; from < most; from += Block {
		keys := min(Block, most-from)
		cols := (keys + gemm.Width - 1) / gemm.Width * gemm.Width
		for i, s := range heads {
			k := gemm.Right[T]{Data: s.k[from*w.e:], Step: gemm.Width, Panel: gemm.Width * w.e}
			q := gemm.Left[T]{Data: w.q[i*rows*w.e:], Row: w.e, Step: 1}
			w.tiles.Multiply(w.p[i*rows*scoresLD:], scoresLD, q, k, rows, cols, w.e, false)
		}
		for r, n := range w.n { // keys that every row sees of the block
			w.nb[r] = min(max(n-from, 0), cols)
		}
		weighRows(w.p, scoresLD, all, cols, w.nb, w.m, w.top, w.sum)
		merge(w.m, w.l, w.c, w.top, w.sum)
		if from > 0 {
			scaleRows(w.o, w.o, w.padded, w.padded, all, w.padded, w.c, 1)
		}
		for i, s := range heads {
			v := s.v
			v.Data = v.Data[from*v.Step:]
			p := gemm.Left[T]{Data: w.p[i*rows*scoresLD:], Row: scoresLD, Step: 1}
			w.tiles.Multiply(w.o[i*rows*w.padded:], w.padded, p, v, rows, w.padded, keys, from > 0)
		}
	}
}

// results makes c the factors of the rows of o.
func (w *worker[T]) results() {
	for r, l := range w.l {
		w.c[r] = 1 / l
	}
}

// logSumExp is that of row r.
func (w *worker[T]) logSumExp(r int) T {
	if w.m[r] == minusInf[T]() {
		return w.m[r]
	}
	return w.m[r] + vec.Log1(w.l[r])
}
