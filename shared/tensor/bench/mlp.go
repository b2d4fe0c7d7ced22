package bench

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/optim"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// mlp is a classifier so small that the price of an operation is all there is to measure.
type mlp struct {
	In  *nn.Linear `weights:"in"`
	Out *nn.Linear `weights:"out"`
}

// mlpStep is a step of training by Adam on random rows.
func mlpStep(in, hidden, classes, batch int) func() {
	m := &mlp{In: nn.NewLinear(in, hidden, true), Out: nn.NewLinear(hidden, classes, true)}
	nn.Init(m, 1)
	params := nn.Params(m)
	adam := optim.NewAdamW(params, optim.AdamWConfig{})
	tape := autograd.NewTape(nil)
	x := tensor.New(tensor.Float32, batch, in)
	rng.New(1).Normal(x.F32(), 0, 0, rng.General)
	targets := make([]int32, batch)
	rng.New(1).Ints(targets, int32(classes), 1, 0, rng.General)
	return func() {
		tape.Reset()
		h := m.In.ForwardThen(tape, tape.Const(x), nn.Then{Act: tensor.ActReLU}) // [N, hidden]
		loss := nn.CrossEntropy(m.Out.Forward(tape, h), targets)
		nn.Gradient(tape, loss, params)
		adam.Step(1e-3, 1)
	}
}
