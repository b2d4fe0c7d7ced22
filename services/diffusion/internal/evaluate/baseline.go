package evaluate

import (
	"context"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// rounded puts samples through 8 bits, as every picture that leaves the engine.
func rounded(x []float32) {
	b := make([]byte, len(x))
	picture.Quantise(b, x)
	picture.Dequantise(x, b)
}

// uniformNoise draws n pictures of size independent elements, uniform over [-1, 1].
func uniformNoise(n, size int, seed uint64) []float32 {
	x := make([]float32, n*size)
	for i := range n {
		row := x[i*size : (i+1)*size]
		rng.New(seed).Uniform(row, uint64(i), 0, rng.General)
		for k, u := range row {
			row[k] = 2*u - 1
		}
	}
	rounded(x)
	return x
}

// gaussianNoise draws n pictures of standard normals, cut off at -1 and 1: what a sampler starts from.
func gaussianNoise(n, size int, seed uint64) []float32 {
	x := make([]float32, n*size)
	for i := range n {
		rng.New(seed).Normal(x[i*size:(i+1)*size], uint64(i), 0, rng.General)
	}
	rounded(x)
	return x
}

// moments are the mean and covariance (divided by n-1) of the pictures of a set, P elements each.
type moments struct {
	size int
	mean []float64
	cov  *mat.SymDense
}

// momentsOf reads all pictures of a set once.
func momentsOf(ctx context.Context, set dataset.Dataset) (*moments, error) {
	h, w, c := set.Shape()
	size, n := h*w*c, set.Len()
	m := &moments{size: size, mean: make([]float64, size), cov: mat.NewSymDense(size, nil)}
	x := make([]float32, size)
	const chunk = 1000
	block := mat.NewDense(chunk, size, nil)
	second := mat.NewDense(size, size, nil)
	for from := 0; from < n; from += chunk {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := min(chunk, n-from)
		for i := range rows {
			if err := set.Picture(from+i, x); err != nil {
				return nil, fault.Wrap("evaluate.moments", err)
			}
			for k, v := range x {
				// Most pictures are mostly -1: counted from there, sums stay small and products exact.
				block.Set(i, k, float64(v)+1)
				m.mean[k] += float64(v) + 1
			}
		}
		part := block.Slice(0, rows, 0, size)
		var product mat.Dense
		product.Mul(part.T(), part)
		second.Add(second, &product)
	}
	for k := range m.mean {
		m.mean[k] /= float64(n)
	}
	for i := range size {
		for k := i; k < size; k++ {
			m.cov.SetSym(i, k, (second.At(i, k)-float64(n)*m.mean[i]*m.mean[k])/float64(n-1))
		}
	}
	for k := range m.mean {
		m.mean[k]--
	}
	return m, nil
}

// independent draws n pictures whose elements are independent normals with the set's means and variances.
func (m *moments) independent(n int, seed uint64) []float32 {
	x := make([]float32, n*m.size)
	for i := range n {
		row := x[i*m.size : (i+1)*m.size]
		rng.New(seed).Normal(row, uint64(i), 0, rng.General)
		for k, z := range row {
			row[k] = float32(m.mean[k] + math.Sqrt(max(m.cov.At(k, k), 0))*float64(z))
		}
	}
	rounded(x)
	return x
}

// joint draws n pictures from the normal distribution with the set's mean and covariance, the model behind principal
// components.
func (m *moments) joint(n int, seed uint64) ([]float32, error) {
	var eigen mat.EigenSym
	if !eigen.Factorize(m.cov, true) {
		return nil, fault.E(fault.Internal, "NO_CONVERGENCE", "evaluate.joint", "the covariance has no eigenvectors")
	}
	var root mat.Dense
	eigen.VectorsTo(&root)
	for k, v := range eigen.Values(nil) {
		scale := math.Sqrt(max(v, 0))
		for i := range m.size {
			root.Set(i, k, scale*root.At(i, k))
		}
	}
	normals := mat.NewDense(n, m.size, nil)
	z := make([]float32, m.size)
	for i := range n {
		rng.New(seed).Normal(z, uint64(i), 0, rng.General)
		for k, v := range z {
			normals.Set(i, k, float64(v))
		}
	}
	var y mat.Dense
	y.Mul(normals, root.T())
	x := make([]float32, n*m.size)
	for i := range n {
		for k := range m.size {
			x[i*m.size+k] = float32(m.mean[k] + y.At(i, k))
		}
	}
	rounded(x)
	return x, nil
}
