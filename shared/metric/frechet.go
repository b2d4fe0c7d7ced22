package metric

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Gaussian is the mean and covariance of features, which may be kept beside a data set.
type Gaussian struct {
	Mean []float64
	Cov  *mat.SymDense // divided by n-1
	N    int           // rows it was fitted to; 0 for a given one
}

// Fit measures the mean and the covariance of at least two rows.
func Fit(f Features) (Gaussian, error) {
	if err := f.check("metric.Fit", 2); err != nil {
		return Gaussian{}, err
	}
	n := f.Len()
	mean := make([]float64, f.Dim)
	for i := range n {
		for j, v := range f.Row(i) {
			mean[j] += float64(v)
		}
	}
	for j := range mean {
		mean[j] /= float64(n)
	}
	cov := mat.NewSymDense(f.Dim, nil)
	const chunk = 1024 // bounds the float64 copy of the rows
	for from := 0; from < n; from += chunk {
		rows := f.dense(from, min(n, from+chunk), mean)
		cov.SymRankK(cov, 1/float64(n-1), rows.T())
	}
	return Gaussian{Mean: mean, Cov: cov, N: n}, nil
}

// Frechet is the squared Frechet (2-Wasserstein) distance of two Gaussians,
//
//	|m1-m2|^2 + tr C1 + tr C2 - 2 tr (C1^1/2 C2 C1^1/2)^1/2,
//
// which is the FID of Heusel et al. 2017 when the features are Inception's. The symmetric form of the root works
// for singular covariances as well; eigenvalues below zero by rounding count as zero. The result is at least 0.
func Frechet(a, b Gaussian) (float64, error) {
	const op = "metric.Frechet"
	d := len(a.Mean)
	if d == 0 || len(b.Mean) != d || a.Cov == nil || b.Cov == nil || a.Cov.SymmetricDim() != d ||
		b.Cov.SymmetricDim() != d {
		return 0, fault.E(fault.Invalid, "BAD_FEATURES", op, "means of %d and %d numbers with covariances that must fit",
			d, len(b.Mean))
	}
	root, err := sqrtSym(a.Cov)
	if err != nil {
		return 0, err
	}
	var half, inner mat.Dense
	half.Mul(root, b.Cov)
	inner.Mul(&half, root)
	sym := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			sym.SetSym(i, j, (inner.At(i, j)+inner.At(j, i))/2)
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(sym, false) {
		return 0, fault.E(fault.Internal, "NO_CONVERGENCE", op,
			"the eigenvalues of a product of covariances did not converge")
	}
	cross := 0.0
	for _, v := range eig.Values(nil) {
		cross += math.Sqrt(max(v, 0))
	}
	dist := mat.Trace(a.Cov) + mat.Trace(b.Cov) - 2*cross
	for i := range d {
		diff := a.Mean[i] - b.Mean[i]
		dist += diff * diff
	}
	return max(dist, 0), nil
}

// FrechetOf fits both sets and returns the distance of the fits.
func FrechetOf(a, b Features) (float64, error) {
	if err := checkPair("metric.FrechetOf", a, b, 2); err != nil {
		return 0, err
	}
	ga, err := Fit(a)
	if err != nil {
		return 0, err
	}
	gb, err := Fit(b)
	if err != nil {
		return 0, err
	}
	return Frechet(ga, gb)
}

// sqrtSym is the square root of a positive semidefinite matrix.
func sqrtSym(c *mat.SymDense) (*mat.Dense, error) {
	var eig mat.EigenSym
	if !eig.Factorize(c, true) {
		return nil, fault.E(fault.Internal, "NO_CONVERGENCE", "metric.Frechet",
			"the eigenvalues of a covariance did not converge")
	}
	var v, scaled mat.Dense
	eig.VectorsTo(&v)
	values := eig.Values(nil)
	scaled.Apply(func(_, j int, x float64) float64 { return x * math.Sqrt(max(values[j], 0)) }, &v)
	root := &mat.Dense{}
	root.Mul(&scaled, v.T())
	return root, nil
}
