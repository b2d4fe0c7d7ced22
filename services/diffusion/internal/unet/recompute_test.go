package unet

import (
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Recompute changes the memory of a step of training and no bit of a gradient.
func TestRecomputeBits(t *testing.T) {
	c := MNIST()
	c.Channels, c.Blocks, c.ImageSize, c.AttentionLevels = []int{16, 40}, 2, 16, []int{1}
	u, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(u, 1)
	params := nn.Params(u)
	for i, p := range params { // what begins at zero would hide what lies before it
		noise := make([]float32, p.Len())
		rng.New(2).Normal(noise, uint64(i), 0, rng.General)
		for k := range noise {
			p.F32()[k] += noise[k] / 16
		}
	}
	const n = 2
	x := tensor.New(tensor.Float32, n, c.ImageSize, c.ImageSize, 1)
	rng.New(1).Normal(x.F32(), 0, 0, rng.General)
	var want [][]float32
	var plain autograd.Memory
	for _, again := range []bool{false, true} {
		u.Recompute = again
		tape := autograd.NewTape(nil)
		for range 2 {
			tape.Reset()
			loss := autograd.Mean(autograd.Square(u.Forward(tape, tape.Const(x), []float32{3, 700}, []int32{1, 10})))
			tape.Once()
			nn.Gradient(tape, loss, params)
		}
		if m := tape.Memory(); !again {
			plain = m
		} else if m.Live > plain.Live*3/4 || m.Peak > plain.Peak*3/4 {
			t.Errorf("%+v with Recompute, %+v without", m, plain)
		}
		for i, p := range params {
			if !again {
				want = append(want, slices.Clone(p.Grad.F32()))
			} else if !slices.Equal(p.Grad.F32(), want[i]) {
				t.Errorf("the gradient of %s differs", p.Name)
			}
		}
	}
}
