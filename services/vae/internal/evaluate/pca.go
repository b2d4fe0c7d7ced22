package evaluate

import (
	"context"
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// PCA is the principal components of a set of pictures.
type PCA struct {
	mean    []float64   // [D]
	vectors [][]float64 // by falling variance, [D] each
}

// chunk is how many pictures are held as float64 at a time.
const chunk = 1000

// NewPCA finds the first k principal components of pictures in [0, 1]: the eigenvectors of their covariance, which is
// added up in float64.
func NewPCA(ctx context.Context, set dataset.Dataset, k int) (*PCA, error) {
	h, w, c := set.Shape()
	d, n := h*w*c, set.Len()
	if k < 1 || k > d || n < 2 {
		return nil, fmt.Errorf("%d components of %d pictures of %d numbers", k, n, d)
	}
	p := &PCA{mean: make([]float64, d)}
	products := tensor.New(tensor.Float64, d, d)
	part := tensor.New(tensor.Float64, d, d)
	err := each(ctx, set, func(x *tensor.Tensor) {
		for i, v := range x.F64() {
			p.mean[i%d] += v
		}
		tensor.MatMul(part, x, x, true, false)
		tensor.Add(products, products, part)
	})
	if err != nil {
		return nil, err
	}
	cov := mat.NewSymDense(d, products.F64())
	for i := range d {
		p.mean[i] /= float64(n)
	}
	for i := range d {
		for j := i; j < d; j++ {
			cov.SetSym(i, j, cov.At(i, j)/float64(n)-p.mean[i]*p.mean[j])
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(cov, true) {
		return nil, fmt.Errorf("the covariance of %d numbers has no eigenvectors", d)
	}
	var v mat.Dense
	eig.VectorsTo(&v)
	for i := range k {
		p.vectors = append(p.vectors, mat.Col(nil, d-1-i, &v)) // eigenvalues rise
	}
	return p, nil
}

// each calls f for the pictures of a set, in [0, 1], up to chunk of them at a time.
func each(ctx context.Context, set dataset.Dataset, f func(x *tensor.Tensor)) error {
	h, w, c := set.Shape()
	d := h * w * c
	row := make([]float32, d)
	for from := 0; from < set.Len(); from += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(chunk, set.Len()-from)
		x := tensor.New(tensor.Float64, n, d)
		for i := range n {
			if err := set.Picture(from+i, row); err != nil {
				return err
			}
			dataset.ToUnit(row)
			for j, v := range row {
				x.F64()[i*d+j] = float64(v)
			}
		}
		f(x)
	}
	return nil
}

// SquaredError is the mean over pictures and pixels of the squared difference between pictures and their projections on
// the components.
func (p *PCA) SquaredError(ctx context.Context, set dataset.Dataset) (float64, error) {
	d, k := len(p.mean), len(p.vectors)
	v := tensor.New(tensor.Float64, k, d)
	for i, c := range p.vectors {
		copy(v.F64()[i*d:], c)
	}
	var sum float64
	err := each(ctx, set, func(x *tensor.Tensor) {
		n := x.Dim(0)
		for i := range x.F64() {
			x.F64()[i] -= p.mean[i%d]
		}
		code, y := tensor.New(tensor.Float64, n, k), tensor.New(tensor.Float64, n, d)
		tensor.MatMul(code, x, v, false, true)
		tensor.MatMul(y, code, v, false, false)
		tensor.Sub(y, y, x)
		sum += tensor.SumSquares(y)
	})
	return sum / float64(set.Len()) / float64(d), err
}
