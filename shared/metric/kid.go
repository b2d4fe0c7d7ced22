package metric

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// KIDConfig says how the kernel distance is estimated. Zero fields mean the defaults.
type KIDConfig struct {
	Subsets int    // number of pairs of subsets; default 100
	Size    int    // rows of a subset, at most what both sets have; default 1000, or all rows of the smaller set
	Seed    uint64 // decides the subsets
}

// KIDResult is a kernel distance with its spread over the subsets.
type KIDResult struct {
	Mean, Std     float64 // Std divides by the number of subsets
	Subsets, Size int     // as they were used
}

// KID is the kernel distance of Binkowski et al. 2018: the unbiased estimate of the squared maximum mean
// discrepancy with the kernel (x.y/dim + 1)^3, averaged over pairs of random subsets drawn without replacement. It
// may be below zero when the distributions are equal.
func KID(a, b Features, c KIDConfig) (KIDResult, error) {
	const op = "metric.KID"
	if err := checkPair(op, a, b, 2); err != nil {
		return KIDResult{}, err
	}
	least := min(a.Len(), b.Len())
	if c.Subsets == 0 {
		c.Subsets = 100
	}
	if c.Size == 0 {
		c.Size = min(1000, least)
	}
	if c.Subsets < 1 || c.Size < 2 || c.Size > least {
		return KIDResult{}, fault.E(fault.Invalid, "BAD_SUBSETS", op,
			"%d subsets of %d rows, allowed are at least 1 of 2 to %d", c.Subsets, c.Size, least)
	}
	stream := rng.New(c.Seed)
	sum, squares := 0.0, 0.0
	for k := range c.Subsets {
		x := a.pick(stream.Perm(a.Len(), uint64(2*k))[:c.Size])
		y := b.pick(stream.Perm(b.Len(), uint64(2*k+1))[:c.Size])
		v := mmd2(x, y)
		sum += v
		squares += v * v
	}
	n := float64(c.Subsets)
	mean := sum / n
	return KIDResult{Mean: mean, Std: math.Sqrt(max(squares/n-mean*mean, 0)), Subsets: c.Subsets, Size: c.Size}, nil
}

// MMD2 is the estimate of KID over all rows of both sets at once. Its memory grows with the product of their sizes.
func MMD2(a, b Features) (float64, error) {
	if err := checkPair("metric.MMD2", a, b, 2); err != nil {
		return 0, err
	}
	return mmd2(a.dense(0, a.Len(), nil), b.dense(0, b.Len(), nil)), nil
}

func (f Features) pick(rows []int32) *mat.Dense {
	m := mat.NewDense(len(rows), f.Dim, nil)
	for i, r := range rows {
		dst := m.RawRowView(i)
		for j, v := range f.Row(int(r)) {
			dst[j] = float64(v)
		}
	}
	return m
}

// mmd2 is mean k(x,x') + mean k(y,y') - 2 mean k(x,y), the first two over pairs of different rows.
func mmd2(x, y *mat.Dense) float64 {
	n, _ := x.Dims()
	m, _ := y.Dims()
	xx, dx := kernelSum(x, x)
	yy, dy := kernelSum(y, y)
	xy, _ := kernelSum(x, y)
	return (xx-dx)/float64(n*(n-1)) + (yy-dy)/float64(m*(m-1)) - 2*xy/float64(n*m)
}

// kernelSum is the sum of the kernel over all pairs of rows, and over the pairs of equal index.
func kernelSum(x, y *mat.Dense) (sum, diagonal float64) {
	_, d := x.Dims()
	var k mat.Dense
	k.Mul(x, y.T())
	n, m := k.Dims()
	for i := range n {
		row := 0.0
		for j, v := range k.RawRowView(i)[:m] {
			b := v/float64(d) + 1
			row += b * b * b
			if i == j {
				diagonal += b * b * b
			}
		}
		sum += row
	}
	return sum, diagonal
}
