package nn

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/internal/golden"
)

// TestGoldens compares losses, their gradients and the time embedding with PyTorch's and diffusers'.
func TestGoldens(t *testing.T) {
	cases, err := golden.Read("../testdata/ops.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, c := range cases {
		for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
			tape := autograd.NewTape(nil)
			var in []*autograd.Value
			for _, x := range c.In {
				in = append(in, tape.Leaf(x.To(d)))
			}
			var y *autograd.Value
			switch c.Op {
			case "mse":
				y = MSE(in[0], in[1])
			case "cross_entropy":
				y = CrossEntropy(in[0], c.IDs)
			case "bce_logits":
				y = BCELogits(in[0], in[1])
			case "time_embedding":
				o := TimeOptions{FlipSinToCos: c.Bool("cos_first"), Shift: c.Num("freq_shift")}
				y = NewTimeEmbedding(c.Int("dim"), o).Forward(tape, d, c.In[0].F32())
			default:
				continue
			}
			seen[c.Op]++
			if err := c.Compare(0, y.Tensor); err != nil {
				t.Error(err)
			}
			if len(c.Out) > 1 {
				if err := c.Compare(1, tape.Grad(y, in[:1], false)[0].Tensor); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("cases seen: %v", seen)
	}
}
