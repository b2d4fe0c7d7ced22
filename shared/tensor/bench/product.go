package bench

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// productWorkloads are single products of an activation [m, k] by a weight [k, n] that was packed before, as a linear
// layer is: what other libraries call MatMul by a constant.
func productWorkloads() []Workload {
	var l []Workload
	for _, s := range [][3]int{
		{256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048}, {1, 1024, 1024}, {16, 384, 1536},
	} {
		m, k, n := s[0], s[1], s[2]
		name := fmt.Sprintf("product/f32/%dx%dx%d", m, k, n)
		if m == k && k == n {
			name = fmt.Sprintf("product/f32/%d", n)
		}
		l = append(l, Workload{
			Name: name, Unit: "GF", Items: 2e-9 * float64(m) * float64(k) * float64(n),
			Flops: 2 * float64(m) * float64(k) * float64(n), Bytes: 4 * float64(k) * float64(n),
			New: func() func() {
				a, w, c := normal(m, k), normal(k, n), tensor.New(tensor.Float32, m, n)
				packed := tensor.PackB(w, false)
				return func() { tensor.MatMulPacked(c, a, packed, nil) }
			},
		})
	}
	return l
}

// normal is a tensor of draws from the normal distribution.
func normal(shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.Float32, shape...)
	rng.New(1).Normal(t.F32(), 0, 0, rng.General)
	return t
}
