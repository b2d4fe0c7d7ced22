package attn

import (
	"math"
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

	k, v []T // keys and values packed by this part
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
}

// query sets row r.
func (w *worker[T]) query(r int, q []T, scale T, keys int) {
	vec.Scale(w.q[r*w.e:(r+1)*w.e], q, scale)
	w.m[r], w.l[r], w.n[r] = minusInf[T](), 0, keys
}

func minusInf[T Float]() T { return T(math.Inf(-1)) }

// attend takes all rows over the keys that they see.
func (w *worker[T]) attend(s source[T]) {
	rows, most := len(w.n), 0
	for _, n := range w.n {
		most = max(most, n)
	}
	for from := 0; from < most; from += Block {
		keys := min(Block, most-from)
		wide := (keys + gemm.Width - 1) / gemm.Width * gemm.Width
		w.scores(s, from, rows, wide)
		w.weigh(from, rows, wide)
		if from > 0 {
			w.rescale(rows)
		}
		v := s.v
		v.Data = v.Data[from*v.Step:]
		w.tiles.Multiply(w.o, w.padded, gemm.Left[T]{Data: w.p, Row: scoresLD, Step: 1}, v, rows, w.padded, keys, from > 0)
	}
}

// scores computes q k' for the block of wide keys at from.
func (w *worker[T]) scores(s source[T], from, rows, wide int) {
	k := gemm.Right[T]{Data: s.k[from*w.e:], Step: gemm.Width, Panel: gemm.Width * w.e}
	w.tiles.Multiply(w.p, scoresLD, gemm.Left[T]{Data: w.q, Row: w.e, Step: 1}, k, rows, wide, w.e, false)
}

// weigh turns the scores of the block at from into weights and updates maxima and sums.
func (w *worker[T]) weigh(from, rows, wide int) {
	for r := range rows {
		row := w.p[r*scoresLD : r*scoresLD+wide]
		n := min(max(w.n[r]-from, 0), wide)
		clear(row[n:])
		w.c[r] = 1
		row = row[:n]
		m := max(w.m[r], vec.Max(row)) // NaN if either is
		if m == minusInf[T]() {
			clear(row)
			continue
		}
		if m != w.m[r] {
			w.c[r] = vec.Exp1(w.m[r] - m)
		}
		w.l[r] = vec.FMA1(w.l[r], w.c[r], vec.ExpSub(row, row, m))
		w.m[r] = m
	}
}

// rescale multiplies the rows by their factors.
func (w *worker[T]) rescale(rows int) {
	for r := range rows {
		if c := w.c[r]; c != 1 {
			o := w.o[r*w.padded : (r+1)*w.padded]
			vec.Scale(o, o, c)
		}
	}
}

// result stores row r.
func (w *worker[T]) result(r int, dst []T) {
	clear(dst)
	if w.m[r] != minusInf[T]() {
		vec.AXPY(dst, 1/w.l[r], w.o[r*w.padded:r*w.padded+w.e])
	}
}

// logSumExp is that of row r.
func (w *worker[T]) logSumExp(r int) T {
	if w.m[r] == minusInf[T]() {
		return w.m[r]
	}
	return w.m[r] + vec.Log1(w.l[r])
}
