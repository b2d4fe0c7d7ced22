package bench

import "github.com/manifold-gen/manifold/shared/tensor"

// Sharing is the work of processes that share cores: one run is a large product and some of the small ones that a short
// sentence needs, so that both long parts and frequent joins are met. It returns the number of products.
func Sharing() func() int {
	type layer struct {
		a, c *tensor.Tensor
		w    *tensor.Packed
	}
	var layers []layer
	add := func(m, k, n, times int) {
		l := layer{normal(m, k), tensor.New(tensor.Float32, m, n), tensor.PackB(normal(k, n), false)}
		for range times {
			layers = append(layers, l)
		}
	}
	add(512, 512, 512, 1)
	add(64, 384, 1536, 4)
	add(16, 384, 384, 8)
	return func() int {
		for _, l := range layers {
			tensor.MatMulPacked(l.c, l.a, l.w, nil)
		}
		return len(layers)
	}
}
