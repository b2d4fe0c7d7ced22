package tensor_test

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

// TestNoFusedProducts looks at the machine code of the packages that decide output bits. The product of two
// float32 is exact in float64, so fusing it into the sum of an emulated multiply-add changes nothing; PeakFMA
// only measures speed.
func TestNoFusedProducts(t *testing.T) {
	allowed := []string{".FMA32", ".fma32", ".oddFMA32", ".PeakFMA"}
	fusedtest.Check(t, allowed, ".", "./rng", "./internal/vec", "./internal/gemm", "./internal/quant", "./internal/lowp",
		"./internal/depthwise")
}
