package autograd_test

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// A loss, its gradient, and the gradient of the gradient.
func ExampleTape_Grad() {
	t := autograd.NewTape(nil)
	x := t.Leaf(tensor.FromFloat64([]float64{1, 2, 3}, 3))
	loss := autograd.Sum(autograd.Mul(autograd.Square(x), x)) // sum of x^3
	g := t.Grad(loss, []*autograd.Value{x}, true)[0]
	h := t.Grad(autograd.Sum(g), []*autograd.Value{x}, false)[0]
	fmt.Println(loss.Item(), g.F64(), h.F64())
	// Output: 36 [3 12 27] [6 12 18]
}
