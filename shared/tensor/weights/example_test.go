package weights_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

func ExampleBind() {
	dir, err := os.MkdirTemp("", "weights")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "model.safetensors")
	stored := map[string]*tensor.Tensor{"out.bias": tensor.FromFloat32([]float32{1, 2, 3}, 3)}
	if err := weights.Write(path, stored, map[string]string{"format": "pt"}); err != nil {
		fmt.Println(err)
		return
	}
	f, err := weights.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = f.Close() }()
	bias := tensor.New(tensor.Float32, 3)
	err = weights.Bind(f, []weights.Param{{Name: "out.bias", Tensor: bias}}, weights.Mapping{Copy: true})
	fmt.Println(bias.F32(), err)
	// Output: [1 2 3] <nil>
}
