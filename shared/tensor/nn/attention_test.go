package nn

import (
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// TestMultiHeadAttention checks that one packed product gives the bits of three, before and after a change of weights,
// that causal rows do not see later ones, and that gradients reach every weight.
func TestMultiHeadAttention(t *testing.T) {
	const B, T, D = 2, 9, 24
	a := NewMultiHeadAttention(D, 4, 2, true)
	Init(a, 3)
	x := tensor.New(tensor.Float32, B, T, D)
	rng.New(4).Normal(x.F32(), 0, 0, rng.General)
	lengths := []int{T, 5}
	run := func(tape *autograd.Tape) []float32 {
		return slices.Clone(a.ForwardThen(tape, tape.Const(x), lengths, Then{Residual: tape.Const(x)}).F32())
	}
	Pack(a)
	for range 2 {
		if !slices.Equal(run(autograd.NewTape(nil)), run(autograd.NewInference(nil))) {
			t.Fatal("one product differs from three")
		}
		a.K.Weight.F32()[3]++
		a.V.Bias.F32()[2]++
		a.K.Weight.Changed()
		a.V.Bias.Changed()
	}
	before := run(autograd.NewTape(nil))
	for i := range D {
		x.F32()[(T-1)*D+i] = 7
	}
	after := run(autograd.NewTape(nil))
	if !slices.Equal(before[:(T-1)*D], after[:(T-1)*D]) || slices.Equal(before[:T*D], after[:T*D]) {
		t.Error("earlier rows see a later one, or nothing changed")
	}
	tape := autograd.NewTape(nil)
	var ps []*autograd.Value
	for _, p := range Params(a) {
		ps = append(ps, p.On(tape))
	}
	loss := autograd.Sum(autograd.Square(a.Forward(tape, tape.Const(x), lengths)))
	for i, g := range tape.Grad(loss, ps, false) {
		if tensor.SumSquares(g.Tensor) == 0 && Params(a)[i].Name != "k.bias" {
			t.Errorf("%s has no gradient", Params(a)[i].Name)
		}
	}
}
