package attn

import (
	"sync"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// Float is an element type.
type Float = gemm.Float

// Block is the number of keys of a block.
const Block = 256

// Rows are the vectors of heads in rows of a wider matrix: head h of position t of sequence b begins at
// Data[(b*positions+t)*LD + h*E].
type Rows[T Float] struct {
	Data []T
	LD   int
}

// Shape is what a call of attention computes. Query heads h*G .. h*G+G-1, G = Heads/KVHeads, share key head h.
type Shape struct {
	B, T, S        int // sequences, queries and keys of each
	Heads, KVHeads int
	E              int // numbers of a head
	Scale          float64
	Causal         bool  // the query at position t sees the keys up to position Start+t
	Start          int   // position of the first query
	Lengths        []int // valid keys of each sequence, or nil
}

// keys is the number of keys that query t of sequence b sees.
func (s *Shape) keys(b, t int) int {
	n := s.S
	if s.Lengths != nil {
		n = min(n, s.Lengths[b])
	}
	if s.Causal {
		n = min(n, s.Start+t+1)
	}
	return n
}

// queryRows is the largest number of rows of a query block. It decides no bit.
const queryRows = 64

// task is one call on its way through the pool. An item is a sequence's key head; its rows are the queries of the heads
// that share it, position by position.
type task[T Float] struct {
	Shape
	q, k, v, dst Rows[T]
	lse          []T // [B, Heads, T], or nil
	cached       bool
	caches       []*Cache[T] // of the sequences, instead of k and v

	kPanels, vPanels []T // of all items, if they are packed first
	packing          bool
	parts            int  // of the packing of an item
	positions        int  // of a query block
	blocks           int  // of an item; 1 if a part does whole items
	items            int  // of a part
	tokens           bool // a part does the only query of a sequence for all heads
}

var (
	tasks32 freeList[task[float32]]
	tasks64 freeList[task[float64]]
)

func tasks[T Float]() *freeList[task[T]] {
	if isF32[T]() {
		return (*freeList[task[T]])(unsafe.Pointer(&tasks32))
	}
	return (*freeList[task[T]])(unsafe.Pointer(&tasks64))
}

// Forward computes dst = attention of q over k and v. dst must not overlap them.
func Forward[T Float](s Shape, dst, q, k, v Rows[T], lse []T) {
	t := tasks[T]().get()
	t.Shape, t.dst, t.q, t.k, t.v, t.lse = s, dst, q, k, v, lse
	t.run()
	t.release()
}

// ForwardCached computes dst = attention of q over caches, one for each sequence. If causal, the queries are the last T
// positions of every sequence. S, Start and Lengths are ignored.
func ForwardCached[T Float, C any](s Shape, dst, q Rows[T], caches []C, of func(C) *Cache[T], lse []T) {
	t := tasks[T]().get()
	t.Shape, t.dst, t.q, t.lse, t.cached, t.S = s, dst, q, lse, true, 0
	for _, c := range caches {
		t.caches = append(t.caches, of(c))
		t.S = max(t.S, of(c).n)
	}
	t.run()
	t.release()
}

func (t *task[T]) release() {
	clear(t.caches)
	*t = task[T]{caches: t.caches[:0], kPanels: t.kPanels, vPanels: t.vPanels}
	tasks[T]().put(t)
}

// run cuts the work. Small work runs on the calling goroutine.
func (t *task[T]) run() {
	const small, large = 1 << 18, 1 << 26 // operations of a call, of a part
	group := t.Heads / t.KVHeads
	each := 4 * float64(t.T*group) * float64(t.S*t.E) // operations of an item
	n, threads := t.B*t.KVHeads, pool.Threads()
	t.positions, t.blocks, t.items = t.blockPositions(), 1, 1
	total := each * float64(n)
	t.tokens = t.cached && t.T == 1 && t.lse == nil && (total < small || t.B >= threads)
	switch {
	case t.tokens && total >= small:
		pool.Run(t.B, t)
		return
	case t.tokens:
		for b := range t.B {
			t.Do(b)
		}
		return
	case total < small:
		t.items = max(n, 1)
		for i := range (n + t.items - 1) / t.items {
			t.Do(i)
		}
		return
	case n < 4*threads || each > large:
		t.blocks = (t.T + t.positions - 1) / t.positions
		if t.blocks > 1 && !t.cached {
			t.pack(n)
		}
	default:
		t.items = max(1, min(n/(8*threads), int(large/8/each)))
	}
	pool.Run((n+t.items-1)/t.items*t.blocks, t)
}

// blockPositions is the number of positions of a query block.
func (t *task[T]) blockPositions() int {
	group := t.Heads / t.KVHeads
	rows := queryRows
	if t.Causal {
		rows = queryRows / 2 // the triangle in which rows of a block compute in vain is smaller
	}
	return max(1, rows/group)
}

// packedV says whether values are packed: rows of whole panels are read in place, unless they are a power of two apart,
// so that they would fall into few cache sets, and read often.
func (t *task[T]) packedV() bool {
	return t.E%gemm.Width != 0 || t.v.LD%256 == 0 && t.S >= 128 && t.T >= 128
}

// pack lays out the keys and, where needed, values of n items.
func (t *task[T]) pack(n int) {
	padded := (t.S + gemm.Width - 1) / gemm.Width * gemm.Width
	t.kPanels = grow(t.kPanels, n*padded*t.E)
	if t.packedV() {
		t.vPanels = grow(t.vPanels, n*gemm.PackedLen(t.S, t.E))
	}
	t.packing, t.parts = true, (t.S+packKeys-1)/packKeys
	pool.Run(n*t.parts, t)
	t.packing = false
	t.parts = 0
}

// Do does one part.
func (t *task[T]) Do(part int) {
	if t.packing {
		t.packPart(part/t.parts, part%t.parts)
		return
	}
	w := workers[T]().get()
	if t.tokens {
		t.token(w, part)
	} else if t.blocks > 1 {
		t.queries(w, t.source(w, part/t.blocks), part/t.blocks, part%t.blocks*t.positions)
	} else {
		for i := part * t.items; i < min((part+1)*t.items, t.B*t.KVHeads); i++ {
			s := t.source(w, i)
			for from := 0; from < t.T; from += t.positions {
				t.queries(w, s, i, from)
			}
		}
	}
	workers[T]().put(w)
}

// packKeys is the number of keys that a part packs.
const packKeys = 64

// packPart packs some keys and values of an item.
func (t *task[T]) packPart(item, block int) {
	b, h := item/t.KVHeads, item%t.KVHeads
	from := block * packKeys
	n := min(packKeys, t.S-from)
	padded := (t.S + gemm.Width - 1) / gemm.Width * gemm.Width
	gemm.PackRows(t.kPanels[(item*padded+from)*t.E:], t.k.at(b*t.S+from, h, t.E), n, t.E, t.k.LD)
	if t.packedV() {
		packValues(t.vPanels[item*gemm.PackedLen(t.S, t.E):], t.v.at(b*t.S, h, t.E), from, n, t.S, t.E, t.v.LD)
	}
}

// packValues fills rows from .. from+n of panels of s rows from src.
func packValues[T Float](dst, src []T, from, n, s, e, ld int) {
	for c := 0; c < e; c += gemm.Width {
		cols := min(gemm.Width, e-c)
		for r := from; r < from+n; r++ {
			d := dst[c*s+r*gemm.Width:][:gemm.Width]
			clear(d[copy(d, src[r*ld+c:r*ld+c+cols]):])
		}
	}
}

// at is the rows from position i on, from head h on.
func (r *Rows[T]) at(i, h, e int) []T { return r.Data[i*r.LD+h*e:] }

// source is the keys and values of an item, packed by this part if they are not yet.
func (t *task[T]) source(w *worker[T], item int) source[T] {
	b, h := item/t.KVHeads, item%t.KVHeads
	if t.cached {
		return t.caches[b].source(h)
	}
	padded := (t.S + gemm.Width - 1) / gemm.Width * gemm.Width
	var s source[T]
	length := t.S
	if t.Lengths != nil {
		length = min(length, t.Lengths[b])
	}
	if length <= 0 {
		return s
	}
	if t.blocks > 1 {
		s.k = t.kPanels[item*padded*t.E:]
	} else {
		w.k = grow(w.k, padded*t.E)
		gemm.PackRows(w.k, t.k.at(b*t.S, h, t.E), length, t.E, t.k.LD)
		s.k = w.k
	}
	switch {
	case !t.packedV():
		s.v = gemm.Right[T]{Data: t.v.at(b*t.S, h, t.E), Step: t.v.LD, Panel: gemm.Width}
		return s
	case t.blocks > 1:
		s.v.Data = t.vPanels[item*gemm.PackedLen(t.S, t.E):]
	default:
		w.v = grow(w.v, gemm.PackedLen(t.S, t.E))
		packValues(w.v, t.v.at(b*t.S, h, t.E), 0, length, t.S, t.E, t.v.LD)
		s.v.Data = w.v
	}
	s.v.Step, s.v.Panel = gemm.Width, t.S*gemm.Width
	return s
}

// queries does the query block of an item that begins at position from.
func (t *task[T]) queries(w *worker[T], s source[T], item, from int) {
	b, h := item/t.KVHeads, item%t.KVHeads
	group := t.Heads / t.KVHeads
	positions := min(t.positions, t.T-from)
	w.begin(positions*group, t.E)
	scale := [1]T{T(t.Scale)}
	for g := range group {
		src := t.q.at(b*t.T+from, h*group+g, t.E)
		scaleRows(w.q[g*t.E:], src, group*t.E, t.q.LD, positions, t.E, scale[:], 0)
	}
	for i := range positions {
		keys := t.keysOf(b, from+i)
		for g := range group {
			w.n[i*group+g] = keys
		}
	}
	w.heads = append(w.heads[:0], s)
	w.attend(w.heads)
	w.heads[0] = source[T]{} // keeps no cache alive
	w.results()
	for g := range group {
		dst := t.dst.at(b*t.T+from, h*group+g, t.E)
		scaleRows(dst, w.o[g*w.padded:], t.dst.LD, group*w.padded, positions, t.E, w.c[g:], group)
		for i := range positions {
			r := i*group + g
			if w.m[r] == minusInf[T]() {
				clear(dst[i*t.dst.LD : i*t.dst.LD+t.E])
			}
			if t.lse != nil {
				t.lse[(b*t.Heads+h*group+g)*t.T+from+i] = w.logSumExp(r)
			}
		}
	}
}

// token does the only query of a sequence for all heads, whose rows lie side by side, over a cache.
func (t *task[T]) token(w *worker[T], b int) {
	w.begin(t.Heads, t.E)
	scale := [1]T{T(t.Scale)}
	scaleRows(w.q, t.q.at(b, 0, t.E), t.E, t.E, t.Heads, t.E, scale[:], 0)
	keys := t.keysOf(b, 0)
	for r := range w.n {
		w.n[r] = keys
	}
	w.heads = w.heads[:0]
	for h := range t.KVHeads {
		w.heads = append(w.heads, t.caches[b].source(h))
	}
	w.attend(w.heads)
	clear(w.heads) // keeps no cache alive
	w.results()
	dst := t.dst.at(b, 0, t.E)
	scaleRows(dst, w.o, t.E, w.padded, t.Heads, t.E, w.c, 1)
	for r, m := range w.m {
		if m == minusInf[T]() {
			clear(dst[r*t.E : (r+1)*t.E])
		}
	}
}

// keysOf is the number of keys that query t of sequence b sees.
func (t *task[T]) keysOf(b, i int) int {
	if !t.cached {
		return t.keys(b, i)
	}
	n := t.caches[b].n
	if t.Causal {
		n = max(0, n-t.T+i+1)
	}
	return n
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
