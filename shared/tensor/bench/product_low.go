package bench

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// lowProducts are products of bf16 and int8 of float32 activations, which are narrowed inside, by a weight that was
// narrowed and packed before; results are float32.
func lowProducts() []Workload {
	var l []Workload
	for _, t := range []tensor.LowType{tensor.LowBF16, tensor.LowInt8} {
		pack, bytes := tensor.PackBF16, 2.0
		if t == tensor.LowInt8 {
			pack, bytes = tensor.PackInt8, 1
		}
		for _, s := range [][3]int{{256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024}, {1, 1024, 1024}, {16, 384, 1536}} {
			m, k, n := s[0], s[1], s[2]
			name := fmt.Sprintf("product/%s/%dx%dx%d", t, m, k, n)
			if m == k && k == n {
				name = fmt.Sprintf("product/%s/%d", t, n)
			}
			flops := 2 * float64(m) * float64(k) * float64(n)
			l = append(l, Workload{
				Name: name, Unit: "GF", Items: flops / 1e9, Flops: flops, Bytes: bytes * float64(k) * float64(n),
				New: func() func() {
					a, w, c := normal(m, k), pack(normal(k, n), false), tensor.New(tensor.Float32, m, n)
					return func() { tensor.MatMulNarrow(c, a, w, nil, nil) }
				},
			})
		}
	}
	return l
}
