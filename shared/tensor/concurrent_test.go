package tensor_test

import (
	"sync"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// TestConcurrentCalls checks that calls from several goroutines, which share the pool and the free lists, give
// the bits of a single call.
func TestConcurrentCalls(t *testing.T) {
	defer restore(t)()
	SetThreads(3)
	x, w, c := input(Float32, 1, 2, 16, 16, 32), input(Float32, 2, 3, 3, 32, 32), input(Float32, 3, 32)
	net := func() string {
		y, z := fresh(Float32, 2, 16, 16, 32), fresh(Float32, 2, 16, 16, 32)
		mean, rstd, sum, dw := fresh(Float32, 2, 4), fresh(Float32, 2, 4), fresh(Float32, 32), fresh(Float32, 3, 3, 32, 32)
		Conv2DEx(y, x, w, Same(3), &Epilogue{Bias: c, Act: ActSiLU, Residual: x})
		GroupNormSiLU(z, mean, rstd, y, c, c, 4, 1e-5)
		GroupNormGrad(y, c.Clone(), sum, z, mean, rstd, c, x, 4)
		Conv2DWeightGrad(dw, y, z, Same(3))
		Attention(y.Reshape(2, 256, 32), z.Reshape(2, 256, 32), z.Reshape(2, 256, 32), z.Reshape(2, 256, 32), 2, 0.2)
		Sum(sum, y, 0, 1, 2)
		return digest(y, z, sum, dw)
	}
	want := net()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 5 {
				if got := net(); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
	wg.Wait()
}
