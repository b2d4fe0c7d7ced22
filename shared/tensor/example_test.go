package tensor_test

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// A step takes its tensors from an arena and gives them back at once.
func Example() {
	arena := tensor.NewArena()
	x := tensor.FromFloat32([]float32{1, 2, 3, 4, 5, 6}, 2, 3) // [M, K]
	w := tensor.FromFloat32([]float32{1, 0, 0, 1, 1, 1}, 3, 2) // [K, N]
	bias := tensor.FromFloat32([]float32{0.5, -20}, 2)         // [N]
	for range 2 {
		y := arena.New(tensor.Float32, 2, 2) // [M, N]
		tensor.MatMulEx(y, x, w, false, false, &tensor.Epilogue{Bias: bias, Act: tensor.ActReLU})
		fmt.Println(y.F32())
		arena.Reset()
	}
	// Output:
	// [4.5 0 10.5 0]
	// [4.5 0 10.5 0]
}

// Misuse panics; an engine turns that into an error where a request enters it.
func ExampleCatch() {
	err := tensor.Catch(func() {
		tensor.Add(tensor.New(tensor.Float32, 2, 3), tensor.New(tensor.Float32, 2, 3), tensor.New(tensor.Float32, 4))
	})
	fmt.Println(err)
	// Output: tensor.Add [2 3] and [4]: does not broadcast
}

// Broadcasting aligns shapes at their last axes.
func ExampleAdd() {
	x := tensor.FromFloat32([]float32{1, 2, 3, 4}, 2, 2)
	row := tensor.FromFloat32([]float32{10, 20}, 2)
	tensor.Add(x, x, row)
	fmt.Println(x.F32())
	// Output: [11 22 13 24]
}
