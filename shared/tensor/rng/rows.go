package rng

import (
	"fmt"
	"math"
	"sync"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// Row is where the numbers of one row of a batch come from.
type Row struct {
	Stream Stream
	Sample uint64
	Step   uint32
}

// rowGrain is the fewest numbers that are worth a thread: a nanosecond each, or less.
const rowGrain = 8192

// BernoulliRows draws bits: dst and prob hold len(rows) rows, and an element of dst is 1 where the number that
// Uniform gives at its place in its row is below its probability, 0 elsewhere, also where that is NaN. dst may be prob.
func BernoulliRows(dst, prob []float32, rows []Row, p Purpose) {
	if len(dst) != len(prob) {
		panic(fmt.Sprintf("rng: %d bits of %d probabilities", len(dst), len(prob)))
	}
	runRows(rowTask{kind: drawBits, dst: dst, prob: prob, rows: rows, p: p})
}

// UniformRows is Uniform for every one of len(rows) rows of dst.
func UniformRows(dst []float32, rows []Row, p Purpose) {
	runRows(rowTask{kind: drawUniforms, dst: dst, rows: rows, p: p})
}

// NormalRows is Normal for every one of len(rows) rows of dst.
func NormalRows(dst []float32, rows []Row, p Purpose) {
	runRows(rowTask{kind: drawNormals, dst: dst, rows: rows, p: p})
}

type rowKind uint8

const (
	drawBits rowKind = iota
	drawUniforms
	drawNormals
)

// rowTask draws size rows in every part.
type rowTask struct {
	kind      rowKind
	dst, prob []float32
	rows      []Row
	size      int
	p         Purpose
}

// rowTasks are tasks that nobody uses.
var rowTasks struct {
	sync.Mutex
	idle []*rowTask
}

// runRows divides the rows of a task among the threads.
func runRows(r rowTask) {
	n := len(r.rows)
	if n == 0 || len(r.dst)%n != 0 {
		if len(r.dst) == 0 {
			return
		}
		panic(fmt.Sprintf("rng: %d numbers are not %d equal rows", len(r.dst), n))
	}
	for i := range r.rows {
		check(len(r.dst)/n, 4, r.rows[i].Sample)
	}
	rowTasks.Lock()
	var t *rowTask
	if k := len(rowTasks.idle); k > 0 {
		t, rowTasks.idle = rowTasks.idle[k-1], rowTasks.idle[:k-1]
	} else {
		t = new(rowTask)
	}
	rowTasks.Unlock()
	r.size = pool.Chunk(n, max(1, rowGrain*n/max(1, len(r.dst))))
	*t = r
	pool.Run((n+r.size-1)/r.size, t)
	*t = rowTask{}
	rowTasks.Lock()
	rowTasks.idle = append(rowTasks.idle, t)
	rowTasks.Unlock()
}

// Do implements pool.Task.
func (t *rowTask) Do(part int) {
	cols := len(t.dst) / len(t.rows)
	for i := part * t.size; i < min((part+1)*t.size, len(t.rows)); i++ {
		dst, r := t.dst[i*cols:(i+1)*cols], t.rows[i]
		switch t.kind {
		case drawBits:
			r.Stream.bernoulli(dst, t.prob[i*cols:(i+1)*cols], r.Sample, r.Step, t.p)
		case drawUniforms:
			r.Stream.Uniform(dst, r.Sample, r.Step, t.p)
		default:
			r.Stream.normal(dst, 0, r.Sample, r.Step, t.p)
		}
	}
}

// bernoulli is one row of BernoulliRows. Two blocks are drawn at a time, because the multiplications of one wait for
// each other.
func (s Stream) bernoulli(dst, prob []float32, sample uint64, step uint32, p Purpose) {
	ctr, key := s.counter(sample, step, p)
	prob = prob[:len(dst)]
	i := drawNative(dst, prob, ctr, key)
	for ; i+8 <= len(dst); i += 8 {
		ctr[0] = uint32(i / 4)
		a, b := philox2(ctr, key)
		d, q := (*[8]float32)(dst[i:]), (*[8]float32)(prob[i:])
		for j, w := range a {
			d[j] = bit(w, q[j])
		}
		for j, w := range b {
			d[4+j] = bit(w, q[4+j])
		}
	}
	for ; i < len(dst); i += 4 {
		ctr[0] = uint32(i / 4)
		w := Philox(ctr, key)
		for j := range min(4, len(dst)-i) {
			dst[i+j] = bit(w[j], prob[i+j])
		}
	}
}

// bit is 1 where the upper 24 bits of w, as a fraction, are below p. It has no branch on what is random: half of those
// would be guessed wrong.
func bit(w uint32, p float32) float32 {
	q := float32(p * 0x1p24)
	if q != q {
		q = 0
	}
	below := math.Float32bits(float32(int32(w>>8))-q) >> 31
	return math.Float32frombits(below * math.Float32bits(1))
}
