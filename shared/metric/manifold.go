package metric

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/manifold-gen/manifold/shared/fault"
)

// PrecisionRecall is the improved precision and recall of Kynkaanniemi et al. 2019: the share of fake rows that lie
// within the k-th nearest-neighbour distance of some known, real row, and of known rows that lie within that of some
// fake row. Precision falls when samples look wrong, recall when kinds of samples are missing. k is 3 in the paper;
// both sets need more than k rows.
func PrecisionRecall(known, fake Features, k int) (precision, recall float64, err error) {
	const op = "metric.PrecisionRecall"
	if k < 1 {
		return 0, 0, fault.E(fault.Invalid, "BAD_NEIGHBOURS", op, "k is %d, allowed is at least 1", k)
	}
	if err := checkPair(op, known, fake, k+1); err != nil {
		return 0, 0, err
	}
	a, b := known.dense(0, known.Len(), nil), fake.dense(0, fake.Len(), nil)
	return within(a, b, radii(a, k)), within(b, a, radii(b, k)), nil
}

// blockRows bounds the distances that are held at a time.
const blockRows = 256

// distances calls f with each row of x and its squared distances to all rows of y.
func distances(x, y *mat.Dense, f func(i int, dist []float64)) {
	n, d := x.Dims()
	m, _ := y.Dims()
	sq := func(a mat.Matrix, i int) (s float64) {
		for _, v := range a.(*mat.Dense).RawRowView(i) {
			s += v * v
		}
		return s
	}
	ys := make([]float64, m)
	for j := range m {
		ys[j] = sq(y, j)
	}
	for from := 0; from < n; from += blockRows {
		to := min(n, from+blockRows)
		var dots mat.Dense
		dots.Mul(x.Slice(from, to, 0, d), y.T())
		for i := from; i < to; i++ {
			row, xs := dots.RawRowView(i-from), sq(x, i)
			for j := range row {
				row[j] = max(xs+ys[j]-2*row[j], 0)
			}
			f(i, row)
		}
	}
}

// radii is the squared distance of every row to its k-th nearest other row.
func radii(x *mat.Dense, k int) []float64 {
	n, _ := x.Dims()
	r := make([]float64, n)
	distances(x, x, func(i int, dist []float64) {
		dist[i] = math.Inf(1)
		slices.Sort(dist)
		r[i] = dist[k-1]
	})
	return r
}

// within is the share of rows of probe that lie within the radius of some row of centres.
func within(centres, probe *mat.Dense, radius []float64) float64 {
	n, _ := probe.Dims()
	hits := 0
	distances(probe, centres, func(_ int, dist []float64) {
		for j, v := range dist {
			if v <= radius[j] {
				hits++
				return
			}
		}
	})
	return float64(hits) / float64(n)
}
