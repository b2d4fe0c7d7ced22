package evaluate

import (
	"context"
	"math"
	"sync"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// index searches rows for the nearest of a query, all of them (brute force): the products of the queries with the rows,
// then the largest of those. Rows have one number more, -|row|^2/2, and queries a 1 for it, so that the product is
// largest where the distance is smallest: |q-row|^2 = |q|^2 - 2 (q row - |row|^2/2).
type index struct {
	blocks []*tensor.Packed // of rows each
	rows   int              // of a block
	spread int              // rows, spread over a block, of which one maximum says whether they are looked at
	short  bool             // rows are short: threads search for queries of their own
	n, d   int
	bytes  int64
	labels []int32
}

const (
	blockRows   = 2048 // rows that are searched together; their products stay in the cache
	queryRows   = 128
	segmentRows = 64
	// The same for short rows, whose product is soon done: it is one thread's, and stays in the cache of its core.
	shortNumbers, shortQueries, shortSegment = 129, 16, 8
	shortWork                                = 1 << 19 // multiplications that are not divided among threads
)

func newIndex(rows *tensor.Tensor) *index {
	n, d := rows.Dims2()
	x := &index{n: n, d: d, rows: blockRows, spread: segmentRows}
	if x.short = d+1 <= shortNumbers; x.short {
		x.spread = shortSegment
		x.rows = min(blockRows, (shortWork-1)/shortQueries/(d+1)/shortSegment*shortSegment)
	}
	for from := 0; from < n; from += x.rows {
		m := min(x.rows, n-from)
		whole := (m + x.spread - 1) / x.spread * x.spread
		b := tensor.New(tensor.Float32, whole, d+1)
		for i := m; i < whole; i++ {
			b.F32()[i*(d+1)+d] = -math.MaxFloat32 // behind every row
		}
		for i := range m {
			row := rows.F32()[(from+i)*d : (from+i+1)*d]
			var square float64
			for _, v := range row {
				square += float64(float64(v) * float64(v))
			}
			copy(b.F32()[i*(d+1):], row)
			b.F32()[i*(d+1)+d] = float32(-square / 2)
		}
		x.blocks = append(x.blocks, tensor.PackB(b, true))
		x.bytes += 4 * int64(whole) * int64(d+1)
	}
	return x
}

// nearest is the k nearest rows of every query [Q, D], the nearest first; of two at one distance the first.
func (x *index) nearest(ctx context.Context, queries *tensor.Tensor, k int) ([][]int32, error) {
	total, d := queries.Dims2()
	k = min(k, x.n)
	lists := make([]list, total)
	ids, scores := make([]int32, total*k), make([]float32, total*k)
	q := tensor.New(tensor.Float32, total, d+1)
	for i := range total {
		row := q.F32()[i*(d+1) : (i+1)*(d+1)]
		copy(row, queries.F32()[i*d:(i+1)*d])
		row[d] = 1
		lists[i] = list{ids: ids[i*k : (i+1)*k], scores: scores[i*k : (i+1)*k]}
	}
	threads := 1
	if x.short {
		threads = min(tensor.Threads(), (total+shortQueries-1)/shortQueries)
	}
	var wait sync.WaitGroup
	for t := range threads {
		from, to := total*t/threads, total*(t+1)/threads
		wait.Go(func() { x.search(ctx, q.F32()[from*(d+1):to*(d+1)], lists[from:to]) })
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	near := make([][]int32, total)
	for i := range near {
		near[i] = lists[i].ids
	}
	return near, nil
}

// search fills the lists of queries q [len(lists), D+1]. Blocks of short rows are few at a time and go through all
// queries; large ones are read again for every 128 queries.
func (x *index) search(ctx context.Context, q []float32, lists []list) {
	group, all := queryRows, queryRows
	if x.short {
		group, all = shortQueries, len(lists)
	}
	products := make([]float32, group*x.rows)
	maxima := make([]float32, group*x.rows/x.spread)
	for from := 0; from < len(lists); from += all {
		to := min(from+all, len(lists))
		at := 0
		for _, b := range x.blocks {
			if ctx.Err() != nil {
				return
			}
			for i := from; i < to; i += group {
				m := min(group, to-i)
				x.block(q[i*(x.d+1):(i+m)*(x.d+1)], lists[i:i+m], b, at, products, maxima)
			}
			at += b.Shape()[1]
		}
	}
}

// block takes the rows of a block, the first of which is number at, into the lists of queries.
func (x *index) block(q []float32, lists []list, b *tensor.Packed, at int, products, maxima []float32) {
	m, n := len(lists), b.Shape()[1]
	whole := n / x.spread
	products, maxima = products[:m*n], maxima[:m*whole]
	tensor.MatMulPacked(tensor.FromFloat32(products, m, n), tensor.FromFloat32(q, m, x.d+1), b, nil)
	tensor.MaxAlong(tensor.FromFloat32(maxima, m, whole), tensor.FromFloat32(products, m, x.spread, whole), 1)
	for i := range lists {
		l, row := &lists[i], products[i*n:(i+1)*n]
		k := len(l.ids)
		for s, top := range maxima[i*whole : (i+1)*whole] {
			if l.n < k || top >= l.scores[k-1] {
				l.scan(row, s, whole, at)
			}
		}
	}
}

// list is the best so far, in falling order of their scores.
type list struct {
	ids    []int32
	scores []float32
	n      int
}

// scan takes in every step-th score of a block from one on; first is the number of the block's first row.
func (l *list) scan(block []float32, from, step, first int) {
	k := len(l.ids)
	for j := from; j < len(block); j += step {
		v, id := block[j], int32(first+j)
		if l.n == k && !l.before(v, id, k-1) {
			continue
		}
		at := min(l.n, k-1)
		for at > 0 && l.before(v, id, at-1) {
			l.ids[at], l.scores[at] = l.ids[at-1], l.scores[at-1]
			at--
		}
		l.ids[at], l.scores[at] = id, v
		l.n = min(l.n+1, k)
	}
}

// before says whether a row comes before the one at a place of the list.
func (l *list) before(v float32, id int32, at int) bool {
	return v > l.scores[at] || v == l.scores[at] && id < l.ids[at]
}
