package nn

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/internal/golden"
)

// TestConvTransposeGoldens compares the layer and its gradients with PyTorch's conv_transpose2d.
func TestConvTransposeGoldens(t *testing.T) {
	cases, err := golden.Read("testdata/convtranspose.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 4 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
			x, w := c.In[0], c.In[1]
			l := NewConvTranspose2D(x.Dim(3), w.Dim(2), w.Dim(0), c.Int("stride"), c.Int("pad"))
			l.Extra = c.Int("extra")
			l.Weight.CopyFrom(w)
			l.Bias.CopyFrom(c.In[2])
			To(l, d)
			tape := autograd.NewTape(nil)
			in := tape.Leaf(x.To(d))
			y := l.Forward(tape, in)
			got := []*autograd.Value{y}
			wrt := []*autograd.Value{in, l.Weight.On(tape), l.Bias.On(tape)}
			got = append(got, tape.Pull(y, tape.Const(c.In[3].To(d)), wrt, false)...)
			for i, v := range got {
				if err := c.Compare(i, v.Tensor); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestConvTransposeInference wants the bits of the recorded operations from packed weights, also after a change.
func TestConvTransposeInference(t *testing.T) {
	l := NewConvTranspose2D(8, 5, 4, 2, 1)
	Init(l, 3)
	x := normals(2, 2, 3, 4, 8)
	for _, act := range []tensor.Activation{tensor.ActNone, tensor.ActReLU, tensor.ActSiLU} {
		train, infer := autograd.NewTape(nil), autograd.NewInference(nil)
		a := l.ForwardThen(train, train.Const(x), Then{Act: act})
		b := l.ForwardThen(infer, infer.Const(x), Then{Act: act})
		sameBits(t, "output", a.Tensor, b.Tensor)
		Init(l, 4)
	}
}

// TestConvTransposeStart holds the initial weights to PyTorch's bound, 1/sqrt(kernel area times channels out).
func TestConvTransposeStart(t *testing.T) {
	l := NewConvTranspose2D(64, 4, 2, 1, 0)
	Init(l, 1)
	var most float32
	for _, v := range l.Weight.F32() {
		most = max(most, v, -v)
	}
	if most > 0.25 || most < 0.24 {
		t.Errorf("the largest weight is %v, the bound is 0.25", most)
	}
}
