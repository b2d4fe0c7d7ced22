package evaluate

import (
	"context"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// index searches rows for the nearest of a query, all of them (brute force): the products of the queries with the rows,
// then the largest of those. Rows have one number more, -|row|^2/2, and queries a 1 for it, so that the product is
// largest where the distance is smallest: |q-row|^2 = |q|^2 - 2 (q row - |row|^2/2).
type index struct {
	blocks []*tensor.Packed // of blockRows rows each
	n, d   int
	bytes  int64
	labels []int32
}

const (
	blockRows   = 2048 // rows that are searched together; their products stay in the cache
	queryRows   = 128
	segmentRows = 64 // spread over a block, of which one maximum says whether they are looked at
)

func newIndex(rows *tensor.Tensor) *index {
	n, d := rows.Dims2()
	x := &index{n: n, d: d}
	for from := 0; from < n; from += blockRows {
		m := min(blockRows, n-from)
		whole := (m + segmentRows - 1) / segmentRows * segmentRows
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
	total, _ := queries.Dims2()
	k = min(k, x.n)
	near := make([][]int32, total)
	ids := make([]int32, total*k)
	scores := make([]float32, total*k)
	q := tensor.New(tensor.Float32, queryRows, x.d+1)
	products := make([]float32, queryRows*blockRows)
	maxima := make([]float32, queryRows*blockRows/segmentRows)
	for from := 0; from < total; from += queryRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m := min(queryRows, total-from)
		for i := range m {
			row := q.F32()[i*(x.d+1) : (i+1)*(x.d+1)]
			copy(row, queries.F32()[(from+i)*x.d:(from+i+1)*x.d])
			row[x.d] = 1
		}
		at := 0
		for _, b := range x.blocks {
			n := b.Shape()[1]
			dst := tensor.FromFloat32(products[:m*n], m, n)
			tensor.MatMulPacked(dst, tensor.FromFloat32(q.F32()[:m*(x.d+1)], m, x.d+1), b, nil)
			whole := n / segmentRows
			tensor.MaxAlong(tensor.FromFloat32(maxima[:m*whole], m, whole),
				tensor.FromFloat32(products[:m*n], m, segmentRows, whole), 1)
			for i := range m {
				l := list{ids[(from+i)*k : (from+i+1)*k], scores[(from+i)*k : (from+i+1)*k], min(at, k)}
				row := products[i*n : (i+1)*n]
				for s, top := range maxima[i*whole : (i+1)*whole] {
					if l.n < k || top >= l.scores[k-1] {
						l.scan(row, s, whole, at)
					}
				}
			}
			at += n
		}
	}
	for i := range near {
		near[i] = ids[i*k : (i+1)*k]
	}
	return near, nil
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
