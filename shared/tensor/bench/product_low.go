package bench

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// lowProducts are products of bf16 and int8 by a weight that was narrowed and packed before; results are float32. The
// activations were narrowed before too, or, where the name says dynamic, are float32 and narrowed inside.
func lowProducts() []Workload {
	var l []Workload
	for _, t := range []tensor.LowType{tensor.LowBF16, tensor.LowInt8} {
		pack, bytes := tensor.PackBF16, 2.0
		if t == tensor.LowInt8 {
			pack, bytes = tensor.PackInt8, 1
		}
		for _, s := range [][3]int{{256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024}, {1, 1024, 1024}, {16, 384, 1536}} {
			m, k, n := s[0], s[1], s[2]
			shape := fmt.Sprintf("%dx%dx%d", m, k, n)
			if m == k && k == n {
				shape = fmt.Sprint(n)
			}
			flops := 2 * float64(m) * float64(k) * float64(n)
			w := Workload{Unit: "GF", Items: flops / 1e9, Flops: flops, Bytes: bytes * float64(k) * float64(n)}
			w.Name, w.New = fmt.Sprintf("product/%s/%s", t, shape), func() func() {
				b, c := pack(normal(k, n), false), tensor.New(tensor.Float32, m, n)
				var rows tensor.LowRows
				tensor.NarrowRows(&rows, normal(m, k), t)
				return func() { tensor.MatMulLow(c, &rows, b, nil, nil) }
			}
			l = append(l, w)
			w.Name, w.New = fmt.Sprintf("product/%s-dynamic/%s", t, shape), func() func() {
				a, b, c := normal(m, k), pack(normal(k, n), false), tensor.New(tensor.Float32, m, n)
				return func() { tensor.MatMulNarrow(c, a, b, nil, nil) }
			}
			l = append(l, w)
		}
	}
	return l
}
