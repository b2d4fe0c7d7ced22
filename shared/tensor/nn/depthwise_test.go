package nn

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// The layer gives the same bits on a recording and on an inference tape, and gradients to its weights and bias.
func TestDepthwiseConv2D(t *testing.T) {
	l := NewDepthwiseConv2D(24, 2, 5, 2)
	Init(l, 3)
	x := tensor.New(tensor.Float32, 2, 9, 7, 24)
	for i := range x.F32() {
		x.F32()[i] = float32(i%13) - 6
	}
	tape, inference := autograd.NewTape(nil), autograd.NewInference(nil)
	then := Then{Act: tensor.ActSiLU}
	y := l.ForwardThen(tape, tape.Leaf(x), then)
	sameBits(t, "forward", y.Tensor, l.ForwardThen(inference, inference.Leaf(x), then).Tensor)
	if got := y.Shape(); got[1] != 5 || got[2] != 4 || got[3] != 48 {
		t.Errorf("shape %v", got)
	}
	for i, g := range tape.Grad(autograd.Sum(y), []*autograd.Value{l.Weight.On(tape), l.Bias.On(tape)}, false) {
		if g == nil || tensor.SumSquares(g.Tensor) == 0 {
			t.Errorf("parameter %d has no gradient", i)
		}
	}
}
