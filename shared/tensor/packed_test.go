package tensor_test

import (
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// What a product fetches for the next one changes no bit, whatever the next one is.
func TestNextChangesNothing(t *testing.T) {
	k, n := 384, 200
	w := PackB(input(Float32, 2, k, n), false)
	nexts := []*Packed{
		w, PackB(input(Float32, 3, 1536, 48), false), PackB(input(Float32, 3, 5, 3), false), PackB(New(Float32, 0, 4), false),
		PackB(input(Float64, 3, 40, 40), false), PackConv(input(Float32, 3, 3, 3, 4, 4)),
	}
	for _, m := range []int{1, 8, 16, 64, 100} {
		x, bias := input(Float32, 1, m, k), input(Float32, 4, n)
		want, got := fresh(Float32, m, n), fresh(Float32, m, n)
		MatMulPacked(want, x, w, &Epilogue{Bias: bias})
		for _, next := range nexts {
			MatMulPacked(got, x, w, &Epilogue{Bias: bias, Next: next})
			same(t, "MatMulPacked", got, want)
		}
	}
}
